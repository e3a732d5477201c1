//! What a request to a server behind this one is about: said by its path and method alone, as its
//! kinds are not known here. Asked of the authorizer before anything is handed on.

use api::selector::field::equalities;
use http::{Method, Uri};

use crate::audit;
use crate::authz::{Attributes, Decision};
use crate::error::{ApiError, ApiResult};
use crate::options::Query;
use crate::request::{denial, listed_name, unescape};
use crate::server::Shared;
use crate::user::UserInfo;

/// A request in an authorizer's words.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Asked {
    verb: String,
    group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
    /// Where it is about no resource.
    path: String,
    /// What a list or watch is narrowed to.
    fields: Vec<(String, String)>,
}

/// May this be done?
pub(crate) fn check(shared: &Shared, asked: &Attributes<'_>) -> ApiResult<()> {
    let decision = shared.authorizer.authorize(asked);
    audit::decided(&decision);
    match decision {
        Decision::Allow(_) => Ok(()),
        Decision::Deny(reason) => Err(refusal(asked, &reason)),
    }
}

/// What is said where the authorizer said no, for this reason or none.
pub(crate) fn refusal(asked: &Attributes<'_>, reason: &str) -> ApiError {
    if !asked.path.is_empty() {
        return ApiError::forbidden_path(&asked.user.name, asked.verb, asked.path);
    }
    let why = denial(asked, reason);
    ApiError::forbidden_part(asked.resource, asked.group, asked.name, &why)
}

impl Asked {
    /// What a request is about.
    pub(crate) fn read(method: &Method, uri: &Uri) -> ApiResult<Self> {
        let whole = uri.path();
        let parts: Vec<&str> = whole.split('/').filter(|part| !part.is_empty()).collect();
        let (group, rest) = match parts.as_slice() {
            ["apis", group, _, rest @ ..] => (*group, rest),
            ["api", _, rest @ ..] => ("", rest),
            _ => return Ok(Self::of_path(method, whole)),
        };
        if rest.is_empty() {
            return Ok(Self::of_path(method, whole));
        }
        let query = Query::parse(uri)?;
        let (watched, rest) = match rest {
            ["watch", rest @ ..] if !rest.is_empty() => (true, rest),
            all => (query.flag("watch")?, all),
        };
        let decode = |part: &str| unescape(part).ok_or_else(ApiError::no_such_path);
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (decode(namespace)?, rest),
            ["namespaces", namespace] => (decode(namespace)?, rest),
            all => (String::new(), all),
        };
        let part = |index: usize| rest.get(index).map_or(Ok(String::new()), |part| decode(part));
        let named = rest.len() > 1;
        let mut asked = Self {
            verb: verb(method, named, watched).to_owned(),
            group: group.to_owned(),
            resource: part(0)?,
            name: part(1)?,
            subresource: part(2)?,
            namespace,
            ..Self::default()
        };
        if !named && matches!(asked.verb.as_str(), "list" | "watch" | "deletecollection") {
            asked.fields = equalities(query.get("fieldSelector").unwrap_or_default());
            asked.name = listed_name(&asked.fields).unwrap_or_default().to_owned();
        }
        Ok(asked)
    }

    /// The same, and who asks.
    pub(crate) fn attributes<'a>(&'a self, user: &'a UserInfo) -> Attributes<'a> {
        Attributes {
            user,
            verb: &self.verb,
            group: &self.group,
            resource: &self.resource,
            subresource: &self.subresource,
            namespace: &self.namespace,
            name: &self.name,
            path: &self.path,
            fields: &self.fields,
        }
    }

    /// The plural that the path names.
    pub(crate) fn resource(&self) -> &str {
        &self.resource
    }

    fn of_path(method: &Method, path: &str) -> Self {
        let verb = method.as_str().to_lowercase();
        Self { verb, path: path.to_owned(), ..Self::default() }
    }
}

fn verb(method: &Method, named: bool, watched: bool) -> &'static str {
    match *method {
        Method::GET | Method::HEAD if watched => "watch",
        Method::GET | Method::HEAD if named => "get",
        Method::GET | Method::HEAD => "list",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if named => "delete",
        Method::DELETE => "deletecollection",
        // Upstream has no word for the others; whoever may do everything may do these.
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: Method, uri: &str, expected: &str) {
        let asked = Asked::read(&method, &uri.parse().unwrap()).unwrap();
        let all = [
            asked.verb,
            asked.group,
            asked.resource,
            asked.subresource,
            asked.namespace,
            asked.name,
            asked.path,
        ];
        assert_eq!(all.join(" "), expected, "{uri}");
    }

    #[test]
    fn a_path_says_what_is_asked() {
        let root = "/apis/e.io/v1";
        check(Method::GET, root, "get      /apis/e.io/v1");
        check(Method::GET, &format!("{root}/fs"), "list e.io fs    ");
        check(Method::GET, &format!("{root}/fs?watch=1"), "watch e.io fs    ");
        check(Method::GET, &format!("{root}/watch/fs"), "watch e.io fs    ");
        check(Method::GET, &format!("{root}/namespaces/n/fs/f"), "get e.io fs  n f ");
        check(
            Method::PUT,
            &format!("{root}/namespaces/n/fs/f/status"),
            "update e.io fs status n f ",
        );
        check(Method::POST, &format!("{root}/namespaces/n/fs"), "create e.io fs  n  ");
        check(Method::DELETE, &format!("{root}/namespaces/n/fs"), "deletecollection e.io fs  n  ");
        check(
            Method::GET,
            &format!("{root}/fs?fieldSelector=metadata.name%3Dx"),
            "list e.io fs   x ",
        );
        // A comma that is escaped ends no term.
        let tricky = format!("{root}/fs?fieldSelector=type!%3Dy%5C,metadata.name%3Dx");
        check(Method::GET, &tricky, "list e.io fs    ");
    }
}
