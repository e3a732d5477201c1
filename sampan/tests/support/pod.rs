//! Looking at one pod of a boat, and asking the service in it.

use std::net::SocketAddr;

use serde_json::Value;

use crate::boat::{Boat, eventually, has, is_root, skip};
use crate::http;

/// A boat with the tests' service loaded; None, and said so, where it cannot be.
pub fn afloat(name: &str) -> Option<Boat> {
    if !is_root() || !has("kubectl") {
        skip(name, "it needs root and kubectl");
        return None;
    }
    let boat = Boat::afloat(name);
    boat.load_echo();
    Some(boat)
}

impl Boat {
    /// The pod as the API has it; null when there is none.
    pub fn pod(&self, name: &str) -> Value {
        let output = self.kubectl(&["get", "pod", name, "-o", "json"]);
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    /// The pod once `wanted` says so.
    #[track_caller]
    pub fn pod_when(&self, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let (mut last, started) = (Value::Null, std::time::Instant::now());
        while started.elapsed() < crate::boat::PATIENCE {
            last = self.pod(name);
            if wanted(&last) {
                return last;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let events = self.kubectl_ok(&["get", "events"]);
        panic!("pod {name} is never {what}: {:#}\n{events}", last["status"]);
    }

    /// The pod when it is over.
    #[track_caller]
    pub fn pod_over(&self, name: &str) -> Value {
        self.pod_when(name, "over", |pod| {
            matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
        })
    }

    /// Where the pod's own service listens, once it does.
    #[track_caller]
    pub fn service_of(&self, name: &str) -> SocketAddr {
        let pod = self.pod_when(name, "running", |pod| pod["status"]["phase"] == "Running");
        let address = pod["status"]["podIP"].as_str().expect("an address");
        let at = SocketAddr::new(address.parse().expect("an address"), 8080);
        eventually("the service listens", || http::get(at, "pod", "/").ok());
        at
    }

    /// Waits for an event that says `text`.
    #[track_caller]
    pub fn event(&self, text: &str) {
        let (mut events, started) = (String::new(), std::time::Instant::now());
        while started.elapsed() < crate::boat::PATIENCE {
            let output = "jsonpath={range .items[*]}{.involvedObject.kind}/{.involvedObject.name} \
                          {.type} {.reason} {.message}{\"\\n\"}{end}";
            events = self.kubectl_ok(&["get", "events", "-o", output]);
            if events.contains(text) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("no event says {text:?}:\n{events}");
    }
}

/// What the service at `at` answers to a GET of `path`; its error's text when it is one.
#[track_caller]
pub fn ask(at: SocketAddr, path: &str) -> String {
    http::get(at, "pod", path).expect("an answer").body
}

/// The status of the container of that name, init or not.
pub fn container<'a>(pod: &'a Value, name: &str) -> &'a Value {
    let of = |key: &str| pod["status"][key].as_array().into_iter().flatten();
    let mut all = of("initContainerStatuses").chain(of("containerStatuses"));
    all.find(|status| status["name"] == name).unwrap_or(&Value::Null)
}
