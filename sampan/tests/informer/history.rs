//! What really happened to each object, as its one writer knows it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

/// An object as one write left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// Of the write that made it so; a deleted object keeps that of its last version.
    pub number: u64,
    pub there: bool,
    /// Deletions are answered without one.
    pub revision: Option<u64>,
}

/// Which objects an informer sees. The number of an object's last write decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    All,
    Even,
}

impl Selection {
    pub fn selects(self, state: State) -> bool {
        state.there && (self == Self::All || state.number.is_multiple_of(2))
    }
}

/// All states of each object, in order; each begins as not there.
#[derive(Default)]
pub struct History(Mutex<BTreeMap<String, Vec<State>>>);

impl History {
    pub fn add(&self, key: &str, state: State) {
        let mut states = self.states();
        let new = || vec![State { number: 0, there: false, revision: Some(0) }];
        states.entry(key.to_owned()).or_insert_with(new).push(state);
    }

    pub fn last(&self, key: &str) -> State {
        let nothing = State { number: 0, there: false, revision: Some(0) };
        self.states().get(key).and_then(|states| states.last().copied()).unwrap_or(nothing)
    }

    pub fn states(&self) -> MutexGuard<'_, BTreeMap<String, Vec<State>>> {
        self.0.lock().expect("nobody panics with it")
    }
}
