//! The server is killed while pods are made, rolled and deleted.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{afloat, answer, can_run, deployment, service};
use crate::boat::{Boat, eventually, kubectl};
use crate::traces::{Traces, shims};

/// How often the server is killed.
const ROUNDS: u64 = 20;
/// The server lives this long, spread evenly over the rounds, before it is killed.
const LIFE_MS: std::ops::Range<u64> = 20..900;
/// How often the very first start is cut short, each time [`FIRST_LATER`] later.
const FIRST_STARTS: u32 = 15;
const FIRST_LATER: Duration = Duration::from_millis(12);
/// How many pods are made at once.
const CROWD: usize = 30;

/// What the API said it had written, and had not been told to change since.
#[derive(Default)]
struct Acknowledged {
    /// ConfigMaps that were made, and whether they were deleted.
    config_maps: BTreeMap<String, bool>,
    changes: usize,
}

/// Changes one thing after the other until it is told to stop; what fails is tried no more.
fn change(data_dir: &Path, stop: &AtomicBool) -> Acknowledged {
    let written = |args: &[&str]| kubectl(data_dir, args, "").status.success();
    let mut known = Acknowledged::default();
    for round in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let name = format!("note-{round}");
        if written(&["create", "configmap", &name, "--from-literal=a=1"]) {
            known.config_maps.insert(name, false);
        }
        known.changes += usize::from(change_pods(data_dir, round));
        let old = format!("note-{}", round / 2);
        // A deletion that was not acknowledged may have happened all the same.
        let deletes = round % 2 == 0 && known.config_maps.remove(&old) == Some(false);
        if deletes && written(&["delete", "configmap", &old]) {
            known.config_maps.insert(old, true);
        }
    }
    known
}

fn change_pods(data_dir: &Path, round: usize) -> bool {
    let name = ["one", "two"][round % 2];
    let args = |args: &[&str]| kubectl(data_dir, args, "");
    let output = match round % 5 {
        0 | 1 => {
            let yaml = deployment(name, 2 + round % 3, &round.to_string());
            kubectl(data_dir, &["apply", "-f", "-"], &yaml)
        }
        2 => args(&["scale", "deployment", name, "--replicas=4"]),
        3 => args(&["delete", "pods", "-l", &format!("app={name}"), "--wait=false"]),
        _ => args(&["delete", "deployment", name, "--wait=false"]),
    };
    output.status.success()
}

/// Kills the server in each round at another moment of its life, and starts it again, while
/// everything changes.
fn kill_again_and_again(boat: &mut Boat) -> Acknowledged {
    let stop = AtomicBool::new(false);
    let data_dir = boat.data_dir().to_owned();
    std::thread::scope(|scope| {
        let changes = scope.spawn(|| change(&data_dir, &stop));
        for round in 0..ROUNDS {
            let span = LIFE_MS.end - LIFE_MS.start;
            // Spread over the whole span, in an order that is no order.
            let life = LIFE_MS.start + round * 7 % ROUNDS * span / ROUNDS;
            std::thread::sleep(Duration::from_millis(life));
            boat.kill_server();
            boat.launch();
        }
        stop.store(true, Ordering::SeqCst);
        boat.wait_ready();
        changes.join().expect("the changes")
    })
}

#[test]
fn kills_amid_changes_lose_nothing_acknowledged_and_leave_nothing() {
    let Some(mut boat) = afloat("amid_changes") else { return };
    let known = kill_again_and_again(&mut boat);
    assert!(known.changes > 0, "no change came through");
    let listed = boat.kubectl_ok(&["get", "configmaps", "-o", "name"]);
    for (name, deleted) in &known.config_maps {
        let there = listed.lines().any(|line| line.trim_end() == format!("configmap/{name}"));
        assert_eq!(there, !deleted, "{name} of {listed}");
    }
    converges(&boat);
    boat.kubectl_ok(&["delete", "deployments,services", "--all", "--timeout=60s"]);
    eventually("all pods are gone", || {
        boat.kubectl_ok(&["get", "pods", "-o", "name"]).is_empty().then_some(())
    });
    Traces::gone(&boat);
}

/// What is applied after all the kills comes true.
fn converges(boat: &Boat) {
    boat.apply(&deployment("one", 3, "last"));
    boat.apply(&deployment("two", 0, "last"));
    boat.apply(&service("one"));
    boat.kubectl_ok(&["rollout", "status", "deployment/one", "--timeout=60s"]);
    eventually("three pods and no more", || {
        let versions = boat.field(&["pods"], ".items[*].spec.containers[0].env[0].value");
        (versions == "last last last").then_some(())
    });
    assert!(answer(boat, "one", "/").ends_with("last"));
    assert_eq!(shims(boat).len(), 3);
}

#[test]
fn a_crowd_becomes_ready_at_once_and_leaves_nothing() {
    let Some(boat) = afloat("crowd") else { return };
    let began = Instant::now();
    boat.apply(&deployment("crowd", CROWD, "1"));
    boat.kubectl_ok(&["rollout", "status", "deployment/crowd", "--timeout=60s"]);
    let ready = began.elapsed();
    assert_eq!(shims(&boat).len(), CROWD);
    let began = Instant::now();
    boat.kubectl_ok(&["delete", "deployment", "crowd"]);
    Traces::gone(&boat);
    eprintln!("{CROWD} pods: ready after {ready:?}, gone after {:?}", began.elapsed());
}

#[test]
fn a_first_start_may_be_cut_short_at_any_moment() {
    if !can_run("first_start") {
        return;
    }
    for round in 0..FIRST_STARTS {
        let mut boat = Boat::new("first_start");
        boat.launch();
        std::thread::sleep(FIRST_LATER * round);
        boat.kill_server();
        boat.start();
        assert!(boat.kubectl_ok(&["get", "namespaces", "-o", "name"]).contains("default"));
    }
}
