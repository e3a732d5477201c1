//! Image references, parsed and completed as Docker does it.
//!
//! Rules: github.com/distribution/reference, `normalize.go` and `regexp.go`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Digest;

const DEFAULT_DOMAIN: &str = "docker.io";
const OFFICIAL_PREFIX: &str = "library/";
const DEFAULT_TAG: &str = "latest";
const NAME_LEN_MAX: usize = 255;
const TAG_LEN_MAX: usize = 128;

/// A complete image reference: registry, repository, and a tag or a digest or both.
///
/// `Display` gives the familiar short form (`orders:dev`); [`Reference::canonical`] the long one
/// (`docker.io/library/orders:dev`). Both parse back to the same reference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is not an image reference.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not an image reference: {reason}")]
pub struct ParseReferenceError {
    text: String,
    reason: &'static str,
}

impl Reference {
    /// Parses `text` and fills in what it leaves out: docker.io, `library/`, `latest`.
    pub fn parse(text: &str) -> Result<Self, ParseReferenceError> {
        parse(text).map_err(|reason| ParseReferenceError { text: text.to_owned(), reason })
    }

    /// The registry's host, with its port if one was given.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository's path within the registry, such as `library/orders`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag. Always there unless a digest is.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The manifest digest that the reference pins, if it does.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The long form, with nothing left out.
    pub fn canonical(&self) -> String {
        self.write_with(&format!("{}/{}", self.domain, self.path))
    }

    /// Whether both name the same repository.
    pub fn same_repository(&self, other: &Self) -> bool {
        self.domain == other.domain && self.path == other.path
    }

    fn write_with(&self, name: &str) -> String {
        let tag = self.tag.as_ref().map(|t| format!(":{t}")).unwrap_or_default();
        let digest = self.digest.map(|d| format!("@{d}")).unwrap_or_default();
        format!("{name}{tag}{digest}")
    }

    fn familiar_name(&self) -> String {
        if self.domain != DEFAULT_DOMAIN {
            return format!("{}/{}", self.domain, self.path);
        }
        // `library/a/b` must keep its prefix: without it, it would parse as another repository.
        match self.path.strip_prefix(OFFICIAL_PREFIX) {
            Some(rest) if !rest.contains('/') => rest.to_owned(),
            _ => self.path.clone(),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.write_with(&self.familiar_name()))
    }
}

impl FromStr for Reference {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.canonical())
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

fn parse(text: &str) -> Result<Reference, &'static str> {
    let (rest, digest) = split_digest(text)?;
    if rest.len() == 64 && rest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
        return Err("64 hex digits are an image id, not a name");
    }
    let (domain, remainder) = split_domain(rest);
    let (path, tag) = split_tag(remainder)?;
    if path.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err("the repository name must be lower case");
    }
    let path = if domain == DEFAULT_DOMAIN && !path.contains('/') {
        format!("{OFFICIAL_PREFIX}{path}")
    } else {
        path.to_owned()
    };
    check_domain(domain)?;
    check_path(&path)?;
    if domain.len() + 1 + path.len() > NAME_LEN_MAX {
        return Err("the name is longer than 255 characters");
    }
    let default_tag = || digest.is_none().then(|| DEFAULT_TAG.to_owned());
    let tag = tag.map(str::to_owned).or_else(default_tag);
    Ok(Reference { domain: domain.to_owned(), path, tag, digest })
}

fn split_digest(text: &str) -> Result<(&str, Option<Digest>), &'static str> {
    match text.split_once('@') {
        None => Ok((text, None)),
        Some((rest, digest)) => {
            let digest =
                digest.parse().map_err(|_| "the digest must be sha256 and 64 hex digits")?;
            Ok((rest, Some(digest)))
        }
    }
}

/// The first part is a registry only when it looks like a host: `localhost`, a dot, a colon or an
/// upper-case letter. Otherwise the whole is a repository on docker.io.
fn split_domain(text: &str) -> (&str, &str) {
    match text.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':'])
                || first == "localhost"
                || first.bytes().any(|b| b.is_ascii_uppercase()) =>
        {
            (if first == "index.docker.io" { DEFAULT_DOMAIN } else { first }, rest)
        }
        _ => (DEFAULT_DOMAIN, text),
    }
}

