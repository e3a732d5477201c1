//! URLs as Go's `url.ParseRequestURI` reads them: absolute, or a path from the root.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::network::opaque;
use crate::budget::Budget;
use crate::error::EvalError;
use crate::eval::ELEMENT;
use crate::value::{Key, Map, Opaque, Value};

type Result<'a> = std::result::Result<Value<'a>, EvalError>;

#[derive(Debug, Clone, PartialEq)]
struct Url {
    text: String,
    scheme: String,
    host: String,
    path: String,
    query: String,
}

opaque!(Url, "kubernetes.URL", |url| url.text.len() as u64);

fn parse(text: &str) -> Option<Url> {
    if text.is_empty() || text.bytes().any(|b| b < 0x20 || b == 0x7f || b == b' ') {
        return None;
    }
    let (scheme, rest) = scheme_of(text)?;
    if scheme.is_empty() && !rest.starts_with('/') {
        return None;
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (host, path) = match rest.strip_prefix("//") {
        Some(after) if !scheme.is_empty() => after.split_at(after.find('/').unwrap_or(after.len())),
        _ => ("", rest),
    };
    if !scheme.is_empty() && !rest.starts_with('/') {
        // `mailto:a` and the like have no path; Go asks for one.
        return None;
    }
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    (escapes(path) && port_of(host).is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()))).then(
        || Url {
            text: text.to_owned(),
            scheme: scheme.to_ascii_lowercase(),
            host: host.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
        },
    )
}

/// The scheme and what follows its colon; nothing where a colon stands first.
fn scheme_of(text: &str) -> Option<(&str, &str)> {
    for (at, c) in text.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if at > 0 => {}
            ':' if at > 0 => return Some((&text[..at], &text[at + 1..])),
            ':' => return None,
            _ => break,
        }
    }
    Some(("", text))
}

/// Is every percent sign one of an escape?
fn escapes(path: &str) -> bool {
    path.split('%')
        .skip(1)
        .all(|after| after.len() >= 2 && after.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit))
}

/// What follows the last colon that is not in brackets; nothing where brackets are left open.
fn port_of(host: &str) -> Option<&str> {
    if let Some(rest) = host.strip_prefix('[') {
        let (_, after) = rest.split_once(']')?;
        return if after.is_empty() { Some("") } else { after.strip_prefix(':') };
    }
    Some(host.rsplit_once(':').map_or("", |(_, port)| port))
}

fn hostname_of(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(name, _)| name),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    }
}

/// `%41` is `A`, and a plus is a space.
fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escaped = || {
            let digits = std::str::from_utf8(bytes.get(at + 1..at + 3)?).ok()?;
            u8::from_str_radix(digits, 16).ok()
        };
        match (byte, escaped()) {
            (b'%', Some(value)) => {
                out.push(value);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (other, _) => out.push(*other),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

pub(super) fn text(value: &Value<'_>) -> Option<String> {
    value.as_opaque::<Url>().map(|url| url.text.clone())
}

pub(super) fn url<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let (text, _) = super::texts::target(args, budget)?;
    match parse(text) {
        Some(url) => Ok(Value::opaque(url)),
        None => {
            let why = format!(
                "URL parse error during conversion from string: parse {text:?}: \
                               invalid URI for request"
            );
            Err(EvalError::new(why))
        }
    }
}

pub(super) fn is_url<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let (text, _) = super::texts::target(args, budget)?;
    Ok(Value::Bool(parse(text).is_some()))
}

fn part<'a>(args: &[Value<'a>], part: fn(&Url) -> &str) -> Result<'a> {
    let url = args.first().and_then(|value| value.as_opaque::<Url>());
    url.map(|url| Value::text(part(url))).ok_or_else(EvalError::no_overload)
}

pub(super) fn scheme<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    part(args, |url| &url.scheme)
}

pub(super) fn host<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    part(args, |url| &url.host)
}

pub(super) fn hostname<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    part(args, |url| hostname_of(&url.host))
}

pub(super) fn port<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    part(args, |url| port_of(&url.host).unwrap_or_default())
}

pub(super) fn escaped_path<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    part(args, |url| &url.path)
}

pub(super) fn query<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let url = args.first().and_then(|value| value.as_opaque::<Url>());
    let url = url.ok_or_else(EvalError::no_overload)?;
    let mut all: BTreeMap<Key, Vec<Value<'a>>> = BTreeMap::new();
    for pair in url.query.split('&').filter(|pair| !pair.is_empty()) {
        budget.work(pair.len() as u64 + 2 * ELEMENT)?;
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let values = all.entry(Key::String(unescape(name).into())).or_default();
        values.push(Value::text(unescape(value)));
    }
    let all = all.into_iter().map(|(name, values)| (name, Value::list(values)));
    Ok(Value::Map(Map::Made(Arc::new(all.collect()))))
}
