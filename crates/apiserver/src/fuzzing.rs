//! For fuzzers: whatever stands in a request's line, its headers or its YAML, is read or refused, and
//! no token is taken but the one that was signed.

use std::sync::LazyLock;

use http::{HeaderMap, HeaderValue, Uri};

use crate::kinds::Served;
use crate::options::Query;
use crate::pki::token::{Bound, Claims, ISSUER, Named, TokenKey};
use crate::{body, negotiate, request};

/// Bytes as a path with its query, and as an Accept header.
pub fn request_lines(bytes: &[u8]) {
    static KINDS: LazyLock<Served> = LazyLock::new(|| Served::with([]));
    if let Ok(header) = HeaderValue::from_bytes(bytes) {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::ACCEPT, header.clone());
        headers.insert(http::header::ACCEPT_ENCODING, header);
        let uri = Uri::from_static("/");
        let (one, other) =
            [false, true].map(|protobuf| negotiate::wanted(&headers, &uri, protobuf)).into();
        assert!(other.is_ok() || one.is_err(), "who speaks more is understood by more");
        negotiate::of_refusal(&headers, &uri);
        negotiate::takes_gzip(&headers);
    }
    let Ok(uri) = Uri::try_from(bytes) else { return };
    request::read_path(&KINDS, uri.path());
    if let Ok(query) = Query::parse(&uri) {
        let _ = (query.dry_run(), query.field_manager(), query.field_validation());
        let _ = (query.include_object(), query.flag("watch"), query.number("limit"));
    }
}

/// Bytes as a YAML body.
pub fn yaml_bodies(bytes: &[u8]) {
    let Ok(value) = body::yaml(bytes) else { return };
    let text = value.value.to_string();
    let again = body::yaml(text.as_bytes()).map(|again| again.value.to_string());
    assert_eq!(again.ok(), Some(text), "JSON is YAML");
}

/// A key of this process, and a token that it signed.
static SIGNED: LazyLock<(TokenKey, String)> = LazyLock::new(|| {
    let path = std::env::temp_dir().join(format!("sampan-fuzzing-{}.key", uuid::Uuid::new_v4()));
    let key = TokenKey::open(&path).expect("a key is made");
    // The file is of no use any more, and of no harm where it stays.
    let _ = std::fs::remove_file(&path);
    let account = Named { name: "default".to_owned(), uid: "1".to_owned() };
    let claims = Claims {
        aud: vec![ISSUER.to_owned()],
        exp: i64::MAX,
        iat: 0,
        iss: ISSUER.to_owned(),
        jti: "1".to_owned(),
        kubernetes: Bound {
            namespace: "default".to_owned(),
            node: None,
            pod: None,
            secret: None,
            serviceaccount: account,
            warnafter: None,
        },
        nbf: 0,
        sub: "system:serviceaccount:default:default".to_owned(),
    };
    let token = key.sign(&claims).expect("a token is signed");
    (key, token)
});

/// Bytes as a token, and as damage to a good one.
pub fn tokens(bytes: &[u8]) {
    let (key, good) = &*SIGNED;
    let check = |token: &str| {
        let taken = key.verify(token, 1).is_ok();
        assert_eq!(taken, token == good, "only what was signed is taken: {token}");
    };
    if let Ok(text) = std::str::from_utf8(bytes) {
        check(text);
        let mut parts = good.split('.');
        let header = parts.next().unwrap_or_default();
        check(&format!("{header}.{text}"));
    }
    check(good);
    let mut damaged = good.clone().into_bytes();
    for place in bytes.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([place[0], place[1]])) % damaged.len();
        damaged[at] = place[2];
    }
    if let Ok(damaged) = String::from_utf8(damaged) {
        check(&damaged);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    /// Found by fuzzing: a float was read as its neighbour.
    #[test]
    fn a_float_is_read_as_it_was_written() {
        super::yaml_bodies(b"111111111111111111111111");
    }

    proptest! {
        #[test]
        fn any_line_is_a_request_or_refused(
            text in "/(api|apis/apps)/v1/(namespaces/a/)?[a-z]{0,12}[ -~]{0,60}", bytes: Vec<u8>
        ) {
            super::request_lines(text.as_bytes());
            super::request_lines(&bytes);
        }

        #[test]
        fn any_text_is_yaml_or_refused(text in "[a-c0-9&*!|>'\"\\[\\]{}:,#?%@\\- \n\t]{0,80}") {
            super::yaml_bodies(text.as_bytes());
        }

        #[test]
        fn only_the_token_that_was_signed_is_taken(bytes in proptest::collection::vec(any::<u8>(), 0..30)) {
            super::tokens(&bytes);
        }
    }
}
