//! Mixed load on the etcd API of the real binary, which is killed again and again: the histories
//! are linearizable, watches whole, leases honoured, and the disk is within its bound.
//!
//! `SAMPAN_TRIAL_SECONDS` is how long (a minute if it is not set; by hand an hour),
//! `SAMPAN_TRIAL_KILL_SECONDS` the mean time between kills, `SAMPAN_TRIAL_SEED` repeats the choices
//! of one voyage, and `SAMPAN_BIN` is the binary if not this build's.

#[path = "support/boat.rs"]
#[allow(dead_code, reason = "the other tests need more of it")]
mod boat;
#[path = "../../crates/etcd/tests/support/port.rs"]
mod port;
#[path = "../../crates/etcd/tests/trial/trial.rs"]
#[allow(dead_code, reason = "its other servers are not put to trial here")]
mod trial;

use std::path::PathBuf;
use std::time::Duration;

use boat::{Boat, is_root, skip};
use port::free_port;
use trial::leases::Promise;
use trial::vessel::Vessel;
use trial::voyage::{Plan, sail};

/// Revisions that are kept for watches: more than are written while the server is away.
const REVISIONS_KEPT: u64 = 50_000;
/// What the key space may have on disk. Forty keys are nothing; the rest is history and log: what
/// is kept, segments until a snapshot replaces them, and the snapshot.
const DISK_BYTES_MAX: u64 = 256 << 20;

/// The binary on a boat.
struct Binary {
    boat: Boat,
    endpoint: String,
}

impl Vessel for Binary {
    fn start(&mut self) {
        self.boat.launch();
    }

    fn kill(&mut self) {
        self.boat.kill_server();
    }

    fn endpoint(&self) -> String {
        self.endpoint.clone()
    }

    fn data_dir(&self) -> PathBuf {
        self.boat.data_dir().join("etcd")
    }

    fn log(&self) -> String {
        self.boat.server_log()
    }

    fn has_ended(&mut self) -> bool {
        self.boat.server_ended()
    }

    fn pid(&self) -> Option<u32> {
        Some(self.boat.server_pid())
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

#[test]
fn mixed_load_and_kills_leave_a_linearizable_history() {
    if !is_root() {
        return skip("etcd voyage", "it needs root");
    }
    let plan = Plan {
        duration: Duration::from_secs(number("SAMPAN_TRIAL_SECONDS", 60)),
        kill_interval: Duration::from_secs(number("SAMPAN_TRIAL_KILL_SECONDS", 6)),
        clients: 16,
        keepers: 4,
        lapsers: 8,
        // A lease is given three seconds again when the server was away.
        promise: Promise {
            grace_after_start: Duration::from_secs(3),
            late_max: Duration::from_secs(2),
        },
        disk_bytes_max: DISK_BYTES_MAX,
        seed: number("SAMPAN_TRIAL_SEED", 1),
    };
    let mut boat = Boat::new("etcd-voyage");
    let address = format!("127.0.0.1:{}", free_port());
    boat.with_flag(format!("--etcd-listen={address}"));
    boat.with_flag("--etcd-auto-compaction-mode=revision");
    boat.with_flag(format!("--etcd-auto-compaction-retention={REVISIONS_KEPT}"));
    let log = sail(&mut Binary { boat, endpoint: format!("http://{address}") }, &plan);
    eprintln!("{log:?}");
    assert!(log.kills > 0 && log.windows == log.kills && log.looked_again > 0, "{log:?}");
    assert!(log.writes > 0 && log.reads > 0 && log.leases_lapsed > 0, "{log:?}");
}
