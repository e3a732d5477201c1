//! Simple tokens: a random word that stands for a user for a while.
//!
//! They live in memory, as etcd's do: after a restart a client is told that its token is not
//! valid, and authenticates again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a token is valid after its last use.
const TOKEN_TTL: Duration = Duration::from_secs(300);

/// Tokens valid at once. The one nearest its end makes room for one more.
const TOKENS_MAX: usize = 32 * 1024;

/// The length of the random part, and the letters it is made of.
const RANDOM_LEN: usize = 16;
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// All valid tokens.
#[derive(Default)]
pub(super) struct Tokens {
    valid: Mutex<HashMap<String, Token>>,
}

struct Token {
    user: Arc<str>,
    ends: Instant,
}

impl Tokens {
    /// A new token for a user. `index` tells tokens apart for those who read logs.
    pub(super) fn assign(&self, user: &str, index: u64) -> String {
        self.assign_at(user, index, Instant::now())
    }

    /// The user a token stands for; its time begins anew.
    pub(super) fn user_of(&self, token: &str) -> Option<Arc<str>> {
        self.user_of_at(token, Instant::now())
    }

    /// Takes back all tokens of a user.
    pub(super) fn revoke(&self, user: &str) {
        self.lock().retain(|_, token| token.user.as_ref() != user);
    }

    /// Takes back all tokens.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    fn assign_at(&self, user: &str, index: u64, now: Instant) -> String {
        let token = format!("{}.{index}", random_word());
        let mut valid = self.lock();
        if valid.len() >= TOKENS_MAX {
            make_room(&mut valid, now);
        }
        valid.insert(token.clone(), Token { user: user.into(), ends: now + TOKEN_TTL });
        token
    }

    fn user_of_at(&self, token: &str, now: Instant) -> Option<Arc<str>> {
        let mut valid = self.lock();
        let found = valid.get_mut(token)?;
        if found.ends <= now {
            valid.remove(token);
            return None;
        }
        found.ends = now + TOKEN_TTL;
        Some(found.user.clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Token>> {
        // Nothing that panics is done under the lock; the map is whole in any case.
        self.valid.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_room(valid: &mut HashMap<String, Token>, now: Instant) {
    valid.retain(|_, token| token.ends > now);
    if valid.len() < TOKENS_MAX {
        return;
    }
    let first = valid.iter().min_by_key(|(_, token)| token.ends).map(|(name, _)| name.clone());
    if let Some(first) = first {
        valid.remove(&first);
    }
}

fn random_word() -> String {
    (0..RANDOM_LEN).map(|_| char::from(LETTERS[rand::random_range(0..LETTERS.len())])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stands_for_its_user_until_it_is_taken_back() {
        let tokens = Tokens::default();
        let (alice, bob) = (tokens.assign("alice", 7), tokens.assign("bob", 8));
        assert!(alice.ends_with(".7") && alice.len() == RANDOM_LEN + 2, "{alice}");
        assert_eq!(tokens.user_of(&alice).as_deref(), Some("alice"));
        tokens.revoke("alice");
        assert_eq!(tokens.user_of(&alice), None);
        assert_eq!(tokens.user_of(&bob).as_deref(), Some("bob"));
        tokens.clear();
        assert_eq!(tokens.user_of(&bob), None);
    }

    #[test]
    fn use_keeps_a_token_and_disuse_ends_it() {
        let tokens = Tokens::default();
        let start = Instant::now();
        let token = tokens.assign_at("alice", 1, start);
        let nearly = TOKEN_TTL - Duration::from_secs(1);
        assert!(tokens.user_of_at(&token, start + nearly).is_some());
        assert!(tokens.user_of_at(&token, start + nearly * 2).is_some());
        assert!(tokens.user_of_at(&token, start + nearly * 2 + TOKEN_TTL).is_none());
        assert!(tokens.user_of_at(&token, start).is_none(), "it does not come back");
    }

    #[test]
    fn there_are_never_more_tokens_than_the_bound() {
        let tokens = Tokens::default();
        let start = Instant::now();
        let first = tokens.assign_at("first", 0, start);
        let later = start + Duration::from_secs(1);
        for index in 0..TOKENS_MAX as u64 {
            tokens.assign_at("user", index, later);
        }
        assert_eq!(tokens.lock().len(), TOKENS_MAX);
        assert!(tokens.user_of_at(&first, later).is_none(), "the oldest made room");
    }
}
