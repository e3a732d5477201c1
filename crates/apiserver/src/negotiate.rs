//! Which form of a reply the client accepts. We speak JSON: objects, Tables and
//! PartialObjectMetadata.

use api::status::Status;
use http::HeaderMap;
use http::header::{ACCEPT, ACCEPT_ENCODING};

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
        matches!(self.media, "application/json" | "application/*" | "*/*")
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

/// The first form the client accepts that we have.
pub(crate) fn format(headers: &HeaderMap) -> ApiResult<Format> {
    accepted(headers).iter().find_map(format_of).ok_or_else(not_acceptable)
}

/// Does the client take an object as it is?
pub(crate) fn plain(headers: &HeaderMap) -> ApiResult<()> {
    let taken = accepted(headers).iter().any(|entry| format_of(entry) == Some(Format::Object));
    if taken { Ok(()) } else { Err(not_acceptable()) }
}

fn not_acceptable() -> ApiError {
    Status::not_acceptable(&["application/json", "application/json;stream=watch"]).into()
}

fn format_of(entry: &Accepted<'_>) -> Option<Format> {
    if !entry.is_json() {
        return None;
    }
    let meta = entry.parameter("g") == Some("meta.k8s.io") && entry.parameter("v") == Some("v1");
    match entry.parameter("as") {
        None => Some(Format::Object),
        Some("Table") if meta => Some(Format::Table),
        Some("PartialObjectMetadata" | "PartialObjectMetadataList") if meta => {
            Some(Format::Partial)
        }
        Some(_) => None,
    }
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
        assert_eq!(format(&headers).ok(), expected, "{accept}");
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
}
