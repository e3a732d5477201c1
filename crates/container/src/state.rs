//! What the shim tells of its containers, live and in its records.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A container as its shim (or its record) knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContainerState {
    /// The container.
    pub id: String,
    /// How far it is.
    pub status: Status,
    /// What could not be done as asked, though the container was made (`oom_score_adj` on a
    /// machine that forbids it).
    pub warnings: Vec<String>,
}

/// How far a container is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Status {
    /// Made, its program not started: left by start or remove.
    Created,
    /// Started: left when its first process ends.
    Running {
        /// The first process, as the host numbers it.
        pid: u32,
        /// When it was started.
        #[serde(with = "nanoseconds")]
        started_at: Timestamp,
    },
    /// Its first process has ended: left by remove.
    Exited(ExitStatus),
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitStatus {
    /// Its exit code, or 128 + the signal that killed it.
    pub code: i32,
    /// The signal that killed it.
    pub signal: Option<i32>,
    /// The kernel killed a process of this container for want of memory.
    pub oom_killed: bool,
    /// When it was started.
    #[serde(with = "nanoseconds")]
    pub started_at: Timestamp,
    /// When it was seen to end.
    #[serde(with = "nanoseconds")]
    pub finished_at: Timestamp,
}

/// What is left of a pod whose shim is gone or has been stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PodRecord {
    /// The pod.
    pub id: String,
    /// As given in its spec.
    pub labels: BTreeMap<String, String>,
    /// Every container not removed before the end. One that ran when the shim died was killed
    /// at adoption, and is [`Status::Exited`] by signal 9.
    pub containers: Vec<ContainerState>,
}

/// What a container (or a pod) uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// All memory charged, page cache included.
    pub memory_bytes: u64,
    /// Memory that cannot be taken back without pain: charged less inactive file pages.
    pub working_set_bytes: u64,
    /// Processor time since the start.
    pub cpu_nanos: u64,
    /// Number of tasks.
    pub pids: u64,
}

/// Timestamps as nanoseconds since 1970: exact, small, and no date parser in the shim.
pub(crate) mod nanoseconds {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        let nanoseconds = i64::deserialize(from)?;
        Timestamp::from_nanosecond(nanoseconds.into()).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_status_survives_json_to_the_nanosecond() {
        let at = Timestamp::from_nanosecond(1_763_658_000_123_456_789).unwrap();
        let status = ExitStatus {
            code: 137,
            signal: Some(9),
            oom_killed: true,
            started_at: at,
            finished_at: at,
        };
        let text = serde_json::to_string(&status).unwrap();
        assert_eq!(serde_json::from_str::<ExitStatus>(&text).unwrap(), status);
    }
}
