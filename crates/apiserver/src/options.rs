//! Query parameters, typed.

use api::fields::FieldValidation;
use axum::extract::Query as AxumQuery;
use http::Uri;

use api::FieldError;
use api::validation::ErrorKind;
use serde_json::Value;

use crate::error::{ApiError, ApiResult};

/// Parameters of Kubernetes that change what a request means and that we do not know how
/// to honour. Others that we do not know change nothing and are let pass.
const UNSUPPORTED: [&str; 4] =
    ["shardSelector", "ignoreStoreReadErrorWithClusterBreakingPotential", "export", "exact"];
/// A field manager's name is no longer.
const MANAGER_MAX: usize = 128;

/// The decoded query of a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(uri: &Uri) -> ApiResult<Self> {
        let AxumQuery(pairs) = AxumQuery::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| ApiError::bad_request(error.to_string()))?;
        let query = Self(pairs);
        match UNSUPPORTED.iter().find(|name| query.get(name).is_some()) {
            Some(name) => Err(ApiError::bad_request(format!(
                "the query parameter {name:?} is not supported by this server"
            ))),
            None => Ok(query),
        }
    }

    /// All values of a parameter.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let pairs = self.0.iter().filter(|(key, _)| key == name);
        pairs.map(|(_, value)| value.as_str()).collect()
    }

    /// The first value of a parameter; an empty one counts as none.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let pair = self.0.iter().find(|(key, _)| key == name);
        pair.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Is the parameter there, whatever it says?
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// Is the parameter there and not false?
    pub(crate) fn flag(&self, name: &str) -> ApiResult<bool> {
        Ok(self.optional_flag(name)?.unwrap_or(false))
    }

    pub(crate) fn optional_flag(&self, name: &str) -> ApiResult<Option<bool>> {
        let Some((_, value)) = self.0.iter().find(|(key, _)| key == name) else { return Ok(None) };
        match value.to_lowercase().as_str() {
            // As upstream: a bare `?watch` is true.
            "" | "1" | "t" | "true" => Ok(Some(true)),
            "0" | "f" | "false" => Ok(Some(false)),
            _ => Err(ApiError::bad_request(format!("{name}: {value:?} is neither true nor false"))),
        }
    }

    pub(crate) fn number(&self, name: &str) -> ApiResult<Option<i64>> {
        self.get(name)
            .map(|text| {
                text.parse().map_err(|_| {
                    ApiError::bad_request(format!("{name}: {text:?} is not a whole number"))
                })
            })
            .transpose()
    }

    /// Does the request only pretend? The one value is `All`.
    pub(crate) fn dry_run(&self) -> ApiResult<bool> {
        let values = self.0.iter().filter(|(key, _)| key == "dryRun").map(|(_, value)| value);
        dry_run(values.map(String::as_str))
    }

    /// The name that the fields of this write will belong to.
    pub(crate) fn field_manager(&self) -> ApiResult<Option<&str>> {
        let manager = self.get("fieldManager");
        let bad = |kind, name: &str, why: &str| {
            options_invalid("PatchOptions", "fieldManager", kind, name.into(), why)
        };
        match manager {
            Some(name) if name.len() > MANAGER_MAX => {
                Err(bad(ErrorKind::TooLong, name, "may not be more than 128 bytes"))
            }
            Some(name) if name.chars().any(char::is_control) => {
                Err(bad(ErrorKind::Invalid, name, "should only contain printable characters"))
            }
            other => Ok(other),
        }
    }

    /// What to do with unknown and duplicate fields.
    pub(crate) fn field_validation(&self) -> ApiResult<FieldValidation> {
        let given = self.get("fieldValidation").unwrap_or("");
        given.parse().map_err(|_| {
            let supported = "supported values: \"Ignore\", \"Strict\", \"Warn\"";
            options_invalid(
                "CreateOptions",
                "fieldValidation",
                ErrorKind::NotSupported,
                given.into(),
                supported,
            )
        })
    }

    /// How much of an object goes into a Table's row.
    pub(crate) fn include_object(&self) -> ApiResult<IncludeObject> {
        match self.get("includeObject") {
            None | Some("Metadata") => Ok(IncludeObject::Metadata),
            Some("None") => Ok(IncludeObject::None),
            Some("Object") => Ok(IncludeObject::Object),
            Some(other) => {
                Err(ApiError::bad_request(format!("unrecognized includeObject value: {other:?}")))
            }
        }
    }
}

/// `dryRun` values: none, or `All`.
pub(crate) fn dry_run<'a>(values: impl Iterator<Item = &'a str>) -> ApiResult<bool> {
    let mut dry = false;
    for value in values.filter(|value| !value.is_empty()) {
        if value != "All" {
            return Err(options_invalid(
                "DeleteOptions",
                "dryRun",
                ErrorKind::NotSupported,
                value.into(),
                "supported values: \"All\"",
            ));
        }
        dry = true;
    }
    Ok(dry)
}

/// A 422 about the options of a request.
pub(crate) fn options_invalid(
    options: &str,
    path: &str,
    kind: ErrorKind,
    value: Value,
    detail: &str,
) -> ApiError {
    let error = FieldError { path: path.to_owned(), kind, value, detail: detail.to_owned() };
    ApiError::invalid_options(options, error)
}

/// What a Table's row carries of its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IncludeObject {
    None,
    Metadata,
    Object,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::parse(&format!("/x?{text}").parse().unwrap()).unwrap()
    }

    #[test]
    fn flags_read_as_upstream_reads_them() {
        for (text, expected) in [
            ("", false),
            ("watch", true),
            ("watch=1", true),
            ("watch=true", true),
            ("watch=false", false),
        ] {
            assert_eq!(query(text).flag("watch").unwrap(), expected, "{text}");
        }
        assert!(query("watch=maybe").flag("watch").is_err());
    }

    #[test]
    fn parameters_are_percent_decoded() {
        assert_eq!(query("labelSelector=a%3Db%2Cc+in").get("labelSelector"), Some("a=b,c in"));
    }

    #[test]
    fn only_all_is_a_dry_run() {
        assert!(query("dryRun=All").dry_run().unwrap());
        assert!(!query("").dry_run().unwrap());
        assert_eq!(query("dryRun=Some").dry_run().unwrap_err().code(), 422);
    }

    #[test]
    fn parameters_we_cannot_honour_are_refused() {
        assert!(Query::parse(&"/x?shardSelector=a".parse().unwrap()).is_err());
        assert!(Query::parse(&"/x?pretty=true&what=ever".parse().unwrap()).is_ok());
    }
}
