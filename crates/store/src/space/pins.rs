//! Revisions that are being read page by page while the store goes on.

use std::collections::BTreeMap;

use super::history::History;
use crate::Revision;

/// What history may cost while a weak pin holds it back; then the pin is given up.
const HELD_BYTES_MAX: usize = 512 << 20;

/// A revision that is held, and who holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pin {
    revision: Revision,
    id: u64,
}

impl Pin {
    pub fn revision(self) -> Revision {
        self.revision
    }
}

/// All pins, oldest revision first. A weak one is held for a reader outside, who may be slow.
pub(crate) struct Pins {
    pins: BTreeMap<Pin, Strength>,
    next_id: u64,
    held_bytes_max: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strength {
    Strong,
    Weak,
}

impl Default for Pins {
    fn default() -> Pins {
        Pins { pins: BTreeMap::new(), next_id: 0, held_bytes_max: HELD_BYTES_MAX }
    }
}

impl Pins {
    /// None of the pins, and no pin to come is like one of them.
    pub fn emptied(self) -> Pins {
        Pins { pins: BTreeMap::new(), ..self }
    }

    /// Held until it is removed.
    pub fn add(&mut self, revision: Revision) -> Pin {
        self.insert(revision, Strength::Strong)
    }

    /// Held until it is removed, or history costs too much.
    pub fn add_weak(&mut self, revision: Revision) -> Pin {
        self.insert(revision, Strength::Weak)
    }

    fn insert(&mut self, revision: Revision, strength: Strength) -> Pin {
        let pin = Pin { revision, id: self.next_id };
        self.next_id += 1;
        self.pins.insert(pin, strength);
        pin
    }

    pub fn remove(&mut self, pin: Pin) {
        self.pins.remove(&pin);
    }

    pub fn holds(&self, pin: Pin) -> bool {
        self.pins.contains_key(&pin)
    }

    /// The oldest revision that must stay readable, when history is compacted to `compacted`.
    pub fn floor(&self, compacted: Revision) -> Revision {
        self.pins.first_key_value().map_or(compacted, |(pin, _)| pin.revision.min(compacted))
    }

    /// Gives up the weak pins when history has grown too large.
    pub fn bound(&mut self, history: &History) {
        if history.cost() > self.held_bytes_max {
            self.pins.retain(|_, strength| *strength == Strength::Strong);
        }
    }

    #[cfg(test)]
    pub fn set_held_bytes_max(&mut self, bytes: usize) {
        self.held_bytes_max = bytes;
    }
}
