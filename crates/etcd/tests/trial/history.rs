//! What was asked and answered, and when.

use std::time::Instant;

use super::model::{Operation, Reply};

/// Time since the trial began, in nanoseconds: one clock for all clients.
pub type Moment = u64;

/// The clock all moments are of.
#[derive(Debug, Clone, Copy)]
pub struct Clock(Instant);

impl Clock {
    pub fn start() -> Self {
        Clock(Instant::now())
    }

    pub fn now(&self) -> Moment {
        u64::try_from(self.0.elapsed().as_nanos()).expect("a trial of less than 584 years")
    }
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The answer, and when it was here.
    Known { reply: Reply, end: Moment },
    /// The connection broke first: it was carried out once or never.
    Unknown,
}

/// One operation of one client.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub client: usize,
    pub operation: Operation,
    /// Taken before the request was sent.
    pub start: Moment,
    pub outcome: Outcome,
}

impl Call {
    pub fn known(&self) -> Option<(&Reply, Moment)> {
        match &self.outcome {
            Outcome::Known { reply, end } => Some((reply, *end)),
            Outcome::Unknown => None,
        }
    }
}
