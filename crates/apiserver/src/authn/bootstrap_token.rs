//! Bootstrap tokens: `id.secret`, held against a Secret of kube-system. For machines that have
//! nothing else yet. Source: Kubernetes, "Authenticating with Bootstrap Tokens".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::kinds;
use crate::object::{meta, text};
use crate::server::Shared;
use crate::user::UserInfo;

const NAMESPACE: &str = "kube-system";
const PREFIX: &str = "bootstrap-token-";
const KIND: &str = "bootstrap.kubernetes.io/token";
/// The group that all of them are in; further ones begin with it.
const GROUP: &str = "system:bootstrappers";
const ID_LEN: usize = 6;
const SECRET_LEN: usize = 16;

/// Whose token this is; `None` where it is no bootstrap token, or none that is good.
pub(super) fn user(shared: &Shared, token: &str, now_seconds: i64) -> Option<UserInfo> {
    let (id, secret) = parts(token)?;
    let kind = kinds::find("", "v1", "secrets").expect("Secrets are in the table");
    let kv = shared.registry.get(kind, NAMESPACE, &format!("{PREFIX}{id}"))?;
    let stored = shared.registry.decode(&kv).ok()?;
    judge(&stored, id, secret, now_seconds)
}

fn parts(token: &str) -> Option<(&str, &str)> {
    let (id, secret) = token.split_once('.')?;
    let fits = |text: &str, len: usize| {
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        text.len() == len && text.bytes().all(plain)
    };
    (fits(id, ID_LEN) && fits(secret, SECRET_LEN)).then_some((id, secret))
}

fn judge(stored: &Value, id: &str, secret: &str, now_seconds: i64) -> Option<UserInfo> {
    let data = |key: &str| {
        let encoded = stored["data"][key].as_str().unwrap_or("");
        STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok())
    };
    // Hashes are compared, so that how long it takes tells nothing of the secret.
    let same = Sha256::digest(data("token-secret")?) == Sha256::digest(secret);
    let good = same
        && text(stored, "/type") == KIND
        && meta(stored, "deletionTimestamp").is_empty()
        && data("token-id")? == id
        && !is_over(&data("expiration")?, now_seconds)
        && data("usage-bootstrap-authentication")? == "true";
    let groups = groups(&data("auth-extra-groups")?)?;
    good.then(|| UserInfo::new(format!("system:bootstrap:{id}"), groups))
}

/// A time that cannot be read is over.
fn is_over(expiration: &str, now_seconds: i64) -> bool {
    if expiration.is_empty() {
        return false;
    }
    let end = expiration.parse::<jiff::Timestamp>();
    end.map_or(true, |end| end.as_second() <= now_seconds)
}

/// `None`: one of the further groups is not one that a token may give.
fn groups(extra: &str) -> Option<Vec<String>> {
    let mut groups = vec![GROUP.to_owned()];
    for group in extra.split(',').filter(|group| !group.is_empty()) {
        let rest = group.strip_prefix(GROUP)?.strip_prefix(':')?;
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        let last = rest.bytes().last().is_some_and(plain);
        if !last || !rest.bytes().all(|c| plain(c) || matches!(c, b':' | b'-')) {
            return None;
        }
        groups.push(group.to_owned());
    }
    Some(groups)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The Secret of token `abcdef.0123456789abcdef`, with these in place of what makes it good.
    #[track_caller]
    fn check(change: &[(&str, &str)], expected: Option<&[&str]>) {
        let good = [
            ("token-id", "abcdef"),
            ("token-secret", "0123456789abcdef"),
            ("usage-bootstrap-authentication", "true"),
        ];
        let mut data = json!({});
        for (key, value) in good.iter().chain(change) {
            data[*key] = STANDARD.encode(value).into();
        }
        let stored = json!({"metadata": {"name": "x"}, "type": KIND, "data": data});
        let (id, secret) = parts("abcdef.0123456789abcdef").unwrap();
        let user = judge(&stored, id, secret, 1_000_000_000);
        let groups = user.map(|user| {
            assert_eq!(user.name, "system:bootstrap:abcdef");
            user.groups
        });
        let expected =
            expected.map(|groups| groups.iter().map(|g| (*g).to_owned()).collect::<Vec<_>>());
        assert_eq!(groups, expected, "{change:?}");
    }

    #[test]
    fn a_good_token_is_a_bootstrapper() {
        check(&[], Some(&[GROUP, "system:authenticated"]));
        let worker = "system:bootstrappers:worker";
        check(&[("auth-extra-groups", worker)], Some(&[GROUP, worker, "system:authenticated"]));
        check(&[("expiration", "2100-01-01T00:00:00Z")], Some(&[GROUP, "system:authenticated"]));
    }

    #[test]
    fn a_token_that_is_over_wrong_or_for_something_else_is_nobody() {
        check(&[("token-secret", "0123456789abcdee")], None);
        check(&[("token-id", "abcdee")], None);
        check(&[("usage-bootstrap-authentication", "false")], None);
        check(&[("expiration", "2000-01-01T00:00:00Z")], None);
        check(&[("expiration", "soon")], None);
        check(&[("auth-extra-groups", "system:masters")], None);
    }

    #[test]
    fn only_texts_of_their_form_are_bootstrap_tokens() {
        for bad in ["", "a.b", "abcdef.0123456789abcdeF", "abcdef0123456789abcdef", "a.b.c"] {
            assert_eq!(parts(bad), None, "{bad}");
        }
    }
}
