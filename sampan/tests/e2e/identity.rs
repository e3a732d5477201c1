//! Who a pod is to the API: its ServiceAccount's token, used from inside the pod.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

use nix::sched::{CloneFlags, setns};

use crate::boat::{Boat, has, is_root, skip, texts};
use crate::http;

const MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const POD: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec:
  containers: [{name: echo, image: "echo:1"}]
---
apiVersion: v1
kind: Pod
metadata: {name: quiet, namespace: shop}
spec:
  automountServiceAccountToken: false
  containers: [{name: echo, image: "echo:1"}]
"#;

/// A file of the pod, read by the program in it.
fn file(boat: &Boat, pod: &str, name: &str) -> Result<String, u16> {
    let address = boat.field(&["pod", pod, "-n", "shop"], ".status.podIP");
    let at = SocketAddr::new(address.parse().expect("a pod's address"), 8080);
    let reply = http::get(at, pod, &format!("/file?{MOUNT}/{name}")).expect("an answer");
    if reply.code == 200 { Ok(reply.body) } else { Err(reply.code) }
}

/// Runs kubectl in the pod's network, with nothing but what the pod has.
fn inside(boat: &Boat, args: &[&str]) -> Output {
    let uid = boat.field(&["pod", "web", "-n", "shop"], ".metadata.uid");
    let shim = format!("/run/sampan/{}/pods/{uid}/shim.json", boat.id());
    let shim: serde_json::Value =
        serde_json::from_slice(&fs::read(shim).expect("the shim's file")).expect("its JSON");
    let network = File::open(format!("/proc/{}/ns/net", shim["pid"])).expect("the pod's network");
    let address = boat.field(&["service", "kubernetes"], ".spec.clusterIP");
    let mut command = Command::new("kubectl");
    command
        .args(["--kubeconfig=/dev/null", "--tls-server-name=kubernetes.default.svc"])
        .arg(format!("--server=https://{address}:443"))
        .args(args);
    // A namespace is a thread's own: this one ends with it.
    let run = thread::spawn(move || {
        setns(network, CloneFlags::CLONE_NEWNET).expect("enter the pod's network");
        command.output().expect("run kubectl")
    });
    run.join().expect("the thread ends well")
}

fn check_inside(boat: &Boat, authority: &Path, token: &str, args: &[&str], expected: &str) {
    let authority = format!("--certificate-authority={}", authority.display());
    let token = format!("--token={token}");
    let output = inside(boat, &[&[authority.as_str(), &token], args].concat());
    let (out, err) = texts(&output);
    assert!(out.contains(expected) || err.contains(expected), "{args:?}: {out}{err}");
}

#[test]
fn a_pod_speaks_to_the_api_with_its_token() {
    let name = "a_pod_speaks_to_the_api_with_its_token";
    if !is_root() || !has("kubectl") {
        return skip(name, "it needs root and kubectl");
    }
    let boat = Boat::afloat("identity");
    boat.load_echo();
    // In one breath with its namespace: the account and the CA are still being made.
    boat.apply(POD);
    let ready = ["wait", "pod", "--all", "-n", "shop", "--for=condition=Ready", "--timeout=60s"];
    boat.kubectl_ok(&ready);
    assert_eq!(file(&boat, "quiet", "token"), Err(404));
    assert_eq!(file(&boat, "web", "namespace").as_deref(), Ok("shop"));
    let authority = boat.data_dir().join("pod-ca.crt");
    fs::write(&authority, file(&boat, "web", "ca.crt").expect("a CA")).expect("a copy of it");
    let token = file(&boat, "web", "token").expect("a token");
    let account = "system:serviceaccount:shop:default";
    check_inside(&boat, &authority, &token, &["auth", "whoami"], account);
    check_inside(&boat, &authority, &token, &["get", "--raw", "/api"], "APIVersions");
    let refusal = format!("User \"{account}\" cannot list resource \"pods\"");
    check_inside(&boat, &authority, &token, &["get", "pods"], &refusal);
    let pod = boat.kubectl_ok(&["describe", "pod", "web", "-n", "shop"]);
    assert!(pod.contains(&format!("{MOUNT} from kube-api-access-")), "{pod}");
    // The token dies with its pod.
    boat.kubectl_ok(&["delete", "pod", "web", "-n", "shop", "--force", "--grace-period=0"]);
    let unauthorized = boat.kubectl(&[
        "auth",
        "whoami",
        "--kubeconfig=/dev/null",
        "--insecure-skip-tls-verify",
        &format!("--server=https://127.0.0.1:{}", boat.api_port),
        &format!("--token={token}"),
    ]);
    assert!(texts(&unauthorized).1.contains("Unauthorized"), "{unauthorized:?}");
}
