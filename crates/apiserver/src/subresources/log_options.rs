//! What may be asked of a log.

use api::status::Status;
use api::validation::ErrorKind;
use api::{FieldError, Gvk};
use serde_json::Value;

use crate::error::ApiResult;
use crate::options::Query;

/// Upstream writes a path of no name like an index of nothing.
const NO_FIELD: &str = "[]";
const STREAMS: [&str; 3] = ["All", "Stderr", "Stdout"];

/// Refuses what makes no sense; `name` is the pod's.
pub(super) fn check(query: &Query, name: &str) -> ApiResult<()> {
    let mut errors = Vec::new();
    let mut note = |path: &str, kind: ErrorKind, value: Value, detail: &str| {
        let (path, detail) = (path.to_owned(), detail.to_owned());
        errors.push(FieldError { path, kind, value, detail });
    };
    let tail = query.number("tailLines")?;
    if let Some(lines) = tail.filter(|lines| *lines < 0) {
        let why = "must be greater than or equal to 0";
        note("tailLines", ErrorKind::Invalid, lines.into(), why);
    }
    if let Some(bytes) = query.number("limitBytes")?.filter(|bytes| *bytes < 1) {
        note("limitBytes", ErrorKind::Invalid, bytes.into(), "must be greater than 0");
    }
    let since = query.number("sinceSeconds")?;
    if since.is_some() && query.get("sinceTime").is_some() {
        let why = "at most one of `sinceTime` or `sinceSeconds` may be specified";
        note(NO_FIELD, ErrorKind::Forbidden, Value::Null, why);
    } else if let Some(seconds) = since.filter(|seconds| *seconds < 1) {
        note("sinceSeconds", ErrorKind::Invalid, seconds.into(), "must be greater than 0");
    }
    match query.get("stream") {
        None | Some("" | "All") => {}
        Some(stream) if !STREAMS.contains(&stream) => {
            let known = "supported values: \"All\", \"Stderr\", \"Stdout\"";
            note("stream", ErrorKind::NotSupported, stream.into(), known);
        }
        Some(_) if tail.is_some() => {
            let why = "`tailLines` and specific `stream` are mutually exclusive for now";
            note(NO_FIELD, ErrorKind::Forbidden, Value::Null, why);
        }
        Some(_) => {}
    }
    if errors.is_empty() {
        return Ok(());
    }
    Err(Status::invalid(&Gvk::core("PodLogOptions"), name, errors).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, expected: Option<&str>) {
        let uri = format!("/log?{query}").parse().unwrap();
        let found = super::check(&Query::parse(&uri).unwrap(), "web").err();
        let found = found.map(|error| error.status().message.clone());
        let expected = expected.map(|why| format!("PodLogOptions \"web\" is invalid: {why}"));
        assert_eq!(found, expected, "{query}");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        check("tailLines=0&limitBytes=1&sinceSeconds=1&stream=All", None);
        check(
            "tailLines=-1",
            Some("tailLines: Invalid value: -1: must be greater than or equal to 0"),
        );
        check("limitBytes=0", Some("limitBytes: Invalid value: 0: must be greater than 0"));
        check("sinceSeconds=0", Some("sinceSeconds: Invalid value: 0: must be greater than 0"));
        check(
            "stream=Both",
            Some(
                "stream: Unsupported value: \"Both\": supported values: \"All\", \"Stderr\", \
                 \"Stdout\"",
            ),
        );
        let both = "sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z";
        assert!(
            super::check(&Query::parse(&format!("/log?{both}").parse().unwrap()).unwrap(), "web")
                .is_err()
        );
    }
}
