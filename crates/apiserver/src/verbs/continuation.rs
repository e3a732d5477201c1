//! Where the next page of a list begins. Clients keep it as a text that means nothing to them; what
//! is in it is as upstream, so that what is wrong with it is told in the same words.

use base64::DecodeError;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use serde::{Deserialize, Serialize};
use store::Revision;

use super::list_options::AsOf;
use crate::body;
use crate::error::{ApiError, ApiResult};

const FORM: &str = "meta.k8s.io/v1";
/// As Go reads it: the bits after the last byte do not matter.
const ENGINE: GeneralPurpose =
    GeneralPurpose::new(&alphabet::URL_SAFE, NO_PAD.with_decode_allow_trailing_bits(true));

/// Where a page begins.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Continue {
    #[serde(rename = "v")]
    form: String,
    /// The revision of the whole list; below zero it goes on with what is there now.
    #[serde(rename = "rv")]
    revision: i64,
    /// The first key that it may have, without the list's prefix.
    #[serde(rename = "start")]
    start: String,
}

impl Continue {
    /// After this key.
    pub(crate) fn after(revision: Revision, key: &str) -> Self {
        let revision = i64::try_from(revision.0).expect("no store writes that often");
        Self { form: FORM.to_owned(), revision, start: format!("{key}\0") }
    }

    /// The same place in the list as it is now.
    pub(crate) fn at_the_head(&self) -> Self {
        Self { form: FORM.to_owned(), revision: -1, start: self.start.clone() }
    }

    /// The key to begin with, without the list's prefix.
    pub(crate) fn start(&self) -> &str {
        self.start.strip_prefix('/').unwrap_or(&self.start)
    }

    pub(crate) fn as_of(&self) -> AsOf {
        u64::try_from(self.revision).map_or(AsOf::Newest, AsOf::Exactly)
    }

    pub(crate) fn encode(&self) -> String {
        let json = serde_json::to_vec(self).expect("a number and texts");
        ENGINE.encode(json)
    }

    pub(crate) fn decode(text: &str) -> ApiResult<Self> {
        read(text).map_err(|why| {
            let why = format!("invalid continue token: continue key is not valid: {why}");
            ApiError::bad_request(why)
        })
    }
}

fn read(text: &str) -> Result<Continue, String> {
    let bytes = ENGINE.decode(text).map_err(|error| {
        let at = match error {
            DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol(at, _) => at,
            DecodeError::InvalidLength(length) => length.saturating_sub(1),
            DecodeError::InvalidPadding => text.len(),
        };
        format!("illegal base64 data at input byte {at}")
    })?;
    let value = body::json(&bytes)?;
    let token: Continue = serde_json::from_value(value)
        .map_err(|_| "json: cannot unmarshal it into Go value of type continueToken".to_owned())?;
    if token.form != FORM {
        return Err(format!("server does not recognize this encoded version {}", token.form));
    }
    if token.revision == 0 {
        return Err(format!("incorrect encoded start resourceVersion (version {FORM})"));
    }
    if token.start.is_empty() {
        return Err(format!("encoded start key empty (version {FORM})"));
    }
    match stays_below(token.start()) {
        true => Ok(token),
        false => Err(token.start),
    }
}

/// Does a path neither leave where it begins nor say it in more than one way?
fn stays_below(path: &str) -> bool {
    path.is_empty() || path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: Result<&str, &str>) {
        let found = read(&ENGINE.encode(json));
        let found = found.as_ref().map(Continue::start).map_err(String::as_str);
        assert_eq!(found, expected, "{json}");
    }

    #[test]
    fn a_token_leads_on_after_its_key() {
        let token = Continue::after(Revision(7), "ns/a");
        let read = Continue::decode(&token.encode()).unwrap();
        assert_eq!((read.start(), read.as_of()), ("ns/a\0", AsOf::Exactly(7)));
        assert_eq!(read.at_the_head().as_of(), AsOf::Newest);
    }

    #[test]
    fn what_is_wrong_with_a_token_is_told_as_upstream_tells_it() {
        check(r#"{"v":"meta.k8s.io/v1","rv":5,"start":"/a"}"#, Ok("a"));
        check(r#"{"rv":5}"#, Err("server does not recognize this encoded version "));
        let none = "incorrect encoded start resourceVersion (version meta.k8s.io/v1)";
        check(r#"{"v":"meta.k8s.io/v1","start":"a"}"#, Err(none));
        let empty = "encoded start key empty (version meta.k8s.io/v1)";
        check(r#"{"v":"meta.k8s.io/v1","rv":5}"#, Err(empty));
        for path in ["../a", "a/../../b", "a//b", "./a", "a/"] {
            check(&format!(r#"{{"v":"meta.k8s.io/v1","rv":5,"start":"{path}"}}"#), Err(path));
        }
        check("{", Err("unexpected end of JSON input"));
        assert_eq!(read("!!").unwrap_err(), "illegal base64 data at input byte 0");
        assert_eq!(read("eyJ2A").unwrap_err(), "illegal base64 data at input byte 4");
    }
}
