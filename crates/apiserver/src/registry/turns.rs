//! Turns: writers that would only overtake each other go one after the other.
//!
//! The store's comparisons alone keep writes right. But of a hundred that change one object, one
//! would win each round; in turn, each wins at once.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use tokio::sync::{Mutex, MutexGuard};

/// So many turns go on at once; names that share one wait for each other in vain, and seldom.
const TURNS: usize = 32;

/// Turns by name.
#[derive(Default)]
pub(crate) struct Turns([Mutex<()>; TURNS]);

impl Turns {
    /// Waits for the turn of this name, which lasts as long as what is returned.
    pub(crate) async fn of(&self, name: &str) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let at = usize::try_from(hasher.finish() % TURNS as u64).expect("less than TURNS");
        self.0[at].lock().await
    }
}
