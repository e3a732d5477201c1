//! The keys that values at rest are sealed with: AES-256-GCM, a random nonce for each value.
//!
//! A sealed value names its key, and holds only under the name it was sealed for: values cannot be
//! put in each other's place. The first key of the file seals; the others open what was sealed
//! before a rotation ended. What the values are is not known here.

mod file;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use bytes::Bytes;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};

use super::PkiError;

/// What every sealed value begins with; no stored object does.
const MARK: &[u8] = b"sampan:aesgcm:v1:";
/// The digits of a key's id.
const ID_DIGITS: usize = 16;
/// So many keys are kept at once: each rotation that could not be finished leaves one more.
const KEYS_MAX: usize = 16;

/// Why a value is not sealed, or not opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// There is no such key in the file.
    #[error("it is sealed with the key {0}, which is not there")]
    UnknownKey(String),
    /// Something changed it, or it was sealed for another name.
    #[error("it was changed, or put in the place of another")]
    Broken,
    /// The system gives no random numbers, or the value is too large.
    #[error("the value cannot be sealed")]
    Seal,
    /// The key is not on disk, without which nothing is sealed with it.
    #[error("keep the key")]
    Keep(#[from] PkiError),
    /// Too many rotations were begun that could not be finished.
    #[error(
        "there are {KEYS_MAX} keys already: a rotation has to end first, which the server tries at its start"
    )]
    TooManyKeys,
}

/// The keys, in memory and on disk.
pub struct Keyring {
    path: PathBuf,
    ring: ArcSwap<Ring>,
    /// Held while the file changes.
    changing: Mutex<()>,
}

/// A state of the keyring.
#[derive(Clone)]
struct Ring {
    /// As in the file: the first seals.
    keys: Vec<Arc<SealingKey>>,
    /// In the file no more: they open what whoever is late still holds.
    dropped: Vec<Arc<SealingKey>>,
    on_disk: bool,
}

struct SealingKey {
    id: String,
    secret: [u8; 32],
    key: LessSafeKey,
}

impl SealingKey {
    fn new(id: String, secret: [u8; 32]) -> Option<Self> {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &secret).ok()?);
        Some(Self { id, secret, key })
    }

    fn generate() -> Result<Self, SealError> {
        let random = SystemRandom::new();
        let (mut id, mut secret) = ([0; ID_DIGITS / 2], [0; 32]);
        random.fill(&mut id).map_err(|_| SealError::Seal)?;
        random.fill(&mut secret).map_err(|_| SealError::Seal)?;
        Self::new(hex::encode(id), secret).ok_or(SealError::Seal)
    }

    /// What stands before the nonce.
    fn header(&self) -> Vec<u8> {
        [MARK, self.id.as_bytes(), b":"].concat()
    }
}

impl Keyring {
    /// Reads the file. Where there is none a key is made, and written before its first use.
    pub fn open(path: &Path) -> Result<Self, PkiError> {
        let (keys, on_disk) = match file::read(path)? {
            Some(keys) => (keys, true),
            None => (vec![SealingKey::generate().map_err(|_| PkiError::Key)?], false),
        };
        let keys = keys.into_iter().map(Arc::new).collect();
        let ring = ArcSwap::from_pointee(Ring { keys, dropped: Vec::new(), on_disk });
        Ok(Self { path: path.to_owned(), ring, changing: Mutex::new(()) })
    }

    /// Where the keys are.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Is there a file? Until the first value is sealed there need not be one.
    pub fn is_on_disk(&self) -> bool {
        self.ring.load().on_disk
    }

    /// The ids of the keys; the first seals.
    pub fn ids(&self) -> Vec<String> {
        self.ring.load().keys.iter().map(|key| key.id.clone()).collect()
    }

    /// The id of the key that a value is sealed with; `None` when it is not sealed.
    pub fn key_of(value: &[u8]) -> Option<&str> {
        let rest = value.strip_prefix(MARK)?;
        std::str::from_utf8(rest.get(..ID_DIGITS)?).ok()
    }

    /// Seals a value for a name, with the first key.
    pub fn seal(&self, name: &[u8], plain: &[u8]) -> Result<Bytes, SealError> {
        self.keep()?;
        let ring = self.ring.load();
        let key = &ring.keys[0];
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| SealError::Seal)?;
        let header = key.header();
        let aad = Aad::from([&header, name].concat());
        let mut text = plain.to_vec();
        key.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut text)
            .map_err(|_| SealError::Seal)?;
        Ok([header.as_slice(), &nonce, &text].concat().into())
    }

    /// What was sealed for this name; `None` when the value is not sealed.
    pub fn unseal(&self, name: &[u8], value: &[u8]) -> Result<Option<Bytes>, SealError> {
        if !value.starts_with(MARK) {
            return Ok(None);
        }
        let id = Self::key_of(value).ok_or(SealError::Broken)?;
        let ring = self.ring.load();
        let mut known = ring.keys.iter().chain(&ring.dropped);
        let key = known.find(|key| key.id == id);
        let key = key.ok_or_else(|| SealError::UnknownKey(id.to_owned()))?;
        let header = key.header();
        let rest = value.strip_prefix(header.as_slice()).ok_or(SealError::Broken)?;
        let (nonce, text) = rest.split_at_checked(NONCE_LEN).ok_or(SealError::Broken)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Broken)?;
        let mut text = text.to_vec();
        let aad = Aad::from([header.as_slice(), name].concat());
        let plain = key.key.open_in_place(nonce, aad, &mut text);
        let length = plain.map_err(|_| SealError::Broken)?.len();
        text.truncate(length);
        Ok(Some(text.into()))
    }

    /// Makes sure that the keys are on disk.
    pub fn keep(&self) -> Result<(), SealError> {
        if self.is_on_disk() {
            return Ok(());
        }
        self.change(|_| Ok(()))
    }

    /// From now on a new key seals; its id. It is on disk when this returns.
    pub fn add(&self) -> Result<String, SealError> {
        let key = Arc::new(SealingKey::generate()?);
        let id = key.id.clone();
        self.change(move |ring| {
            if ring.keys.len() >= KEYS_MAX {
                return Err(SealError::TooManyKeys);
            }
            ring.keys.insert(0, key);
            Ok(())
        })?;
        Ok(id)
    }

    /// Takes every key but the first out of the file; their ids.
    pub fn drop_old(&self) -> Result<Vec<String>, SealError> {
        let mut ids = Vec::new();
        self.change(|ring| {
            let old = ring.keys.split_off(1);
            ids = old.iter().map(|key| key.id.clone()).collect();
            ring.dropped.extend(old);
            Ok(())
        })?;
        Ok(ids)
    }

    /// The file first: nothing is ever sealed with a key that a crash could take away.
    fn change(&self, to: impl FnOnce(&mut Ring) -> Result<(), SealError>) -> Result<(), SealError> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ring = Ring::clone(&self.ring.load());
        to(&mut ring)?;
        file::write(&self.path, &ring.keys)?;
        ring.on_disk = true;
        self.ring.store(Arc::new(ring));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
