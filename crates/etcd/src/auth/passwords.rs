//! Hashing and checking passwords, apart from the threads that serve requests.
//!
//! One check takes tens of milliseconds of a core by design, so few run at once, few more wait,
//! and whoever comes then is told to come again.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task;

use super::AuthError;
use crate::error;

/// What etcd uses unless told otherwise: about 60 ms for one hash.
const BCRYPT_COST: u32 = 10;

/// bcrypt reads no more of a password.
const PASSWORD_BYTES_MAX: usize = 72;

/// Hashes computed at once.
const AT_ONCE: usize = 2;

/// Requests that wait for a hash or for their turn.
const WAITING_MAX: usize = 128;

/// Computes hashes, a few at a time.
pub(super) struct Passwords {
    waiting: Arc<Semaphore>,
    running: Arc<Semaphore>,
}

impl Passwords {
    pub(super) fn new() -> Passwords {
        Passwords {
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            running: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// The hash to keep for a password, with a new salt.
    ///
    /// # Errors
    /// When it is longer than the hash function reads, or too many wait.
    pub(super) async fn hash(&self, password: String) -> Result<Bytes, AuthError> {
        if password.len() > PASSWORD_BYTES_MAX {
            return Err(AuthError::PasswordTooLong);
        }
        let hash = self.run(move || bcrypt::hash(password, BCRYPT_COST)).await?;
        hash.map(Bytes::from).map_err(|error| AuthError::Hash(error.to_string()))
    }

    /// Whether this is the password the hash was made of. A hash that is none fits no password.
    ///
    /// # Errors
    /// When too many wait.
    pub(super) async fn fits(&self, password: String, hash: Bytes) -> Result<bool, AuthError> {
        self.run(move || {
            let hash = std::str::from_utf8(&hash).unwrap_or_default();
            bcrypt::verify(password, hash).unwrap_or(false)
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, AuthError> {
        let _place = self.waiting.try_acquire().map_err(|_| error::TOO_MANY_REQUESTS)?;
        let turn = self.running.clone().acquire_owned().await;
        let turn = turn.expect("the semaphore is never closed");
        // The turn goes with the work, which runs on when the request is dropped.
        let done = task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        done.await.map_err(|error| AuthError::Hash(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(hash: &str, password: &str, expected: bool) {
        let hash = Bytes::copy_from_slice(hash.as_bytes());
        let fits = Passwords::new().fits(password.to_owned(), hash).await.unwrap();
        assert_eq!(fits, expected, "{password}");
    }

    #[tokio::test]
    async fn a_hash_fits_its_password_only() {
        let hash = Passwords::new().hash("secret".to_owned()).await.unwrap();
        let hash = std::str::from_utf8(&hash).unwrap();
        check(hash, "secret", true).await;
        check(hash, "Secret", false).await;
        check(hash, "", false).await;
    }

    #[tokio::test]
    async fn what_is_not_a_hash_fits_no_password() {
        check("", "", false).await;
        check("secret", "secret", false).await;
    }

    #[tokio::test]
    async fn a_password_that_would_be_cut_is_refused() {
        let passwords = Passwords::new();
        assert!(passwords.hash("x".repeat(72)).await.is_ok());
        assert_eq!(passwords.hash("x".repeat(73)).await, Err(AuthError::PasswordTooLong));
    }

    #[tokio::test]
    async fn more_than_may_wait_are_told_to_come_again() {
        let passwords = Passwords::new();
        let _all = passwords.waiting.try_acquire_many(WAITING_MAX as u32).unwrap();
        assert_eq!(passwords.hash("x".to_owned()).await, Err(error::TOO_MANY_REQUESTS.into()));
    }
}
