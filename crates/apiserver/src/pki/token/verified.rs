//! Tokens whose signatures were checked before: of a client that asks again, checking takes longer than
//! all else. What a token says and whether it still holds is looked at every time.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use ring::digest::{Digest, SHA256, digest};

/// So many tokens are remembered; then it begins anew.
const TOKENS_MAX: usize = 4_096;

/// The digests of tokens that a key has signed. Of no use to who wants a token.
#[derive(Default)]
pub(super) struct Verified(Mutex<HashSet<[u8; 32]>>);

impl Verified {
    /// Is its signature good? `check` is asked of a token that was not seen before.
    pub(super) fn is(&self, token: &str, check: impl FnOnce() -> bool) -> bool {
        let mark = mark(&digest(&SHA256, token.as_bytes()));
        if self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&mark) {
            return true;
        }
        let is_good = check();
        if is_good {
            let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if seen.len() >= TOKENS_MAX {
                seen.clear();
            }
            seen.insert(mark);
        }
        is_good
    }
}

fn mark(digest: &Digest) -> [u8; 32] {
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_signature_is_checked_once_and_a_bad_one_every_time() {
        let verified = Verified::default();
        let never = || -> bool { panic!("it was checked before") };
        assert!(verified.is("good", || true));
        assert!(verified.is("good", never));
        assert!(!verified.is("bad", || false));
        assert!(!verified.is("bad", || false));
        assert!(verified.is("bad", || true));
    }

    #[test]
    fn no_more_is_remembered_than_the_bound() {
        let verified = Verified::default();
        for index in 0..TOKENS_MAX + 1 {
            verified.is(&index.to_string(), || true);
        }
        assert_eq!(verified.0.lock().unwrap().len(), 1);
    }
}
