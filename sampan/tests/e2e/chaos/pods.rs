//! Shims and containers are killed, with a server and without one.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{
    afloat, answer, deployment, pod, restarted, restarts, service, strike, uid, wait_ready,
};
use crate::boat::{Boat, eventually};
use crate::traces::{Traces, processes_of, shim_of, shims};

/// How many shims are killed while their pods are made and ended.
const SHIMS: usize = 24;

/// Waits until nothing runs of what ran before.
fn ended(pids: impl IntoIterator<Item = i32>) {
    for pid in pids {
        let stat = format!("/proc/{pid}/stat");
        eventually(&format!("process {pid} has ended"), || {
            let text = std::fs::read_to_string(&stat).unwrap_or_default();
            (text.is_empty() || text.contains(") Z ")).then_some(())
        });
    }
}

fn ended_by(boat: &Boat, pod: &str) -> String {
    boat.field(&["pod", pod], ".status.containerStatuses[0].lastState.terminated.exitCode")
}

#[test]
fn a_pod_whose_shim_is_killed_is_started_anew() {
    let Some(mut boat) = afloat("shim") else { return };
    boat.apply(&pod("web", "Always"));
    boat.apply(&service("web"));
    boat.apply(&pod("once", "Never"));
    wait_ready(&boat, &["web", "once"]);
    let (web, once) = (uid(&boat, "web"), uid(&boat, "once"));
    let before: Vec<_> = processes_of(&boat, &web).into_iter().collect();
    assert!(!before.is_empty());
    strike(shim_of(&boat, &web));
    strike(shim_of(&boat, &once));
    restarted(&boat, "web", 1);
    ended(before);
    assert_eq!(ended_by(&boat, "web"), "137");
    assert!(answer(&boat, "web", "/").starts_with("web"));
    boat.kubectl_ok(&[
        "wait",
        "pod/once",
        "--for=jsonpath={.status.phase}=Failed",
        "--timeout=30s",
    ]);
    assert_eq!(restarts(&boat, "once"), 0);
    assert_eq!(shims(&boat), [shim_of(&boat, &web)]);
    // The same while no server looks.
    let before: Vec<_> = processes_of(&boat, &web).into_iter().collect();
    boat.kill_server();
    strike(shim_of(&boat, &web));
    boat.start();
    restarted(&boat, "web", 2);
    ended(before);
    assert!(answer(&boat, "web", "/").starts_with("web"));
    assert_eq!(shims(&boat), [shim_of(&boat, &web)]);
    boat.kubectl_ok(&["delete", "pods", "--all", "--timeout=60s"]);
    Traces::gone(&boat);
}

#[test]
fn a_container_killed_with_the_server_is_started_again() {
    let Some(mut boat) = afloat("container") else { return };
    boat.apply(&pod("web", "Always"));
    boat.apply(&service("web"));
    boat.apply(&pod("other", "Always"));
    wait_ready(&boat, &["web", "other"]);
    let web = uid(&boat, "web");
    let (shim, main) = (shim_of(&boat, &web), processes_of(&boat, &web));
    boat.kill_server();
    main.iter().filter(|pid| **pid != shim).for_each(|pid| strike(*pid));
    boat.start();
    restarted(&boat, "web", 1);
    assert_eq!(ended_by(&boat, "web"), "137");
    assert_eq!(shim_of(&boat, &web), shim, "the pod itself ran on");
    assert!(answer(&boat, "web", "/").starts_with("web"));
    assert_eq!(restarts(&boat, "other"), 0);
    stopped_and_started(&mut boat);
}

/// After `sampan stop` with running pods, a new server starts them again.
fn stopped_and_started(boat: &mut Boat) {
    boat.sampan_ok(&["stop"]);
    boat.kill_server();
    assert_eq!(shims(boat), Vec::<i32>::new());
    boat.start();
    restarted(boat, "web", 2);
    restarted(boat, "other", 1);
    assert!(answer(boat, "web", "/").starts_with("web"));
    boat.kubectl_ok(&["delete", "pods", "--all", "--timeout=60s"]);
    Traces::gone(boat);
}

#[test]
fn shims_killed_while_their_pods_are_made_and_ended_leave_nothing() {
    let Some(boat) = afloat("shims") else { return };
    for round in 0..SHIMS {
        let known = shims(&boat);
        let version = (round / 6).to_string();
        boat.apply(&deployment("web", 2 + round % 3, &version));
        // The first of those that are new, at once; later rounds take one that may be ending.
        let victim = eventually("a shim", || {
            let now = shims(&boat);
            let fresh = now.iter().find(|pid| !known.contains(pid));
            fresh.or(now.first()).copied()
        });
        let _gone_by_itself = kill(Pid::from_raw(victim), Signal::SIGKILL);
    }
    boat.kubectl_ok(&["delete", "deployment", "web", "--cascade=foreground", "--timeout=60s"]);
    Traces::gone(&boat);
    boat.apply(&deployment("web", 2, "last"));
    boat.kubectl_ok(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    assert_eq!(shims(&boat).len(), 2);
}
