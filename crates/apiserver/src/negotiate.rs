//! Which form of a reply the client accepts: objects, Tables and PartialObjectMetadata, in JSON,
//! YAML or protobuf.

use api::status::Status;
use http::header::{ACCEPT, ACCEPT_ENCODING, USER_AGENT};
use http::{HeaderMap, Uri};

use crate::error::{ApiError, ApiResult};

/// The form of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// The object itself.
    Object,
    /// `as=Table`.
    Table,
    /// `as=PartialObjectMetadata` or its list.
    Partial,
}

/// In what a reply is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Media {
    Json,
    Yaml,
    Protobuf,
}

/// How a reply says what it says. Without more it is what [`Dialect::PLAIN`] says, which is how all
/// replies are made; the others are made of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(crate) media: Media,
    /// JSON for people.
    pub(crate) pretty: bool,
    /// Are Tables and metadata of `meta.k8s.io/v1beta1`?
    pub(crate) beta: bool,
}

impl Dialect {
    pub(crate) const PLAIN: Self = Self { media: Media::Json, pretty: false, beta: false };

    pub(crate) fn is_plain(self) -> bool {
        self == Self::PLAIN
    }
}

/// What a client wants to have, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) format: Format,
    pub(crate) dialect: Dialect,
}

/// One entry of an Accept header.
pub(crate) struct Accepted<'a> {
    pub(crate) media: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

impl Accepted<'_> {
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }

    /// Would JSON do?
    pub(crate) fn is_json(&self) -> bool {
        self.written_in() == Some(Media::Json)
    }

    /// Which of ours it is.
    fn written_in(&self) -> Option<Media> {
        match self.media {
            "application/json" | "application/*" | "*/*" => Some(Media::Json),
            "application/yaml" => Some(Media::Yaml),
            "application/vnd.kubernetes.protobuf" => Some(Media::Protobuf),
            _ => None,
        }
    }
}

/// The Accept header's entries by falling quality; no header accepts anything.
pub(crate) fn accepted(headers: &HeaderMap) -> Vec<Accepted<'_>> {
    let texts: Vec<&str> =
        headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let mut all: Vec<Accepted<'_>> =
        texts.iter().flat_map(|text| text.split(',')).filter_map(entry).collect();
    if all.is_empty() {
        all.push(Accepted { media: "*/*", parameters: Vec::new() });
    }
    // Stable: among equals the client's order decides.
    all.sort_by(|a, b| quality(b).total_cmp(&quality(a)));
    all.retain(|entry| quality(entry) > 0.0);
    all
}

fn entry(text: &str) -> Option<Accepted<'_>> {
    let mut parts = text.split(';').map(str::trim);
    let media = parts.next().filter(|media| !media.is_empty())?;
    Some(Accepted { media, parameters: parts.filter_map(|part| part.split_once('=')).collect() })
}

fn quality(entry: &Accepted<'_>) -> f32 {
    entry.parameter("q").and_then(|text| text.parse().ok()).unwrap_or(1.0)
}

/// The first form the client accepts that there is. Not all kinds have `protobuf`.
pub(crate) fn wanted(headers: &HeaderMap, uri: &Uri, protobuf: bool) -> ApiResult<Wanted> {
    let accepted = accepted(headers);
    let found = accepted.iter().find_map(|entry| wanted_by(entry, protobuf));
    let mut wanted = found.ok_or_else(not_acceptable)?;
    wanted.dialect.pretty = is_for_people(headers, uri);
    Ok(wanted)
}

/// How a refusal is written: as a plain object, in whatever the client reads.
pub(crate) fn of_refusal(headers: &HeaderMap, uri: &Uri) -> Dialect {
    let accepted = accepted(headers);
    let plain = accepted.iter().filter_map(|entry| wanted_by(entry, true));
    let found = plain.map(|wanted| (wanted.format, wanted.dialect)).find(|(format, dialect)| {
        *format == Format::Object && *dialect == Dialect { media: dialect.media, ..Dialect::PLAIN }
    });
    let pretty = is_for_people(headers, uri);
    match found {
        Some((_, dialect)) => Dialect { pretty, ..dialect },
        // Who reads none of ours is told in what people read.
        None => Dialect { pretty: true, ..Dialect::PLAIN },
    }
}

/// Does the client take an object as it is?
pub(crate) fn plain(headers: &HeaderMap, uri: &Uri) -> ApiResult<Dialect> {
    let accepted = accepted(headers);
    let found = accepted.iter().filter_map(|entry| wanted_by(entry, true));
    let found = found.map(|wanted| (wanted.format, wanted.dialect));
    let mut objects = found.filter(|(format, _)| *format == Format::Object);
    let dialect = objects.next().ok_or_else(not_acceptable)?.1;
    Ok(Dialect { pretty: is_for_people(headers, uri), ..dialect })
}

/// Nothing but JSON that need not be looked at, as nearly all clients want it: told without reading
/// what they accept in full.
pub(crate) fn is_plain_at_once(headers: &HeaderMap, uri: &Uri) -> bool {
    let plain = match headers.get(ACCEPT).map(http::HeaderValue::as_bytes) {
        None => true,
        Some(text) => matches!(text, b"*/*" | b"application/json" | b"application/json, */*"),
    };
    plain && headers.get_all(ACCEPT).iter().nth(1).is_none() && !is_for_people(headers, uri)
}

