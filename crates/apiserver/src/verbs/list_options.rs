//! Which objects a list or watch wants, and as of when.

use api::FieldError;
use api::selector::{FieldSelector, LabelSelector};
use api::validation::ErrorKind;
use serde_json::Value;

use super::continuation::Continue;
use crate::error::{ApiError, ApiResult};
use crate::request::Call;

/// Which objects are wanted.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    pub(crate) labels: LabelSelector,
    pub(crate) fields: FieldSelector,
}

impl Selection {
    pub(crate) fn read(call: &Call<'_>) -> ApiResult<Self> {
        let labels = match call.query.get("labelSelector") {
            None => LabelSelector::everything(),
            Some(text) => text.parse().map_err(|error: api::selector::label::ParseError| {
                ApiError::bad_request(error.to_string())
            })?,
        };
        let text = call.query.get("fieldSelector").unwrap_or("");
        let fields = match &call.kind.custom {
            Some(custom) => FieldSelector::parse_custom(&custom.selectable, text),
            None => FieldSelector::parse(&call.kind.gvk(), text),
        };
        let fields = fields.map_err(|error| ApiError::bad_request(error.to_string()))?;
        Ok(Self { labels, fields })
    }

    #[cfg(test)]
    pub(crate) fn everything() -> Self {
        Self { labels: LabelSelector::everything(), fields: FieldSelector::everything() }
    }

    pub(crate) fn is_everything(&self) -> bool {
        self.labels.is_everything() && self.fields.is_everything()
    }

    /// Is the object, in stored form, wanted?
    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.labels.matches_object(object) && self.fields.matches(object)
    }

    /// The one name that is asked for, where one is.
    pub(crate) fn name(&self) -> Option<&str> {
        self.fields.exact("metadata.name")
    }
}

/// As of when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AsOf {
    /// Now.
    Newest,
    /// Now, which must be no older than this.
    NotOlderThan(u64),
    /// Exactly then.
    Exactly(u64),
}

/// How a list is to be read.
#[derive(Debug)]
pub(crate) struct ListOptions {
    pub(crate) selection: Selection,
    pub(crate) as_of: AsOf,
    /// 0: all.
    pub(crate) limit: usize,
    pub(crate) token: Option<Continue>,
}

impl ListOptions {
    pub(crate) fn read(call: &Call<'_>) -> ApiResult<Self> {
        call.query.number("timeoutSeconds")?;
        // As upstream, less than none is no limit.
        let limit = call.query.number("limit")?.unwrap_or(0);
        let limit = usize::try_from(limit).unwrap_or(0);
        let version = call.query.get("resourceVersion");
        let wanted = call.query.get("resourceVersionMatch");
        let initial = call.query.optional_flag("sendInitialEvents")?.is_some();
        check(version, wanted, call.query.get("continue").is_some(), initial)?;
        let token = call.query.get("continue").map(Continue::decode).transpose()?;
        if token.is_some() && !matches!(version, None | Some("0")) {
            return Err(ApiError::bad_request(
                "specifying resource version is not allowed when using continue",
            ));
        }
        // As upstream's cache, which has it all at hand.
        let limit = if version == Some("0") && token.is_none() { 0 } else { limit };
        let as_of = match &token {
            Some(token) => token.as_of(),
            None => as_of(version, wanted, limit > 0)?,
        };
        Ok(Self { selection: Selection::read(call)?, as_of, limit, token })
    }
}

/// Do the options of a list go together? All that does not is told of.
fn check(
    version: Option<&str>,
    wanted: Option<&str>,
    continued: bool,
    initial: bool,
) -> ApiResult<()> {
    let mut problems = Vec::new();
    if let Some(wanted) = wanted {
        if version.is_none() {
            let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            problems.push(forbidden("resourceVersionMatch", why));
        }
        if continued {
            let why = "resourceVersionMatch is forbidden when continue is provided";
            problems.push(forbidden("resourceVersionMatch", why));
        }
        if !matches!(wanted, "Exact" | "NotOlderThan") {
            problems.push(unknown_match(wanted, "\"Exact\", \"NotOlderThan\", \"\""));
        }
        if wanted == "Exact" && version == Some("0") {
            let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            problems.push(forbidden("resourceVersionMatch", why));
        }
    }
    if initial {
        problems.push(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
    }
    refuse(problems)
}

/// What `resourceVersion`, `resourceVersionMatch` and a limit together mean.
pub(crate) fn as_of(version: Option<&str>, wanted: Option<&str>, limited: bool) -> ApiResult<AsOf> {
    let number = version
        .map(revision)
        .transpose()
        .map_err(|why| ApiError::bad_request(format!("invalid resource version: {why}")))?;
    Ok(match (wanted, number) {
        (_, None) | (None, Some(0)) => AsOf::Newest,
        (Some("Exact"), Some(number)) => AsOf::Exactly(number),
        // The old rule: a limited list is exact.
        (None, Some(number)) if limited => AsOf::Exactly(number),
        (_, Some(number)) => AsOf::NotOlderThan(number),
    })
}

/// A resourceVersion as a number; the error is Go's.
pub(crate) fn revision(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| {
        let why = format!("strconv.ParseUint: parsing {text:?}: invalid syntax");
        format!("resourceVersion: Invalid value: {text:?}: {why}")
    })
}

pub(crate) fn unknown_match(given: &str, supported: &str) -> FieldError {
    FieldError {
        path: "resourceVersionMatch".to_owned(),
        kind: ErrorKind::NotSupported,
        value: given.into(),
        detail: format!("supported values: {supported}"),
    }
}

pub(crate) fn forbidden(path: &str, why: &str) -> FieldError {
    let (path, detail) = (path.to_owned(), why.to_owned());
    FieldError { path, kind: ErrorKind::Forbidden, value: Value::Null, detail }
}

/// Refuses options that have problems.
pub(crate) fn refuse(problems: Vec<FieldError>) -> ApiResult<()> {
    match problems.is_empty() {
        true => Ok(()),
        false => Err(ApiError::invalid_options("ListOptions", problems)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(version: &str, wanted: &str, limited: bool, expected: Result<AsOf, u16>) {
        let given = |text: &'static str| Some(text).filter(|text| !text.is_empty());
        let version = given(String::leak(version.to_owned()));
        let wanted = given(String::leak(wanted.to_owned()));
        let got = super::check(version, wanted, false, false)
            .and_then(|()| as_of(version, wanted, limited))
            .map_err(|error| error.code());
        assert_eq!(got, expected, "{version:?} {wanted:?} {limited}");
    }

    #[test]
    fn the_table_of_version_semantics_holds() {
        check("", "", false, Ok(AsOf::Newest));
        check("0", "", false, Ok(AsOf::Newest));
        check("0", "", true, Ok(AsOf::Newest));
        check("7", "", false, Ok(AsOf::NotOlderThan(7)));
        check("7", "", true, Ok(AsOf::Exactly(7)));
        check("7", "Exact", false, Ok(AsOf::Exactly(7)));
        check("7", "NotOlderThan", true, Ok(AsOf::NotOlderThan(7)));
        check("0", "NotOlderThan", false, Ok(AsOf::NotOlderThan(0)));
        check("0", "Exact", false, Err(422));
        check("", "Exact", false, Err(422));
        check("7", "Roughly", false, Err(422));
        check("seven", "", false, Err(400));
    }
}
