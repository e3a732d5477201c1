//! Query parameters, typed.

use api::fields::FieldValidation;
use axum::extract::Query as AxumQuery;
use http::{Method, Uri};

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
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
    /// What errors call the options of this request: `CreateOptions`.
    options: &'static str,
}

impl Query {
    pub(crate) fn parse(uri: &Uri) -> ApiResult<Self> {
        let AxumQuery(pairs) = AxumQuery::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| ApiError::bad_request(error.to_string()))?;
        let query = Self { pairs, options: "ListOptions" };
        match UNSUPPORTED.iter().find(|name| query.get(name).is_some()) {
            Some(name) => Err(ApiError::bad_request(format!(
                "the query parameter {name:?} is not supported by this server"
            ))),
            None => Ok(query),
        }
    }

    /// The same as the options of a request with this method.
    pub(crate) fn of_method(mut self, method: &Method) -> Self {
        self.options = match *method {
            Method::POST => "CreateOptions",
            Method::PUT => "UpdateOptions",
            Method::PATCH => "PatchOptions",
            Method::DELETE => "DeleteOptions",
            _ => self.options,
        };
        self
    }

    /// The verb of a request that changes what is there.
    pub(crate) fn writing_verb(&self) -> &'static str {
        if self.options == "PatchOptions" { "patch" } else { "update" }
    }

    /// All values of a parameter.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let pairs = self.pairs.iter().filter(|(key, _)| key == name);
        pairs.map(|(_, value)| value.as_str()).collect()
    }

    /// The first value of a parameter; an empty one counts as none.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let pair = self.pairs.iter().find(|(key, _)| key == name);
        pair.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Is the parameter there, whatever it says?
    pub(crate) fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(key, _)| key == name)
    }

    /// Is the parameter there and not false?
    pub(crate) fn flag(&self, name: &str) -> ApiResult<bool> {
        Ok(self.optional_flag(name)?.unwrap_or(false))
    }

    pub(crate) fn optional_flag(&self, name: &str) -> ApiResult<Option<bool>> {
        let Some((_, value)) = self.pairs.iter().find(|(key, _)| key == name) else {
            return Ok(None);
        };
        match value.to_lowercase().as_str() {
            // As upstream: a bare `?watch` is true.
            "" | "1" | "t" | "true" => Ok(Some(true)),
            "0" | "false" => Ok(Some(false)),
            // As upstream: whatever is not false is true.
            _ => Ok(Some(true)),
        }
    }

    pub(crate) fn number(&self, name: &str) -> ApiResult<Option<i64>> {
        self.get(name)
            .map(|text| {
                // In the words of Go's strconv, which say nothing of the name.
                text.parse().map_err(|_| {
                    let why = format!("strconv.ParseInt: parsing {text:?}: invalid syntax");
                    ApiError::bad_request(why)
                })
            })
            .transpose()
    }

    /// Does the request only pretend? The one value is `All`.
    pub(crate) fn dry_run(&self) -> ApiResult<bool> {
        dry_run(self.options, self.all("dryRun").into_iter())
    }

    /// The name that the fields of this write will belong to.
    pub(crate) fn field_manager(&self) -> ApiResult<Option<&str>> {
        let manager = self.get("fieldManager");
        let bad = |kind, name: &str, why: &str| {
            options_invalid(self.options, "fieldManager", kind, name.into(), why)
        };
        match manager {
            Some(name) if name.len() > MANAGER_MAX => {
                Err(bad(ErrorKind::TooLong, name, "may not be more than 128 bytes"))
            }
            Some(name) => match name.char_indices().find(|(_, c)| c.is_control()) {
                Some((at, c)) => {
                    let why = format!("invalid character U+{:04X} (at position {at})", c as u32);
                    Err(bad(ErrorKind::Invalid, name, &why))
                }
                None => Ok(manager),
            },
            None => Ok(None),
        }
    }

    /// What to do with unknown and duplicate fields.
    pub(crate) fn field_validation(&self) -> ApiResult<FieldValidation> {
        let given = self.get("fieldValidation").unwrap_or("");
        given.parse().map_err(|_| {
            let supported = "supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"";
            options_invalid(
                self.options,
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
pub(crate) fn dry_run<'a>(options: &str, values: impl Iterator<Item = &'a str>) -> ApiResult<bool> {
    let values: Vec<&str> = values.collect();
    if values.iter().any(|value| *value != "All") {
        let supported = "supported values: \"All\"";
        let kind = ErrorKind::NotSupported;
        return Err(options_invalid(options, "dryRun", kind, values.into(), supported));
    }
    Ok(!values.is_empty())
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
    ApiError::invalid_options(options, vec![error])
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
        assert!(query("watch=maybe").flag("watch").unwrap());
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
