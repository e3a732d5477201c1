//! A server that does everything right: histories to begin with.

use crate::trial::history::{Call, Moment, Outcome};
use crate::trial::model::{Operation, Space, apply};
use crate::trial::timeline::Written;

/// What was done, in the order it took effect.
#[derive(Debug, Clone, Default)]
pub struct World {
    space: Space,
    revision: i64,
    pub calls: Vec<Call>,
    pub written: Vec<Written>,
}

impl World {
    /// A call that takes effect now and is answered.
    pub fn does(&mut self, start: Moment, end: Moment, operation: &Operation) {
        let (reply, changes) = apply(&mut self.space, self.revision, operation);
        if !changes.is_empty() {
            self.revision += 1;
            self.written.push(Written { revision: self.revision, changes, seen: end });
        }
        self.note(start, operation, Outcome::Known { reply, end });
    }

    /// A call that takes effect now, and nobody is told.
    pub fn breaks(&mut self, start: Moment, operation: &Operation) {
        self.does(start, start, operation);
        self.calls.last_mut().expect("it was noted").outcome = Outcome::Unknown;
    }

    /// A call that is lost on its way.
    pub fn is_lost(&mut self, start: Moment, operation: &Operation) {
        self.note(start, operation, Outcome::Unknown);
    }

    /// The server forgets all.
    pub fn forget(&mut self) {
        let calls = std::mem::take(&mut self.calls);
        *self = World { calls, ..World::default() };
    }

    fn note(&mut self, start: Moment, operation: &Operation, outcome: Outcome) {
        let client = self.calls.len();
        self.calls.push(Call { client, operation: operation.clone(), start, outcome });
    }
}
