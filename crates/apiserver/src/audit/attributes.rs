//! What a URL asks for, read as upstream does: by its form alone, whether or not there is such a kind.

use http::{Method, Uri};

use crate::options::Query;

/// What a request is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) verb: String,
    pub(super) path: String,
    pub(super) is_resource: bool,
    pub(super) group: String,
    pub(super) version: String,
    pub(super) resource: String,
    pub(super) subresource: String,
    pub(super) namespace: String,
    pub(super) name: String,
}

/// Subresources whose answers last.
const LONG: [&str; 5] = ["attach", "exec", "proxy", "log", "portforward"];

impl Attributes {
    pub(super) fn of(method: &Method, uri: &Uri) -> Self {
        let path = uri.path().to_owned();
        let mut attributes = Self { path, verb: method.as_str().to_lowercase(), ..Self::default() };
        let parts: Vec<&str> = uri.path().trim_matches('/').split('/').collect();
        let rest = match parts.as_slice() {
            ["api", version, rest @ ..] if !rest.is_empty() => {
                (attributes.version) = (*version).to_owned();
                rest
            }
            ["apis", group, version, rest @ ..] if !rest.is_empty() => {
                (attributes.group, attributes.version) =
                    ((*group).to_owned(), (*version).to_owned());
                rest
            }
            _ => return attributes,
        };
        attributes.is_resource = true;
        attributes.read_place(rest);
        attributes.read_verb(method, uri);
        attributes
    }

    fn read_place(&mut self, rest: &[&str]) {
        let mut rest = rest;
        if let ["namespaces", namespace, more @ ..] = rest {
            self.namespace = (*namespace).to_owned();
            if let [first, ..] = more
                && !matches!(*first, "status" | "finalize")
            {
                rest = more;
            }
        }
        let at = |index: usize| rest.get(index).copied().unwrap_or_default().to_owned();
        (self.resource, self.name, self.subresource) = (at(0), at(1), at(2));
    }

    fn read_verb(&mut self, method: &Method, uri: &Uri) {
        let query = Query::parse(uri).ok();
        let watches = || query.as_ref().is_some_and(|query| query.flag("watch").unwrap_or(false));
        let named = !self.name.is_empty();
        let verb = match *method {
            Method::POST => "create",
            Method::GET | Method::HEAD if self.subresource.is_empty() && watches() => "watch",
            Method::GET | Method::HEAD if named => "get",
            Method::GET | Method::HEAD => "list",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE if named => "delete",
            Method::DELETE => "deletecollection",
            _ => "",
        };
        verb.clone_into(&mut self.verb);
    }

    /// Does the answer last, as a watch does?
    pub(super) fn is_long(&self) -> bool {
        self.is_resource && (self.verb == "watch" || LONG.contains(&self.subresource.as_str()))
    }

    /// May the answer be a `Status` that says that it went well?
    pub(super) fn may_answer_status(&self) -> bool {
        matches!(self.verb.as_str(), "delete" | "deletecollection" | "create")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `METHOD path`, and verb, group, namespace, resource, name, subresource.
    #[track_caller]
    fn check(request: &str, expected: &str) {
        let (method, uri) = request.split_once(' ').unwrap();
        let found = Attributes::of(&method.parse().unwrap(), &uri.parse().unwrap());
        let Attributes { verb, group, namespace, resource, name, subresource, .. } = &found;
        let text = [verb, group, namespace, resource, name, subresource].map(String::as_str);
        assert_eq!(text.join(" "), expected, "{request}");
        assert_eq!(found.is_resource, !resource.is_empty());
    }

    #[test]
    fn a_url_is_read_by_its_form() {
        check("GET /api/v1/pods", "list   pods  ");
        check("GET /api/v1/namespaces/a/pods?watch=1", "watch  a pods  ");
        check("GET /api/v1/namespaces/a/pods/b/log", "get  a pods b log");
        check("POST /apis/apps/v1/namespaces/a/deployments", "create apps a deployments  ");
        check("PUT /api/v1/namespaces/a/finalize", "update  a namespaces a finalize");
        check("GET /api/v1/namespaces/a", "get  a namespaces a ");
        check("DELETE /apis/x.io/v1/things", "deletecollection x.io  things  ");
        check("PATCH /api/v1/nodes/n/status", "patch   nodes n status");
        for path in ["/", "/version", "/api", "/api/v1", "/apis/apps", "/apis/apps/v1"] {
            check(&format!("GET {path}"), "get     ");
        }
    }
}