/// Is the reply to be read by people: do they ask for that, or use a program of people?
fn is_for_people(headers: &HeaderMap, uri: &Uri) -> bool {
    let asked = uri.query().unwrap_or("").split('&').find_map(|pair| pair.strip_prefix("pretty="));
    if let Some(asked) = asked.filter(|asked| !asked.is_empty()) {
        return matches!(asked, "1" | "t" | "T" | "true" | "TRUE" | "True");
    }
    let agent = headers.get(USER_AGENT).map_or(&b""[..], |agent| agent.as_bytes());
    [&b"curl"[..], b"Wget", b"Mozilla/5.0"].iter().any(|program| agent.starts_with(program))
}

fn not_acceptable() -> ApiError {
    let ours = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
    Status::not_acceptable(&ours).into()
}

/// A watch is not written in YAML.
pub(crate) fn not_streamable() -> ApiError {
    let ours =
        ["application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"];
    Status::not_acceptable(&ours).into()
}

fn wanted_by(entry: &Accepted<'_>, protobuf: bool) -> Option<Wanted> {
    let media = entry.written_in()?;
    let version = entry.parameter("v").filter(|_| entry.parameter("g") == Some("meta.k8s.io"));
    let beta = version == Some("v1beta1");
    let known = beta || version == Some("v1");
    let format = match entry.parameter("as") {
        None => Format::Object,
        Some("Table") if known => Format::Table,
        Some("PartialObjectMetadata" | "PartialObjectMetadataList") if known => Format::Partial,
        Some(_) => return None,
    };
    let is_written = media != Media::Protobuf
        || match format {
            Format::Object => protobuf,
            Format::Partial => true,
            Format::Table => false,
        };
    let beta = beta && format != Format::Object;
    is_written.then_some(Wanted { format, dialect: Dialect { media, pretty: false, beta } })
}

/// Does the client take gzip?
pub(crate) fn takes_gzip(headers: &HeaderMap) -> bool {
    let texts = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        parts.next() == Some("gzip") && parts.next().is_none_or(|q| q != "q=0")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(accept: &str, expected: Option<Format>) {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().unwrap());
        let wanted = wanted(&headers, &Uri::from_static("/"), false);
        assert_eq!(wanted.ok().map(|wanted| wanted.format), expected, "{accept}");
    }

    #[test]
    fn the_first_form_that_we_have_is_taken() {
        const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
        check("application/json", Some(Format::Object));
        check("*/*", Some(Format::Object));
        check("application/vnd.kubernetes.protobuf,application/json", Some(Format::Object));
        check("application/vnd.kubernetes.protobuf", None);
        check("text/html", None);
        check(
            &format!("{TABLE},application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"),
            Some(Format::Table),
        );
        check(
            "application/json;as=Table;v=v9;g=meta.k8s.io,application/json",
            Some(Format::Object),
        );
        check(
            "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
            Some(Format::Partial),
        );
        check(
            "application/json;q=0.1,application/json;as=Table;v=v1;g=meta.k8s.io",
            Some(Format::Table),
        );
    }

    #[track_caller]
    fn check_dialect(accept: &str, protobuf: bool, expected: Dialect) {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().unwrap());
        let wanted = wanted(&headers, &Uri::from_static("/"), protobuf).unwrap();
        assert_eq!(wanted.dialect, expected, "{accept}");
    }

    #[test]
    fn the_order_of_the_client_decides_and_not_every_kind_has_protobuf() {
        const BOTH: &str = "application/vnd.kubernetes.protobuf,application/json";
        let protobuf = Dialect { media: Media::Protobuf, ..Dialect::PLAIN };
        check_dialect(BOTH, true, protobuf);
        check_dialect(BOTH, false, Dialect::PLAIN);
        check_dialect("application/yaml", false, Dialect { media: Media::Yaml, ..Dialect::PLAIN });
        check_dialect(
            "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
            false,
            protobuf,
        );
        check_dialect(
            "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io,\
             application/json;as=Table;v=v1beta1;g=meta.k8s.io",
            true,
            Dialect { beta: true, ..Dialect::PLAIN },
        );
    }

    #[test]
    fn people_get_what_they_can_read() {
        let check = |agent: &'static str, uri: &'static str, pretty: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(USER_AGENT, agent.parse().unwrap());
            let uri = Uri::from_static(uri);
            assert_eq!(
                wanted(&headers, &uri, true).unwrap().dialect.pretty,
                pretty,
                "{agent} {uri}"
            );
            assert_eq!(is_plain_at_once(&headers, &uri), !pretty, "{agent} {uri}");
        };
        check("kubectl/v1.36.0", "/api", false);
        check("kubectl/v1.36.0", "/api?pretty=true", true);
        check("curl/8.1", "/api", true);
        check("curl/8.1", "/api?limit=1&pretty=0", false);
    }
}
