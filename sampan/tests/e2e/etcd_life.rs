//! The etcd API over time: leases that run out, restarts, a disk that is full.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::boat::{Boat, eventually};
use crate::etcd::{Etcdctl, afloat, can_run};
use crate::help::SmallDisk;

/// A service as it registers itself: a key that lives as long as its lease is kept.
struct Service {
    keeper: crate::etcd::Running,
    lease: String,
}

impl Service {
    fn register(ctl: &Etcdctl, seconds: u32) -> Self {
        let lease = ctl.grant(seconds);
        ctl.ok(&["put", "--lease", &lease, "services/web", "10.0.0.1"]);
        let keeper = ctl.start(&["lease", "keep-alive", &lease]);
        Self { keeper, lease }
    }

    /// Waits until it was kept alive once more. Returns when that was.
    fn kept(&self) -> Instant {
        let line = self.keeper.line();
        assert!(line.contains("keepalived with TTL"), "{line}");
        Instant::now()
    }

    fn remaining(&self, ctl: &Etcdctl) -> i64 {
        ctl.json(&["lease", "timetolive", &self.lease])["ttl"].as_i64().expect("a ttl")
    }
}

#[test]
fn a_service_disappears_when_its_lease_runs_out_and_its_watcher_learns_it_at_once() {
    let Some((_boat, ctl)) = afloat("life-service") else { return };
    let service = Service::register(&ctl, 10);
    let watch = ctl.start(&["watch", "--prefix", "services/"]);
    // The lease counts from the last time that it was kept alive.
    service.kept();
    let kept = service.kept();
    kill(Pid::from_raw(service.keeper.pid()), Signal::SIGKILL).expect("kill it");
    assert!(kept.elapsed() < Duration::from_secs(1), "it was killed in time");
    assert_eq!([watch.line(), watch.line()], ["DELETE", "services/web"]);
    let took = kept.elapsed();
    assert!(took >= Duration::from_millis(9900), "too early: {took:?}");
    assert!(took < Duration::from_secs(11), "too late: {took:?}");
    assert_eq!(ctl.value("services/web"), None);
}

#[test]
fn a_lease_that_is_kept_lives_on_across_a_restart() {
    if !can_run("life-restart") {
        return;
    }
    let mut boat = Boat::new("life-restart");
    boat.keep_etcd_port();
    boat.start();
    let ctl = Etcdctl::of(&boat);
    let service = Service::register(&ctl, 5);
    service.kept();
    for _ in 0..2 {
        boat.kill_server();
        boat.start();
        // The same client finds the new server and goes on.
        service.kept();
        service.kept();
    }
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(ctl.value("services/web").as_deref(), Some("10.0.0.1"));
    assert!(service.remaining(&ctl) > 0);
}

#[test]
fn a_lease_goes_on_with_its_remaining_time_after_a_restart() {
    let Some((mut boat, ctl)) = afloat("life-remaining") else { return };
    let lease = ctl.grant(60);
    std::thread::sleep(Duration::from_secs(3));
    boat.kill_server();
    boat.start();
    let ctl = Etcdctl::of(&boat);
    let told = ctl.json(&["lease", "timetolive", &lease]);
    let remaining = told["ttl"].as_i64().expect("a ttl");
    assert!((50..=58).contains(&remaining), "{told}");
    assert_eq!(told["granted-ttl"], 60);
}

#[test]
fn keys_and_revisions_survive_the_server() {
    let Some((mut boat, ctl)) = afloat("life-keys") else { return };
    for number in 0..20 {
        ctl.ok(&["put", &format!("k{number}"), "v"]);
    }
    let before = ctl.json(&["get", "--prefix", "k"]);
    boat.kill_server();
    boat.start();
    let after = Etcdctl::of(&boat).json(&["get", "--prefix", "k"]);
    assert_eq!(before["kvs"], after["kvs"]);
    for same in ["cluster_id", "member_id", "revision"] {
        assert_eq!(before["header"][same], after["header"][same], "{same}");
    }
}

#[test]
fn a_full_disk_refuses_puts_only_and_recovers_by_itself() {
    if !can_run("life-disk") {
        return;
    }
    let mut boat = Boat::new("life-disk");
    let disk = SmallDisk::mount(boat.data_dir());
    boat.start();
    let ctl = Etcdctl::of(&boat);
    for key in ["a", "b", "c"] {
        ctl.ok(&["put", key, "1"]);
    }
    let filler = boat.data_dir().join("filler");
    disk.fill(&filler);
    let big = "x".repeat(1 << 20);
    let refused = eventually("a put is refused", || {
        let put = ctl.run(&["put", "big"], &big);
        (!put.status.success()).then(|| crate::boat::texts(&put).1)
    });
    assert!(refused.contains("etcdserver: mvcc: database space exceeded"), "{refused}");
    assert!(ctl.ok(&["alarm", "list"]).contains("alarm:NOSPACE"));
    let report = boat.sampan_ok(&["store", "status"]);
    assert!(report.contains("FULL (disk)"), "{report}");
    // Reads, deletes and revokes go on.
    assert_eq!(ctl.value("a").as_deref(), Some("1"));
    assert_eq!(ctl.ok(&["del", "a"]), "1\n");
    assert_eq!(ctl.value("a"), None);
    std::fs::remove_file(&filler).expect("make room");
    eventually("puts work again", || {
        ctl.run(&["put", "after", "1"], "").status.success().then_some(())
    });
    assert_eq!(ctl.ok(&["alarm", "list"]), "", "the alarm went by itself");
    assert!(!boat.sampan_ok(&["store", "status"]).contains("FULL"));
    boat.sampan_ok(&["stop"]);
    drop(boat);
    drop(disk);
}

#[test]
fn the_quota_is_its_own() {
    if !can_run("life-quota") {
        return;
    }
    let mut boat = Boat::new("life-quota");
    boat.with_flag("--etcd-quota-bytes=4MiB");
    boat.start();
    let ctl = Etcdctl::of(&boat);
    let big = "x".repeat(1 << 20);
    let mut keys = 0;
    let refused = loop {
        let put = ctl.run(&["put", &format!("k{keys}")], &big);
        if !put.status.success() {
            break crate::boat::texts(&put).1;
        }
        keys += 1;
        assert!(keys < 8, "the quota holds");
    };
    assert!(refused.contains("etcdserver: mvcc: database space exceeded"), "{refused}");
    let report = boat.sampan_ok(&["store", "status"]);
    assert!(report.contains("FULL (quota)") && report.contains("4.2 MB"), "{report}");
    ctl.ok(&["del", "k0"]);
    ctl.ok_with(&["put", "again"], &big);
    assert_eq!(ctl.ok(&["alarm", "list"]), "");
}
