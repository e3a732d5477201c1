//! The file of keys: JSON, `{"keys": [{"id": …, "secret": base64}]}`, the one that seals first.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::{ID_DIGITS, KEYS_MAX, SealingKey};
use crate::pki::{PkiError, files};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    keys: Vec<StoredKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKey {
    id: String,
    secret: String,
}

/// The keys of the file; `None` where there is none.
pub(super) fn read(path: &Path) -> Result<Option<Vec<SealingKey>>, PkiError> {
    let Some(text) = files::read(path)? else { return Ok(None) };
    // Never "remove it": what it opens would be lost.
    let keys = parse(&text).ok_or_else(|| PkiError::BadKeys { path: path.to_owned() })?;
    Ok(Some(keys))
}

fn parse(text: &str) -> Option<Vec<SealingKey>> {
    let stored: Stored = serde_json::from_str(text).ok()?;
    if stored.keys.is_empty() || stored.keys.len() > KEYS_MAX {
        return None;
    }
    stored.keys.into_iter().map(key).collect()
}

fn key(stored: StoredKey) -> Option<SealingKey> {
    let is_id = stored.id.len() == ID_DIGITS && stored.id.bytes().all(|b| b.is_ascii_hexdigit());
    let secret = STANDARD.decode(stored.secret).ok()?.try_into().ok()?;
    SealingKey::new(stored.id, secret).filter(|_| is_id)
}

pub(super) fn write(path: &Path, keys: &[Arc<SealingKey>]) -> Result<(), PkiError> {
    let stored = |key: &Arc<SealingKey>| StoredKey {
        id: key.id.clone(),
        secret: STANDARD.encode(key.secret),
    };
    let stored = Stored { keys: keys.iter().map(stored).collect() };
    let text = serde_json::to_string_pretty(&stored).expect("texts are JSON");
    files::write(path, &text)
}