fn split_tag(remainder: &str) -> Result<(&str, Option<&str>), &'static str> {
    let Some((path, tag)) = remainder.split_once(':') else { return Ok((remainder, None)) };
    let first = tag.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    let all = tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    if !first || !all || tag.len() > TAG_LEN_MAX {
        return Err("a tag is up to 128 letters, digits, `_`, `.` and `-`");
    }
    Ok((path, Some(tag)))
}

fn check_domain(domain: &str) -> Result<(), &'static str> {
    let (host, port) = match domain.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (domain, None),
    };
    if port.is_some_and(|p| p.is_empty() || !p.bytes().all(|b| b.is_ascii_digit())) {
        return Err("the registry's port must be a number");
    }
    let address = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let good = match address {
        Some(v6) => !v6.is_empty() && v6.bytes().all(|b| b.is_ascii_hexdigit() || b == b':'),
        None => host.split('.').all(is_host_label),
    };
    if good { Ok(()) } else { Err("the registry is not a host name") }
}

fn is_host_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    ends.iter().all(|b| b.is_some_and(u8::is_ascii_alphanumeric))
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
}

fn check_path(path: &str) -> Result<(), &'static str> {
    if path.split('/').all(is_path_component) {
        Ok(())
    } else {
        Err("a repository name is lower-case letters and digits, joined by `.`, `_`, `__` or `-`")
    }
}

/// Runs of letters and digits with exactly one separator between them: `.`, `_`, `__` or dashes.
fn is_path_component(component: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let mut rest = component;
    loop {
        let run = rest.find(|c| !alphanumeric(c)).unwrap_or(rest.len());
        if run == 0 {
            return false;
        }
        if run == rest.len() {
            return true;
        }
        rest = &rest[run..];
        let end = rest.find(alphanumeric).unwrap_or(rest.len());
        let separator = &rest[..end];
        if !matches!(separator, "." | "_" | "__") && !separator.bytes().all(|b| b == b'-') {
            return false;
        }
        rest = &rest[end..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn check(input: &str, canonical: &str, familiar: &str) {
        let reference = Reference::parse(input).unwrap();
        assert_eq!(reference.canonical(), canonical, "{input}");
        assert_eq!(reference.to_string(), familiar, "{input}");
        for again in [canonical, familiar] {
            assert_eq!(Reference::parse(again).unwrap(), reference, "{again}");
        }
    }

    #[test]
    fn names_are_completed_as_docker_does() {
        check("orders", "docker.io/library/orders:latest", "orders:latest");
        check("orders:dev", "docker.io/library/orders:dev", "orders:dev");
        check("docker.io/orders", "docker.io/library/orders:latest", "orders:latest");
        check("index.docker.io/orders", "docker.io/library/orders:latest", "orders:latest");
        check("me/orders:1.0", "docker.io/me/orders:1.0", "me/orders:1.0");
        check("localhost/orders", "localhost/orders:latest", "localhost/orders:latest");
        check("registry:5000/a/b", "registry:5000/a/b:latest", "registry:5000/a/b:latest");
        check("[::1]:5000/a", "[::1]:5000/a:latest", "[::1]:5000/a:latest");
        check("ghcr.io/a/b__c-d.e:V1", "ghcr.io/a/b__c-d.e:V1", "ghcr.io/a/b__c-d.e:V1");
        check("Registry/a", "Registry/a:latest", "Registry/a:latest");
        check("library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest");
    }

    #[test]
    fn digests_pin_and_stand_without_a_tag() {
        let pinned = format!("orders@sha256:{HEX}");
        check(&pinned, &format!("docker.io/library/{pinned}"), &pinned);
        let both = format!("orders:dev@sha256:{HEX}");
        check(&both, &format!("docker.io/library/{both}"), &both);
    }

    #[test]
    fn bad_references_are_refused() {
        for bad in [
            "",
            ":dev",
            "Orders",
            "a//b",
            "a/",
            "/a",
            "a:",
            "a:.x",
            "a b",
            "a___b",
            "a..b",
            "-a",
            "a-",
            "reg.io:x/a",
            "-reg.io/a",
            "a@sha256:12",
            "a@",
            HEX,
            &format!("a:{}", "t".repeat(129)),
            &"a".repeat(256),
        ] {
            assert!(Reference::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn errors_say_what_and_why() {
        let error = Reference::parse("Orders").unwrap_err().to_string();
        assert_eq!(
            error,
            "`Orders` is not an image reference: the repository name must be lower case"
        );
    }
}
