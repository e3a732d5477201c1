//! Mixed load with kills: on Debian's etcd, to know that the trial is a fair one, and on ours.

#[path = "support/port.rs"]
mod port;
#[path = "../examples/serve_etcd.rs"]
#[allow(dead_code, reason = "an example has a main function, too")]
mod serve_etcd;
#[path = "trial/trial.rs"]
mod trial;

use std::path::Path;
use std::time::Duration;

use trial::leases::Promise;
use trial::vessel::{Process, Vessel};
use trial::voyage::{Log, Plan, sail};

/// Tells this program to be the server, of what directory and at what address.
const TOLD_BY: &str = "SAMPAN_TRIAL_SERVE";

#[test]
fn is_the_server_when_told() {
    let Ok(told) = std::env::var(TOLD_BY) else { return };
    let (directory, address) = told.split_once(' ').expect("a directory and an address");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let served = runtime.block_on(serve_etcd::serve(Path::new(directory), address));
    served.expect("it is served");
}

fn plan(grace_after_start: Duration) -> Plan {
    let seconds = std::env::var("SAMPAN_TRIAL_SECONDS").ok().and_then(|text| text.parse().ok());
    let seed = std::env::var("SAMPAN_TRIAL_SEED").ok().and_then(|text| text.parse().ok());
    Plan {
        duration: Duration::from_secs(seconds.unwrap_or(8)),
        kill_interval: Duration::from_secs(2),
        clients: 16,
        keepers: 2,
        lapsers: 4,
        promise: Promise { grace_after_start, late_max: Duration::from_secs(2) },
        disk_bytes_max: 1 << 30,
        seed: seed.unwrap_or(1),
    }
}

fn went_well(mut vessel: impl Vessel, grace_after_start: Duration) {
    let log: Log = sail(&mut vessel, &plan(grace_after_start));
    eprintln!("{log:?}");
    assert!(log.kills > 0 && log.windows == log.kills && log.writes > 0 && log.reads > 0);
}

/// etcd gives every lease all of its time again when it starts.
#[test]
fn the_trial_finds_nothing_wrong_with_debians_etcd() {
    let Some(vessel) = Process::etcd(&[]) else {
        assert!(std::env::var_os("CI").is_none(), "CI has etcd");
        return eprintln!("SKIPPED: etcd is not installed");
    };
    went_well(vessel, Duration::from_secs(3600));
}

#[test]
fn sixteen_clients_and_kills_leave_a_linearizable_history() {
    went_well(Process::this_program("is_the_server_when_told", TOLD_BY), Duration::from_secs(3));
}
