//! What a URL path names.

use std::sync::Arc;

use crate::error::{ApiError, ApiResult};
use crate::kinds::{Kind, Served, Subresource};
use crate::request::Review;

/// What a path names.
#[derive(Debug, PartialEq)]
pub(super) enum Target<'k> {
    /// Discovery, health, version: not a resource.
    Path,
    /// A question, and the namespace it is asked in, or "".
    Review(Review, String),
    /// A kind's objects.
    Object(ObjectPath<'k>),
}

/// A collection, an object or its subresource.
pub(super) struct ObjectPath<'k> {
    pub(super) kind: &'k Arc<Kind>,
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
    pub(super) subresource: Option<Subresource>,
    /// Is it a path of the old form, `/api/v1/watch/...`, which asks for a watch?
    pub(super) watch: bool,
}

/// Reads a path. An unknown resource is a 404; an unknown path is left to discovery.
pub(super) fn parse<'k>(kinds: &'k Served, path: &str) -> ApiResult<Target<'k>> {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let parts = match parts.as_slice() {
        // One trailing slash is nothing.
        [rest @ .., ""] => rest,
        all => all,
    };
    let (group, version, rest) = match parts {
        ["api", version, rest @ ..] if !rest.is_empty() => ("", *version, rest),
        ["apis", group, version, rest @ ..] if !rest.is_empty() => (*group, *version, rest),
        _ => return Ok(Target::Path),
    };
    if version == "v1"
        && let Some((review, namespace)) = review(group, rest)
    {
        let namespace = if namespace.is_empty() { String::new() } else { decode(namespace)? };
        return Ok(Target::Review(review, namespace));
    }
    let (watch, rest) = match rest {
        ["watch", rest @ ..] if !rest.is_empty() => (true, rest),
        rest => (false, rest),
    };
    let found = object(kinds, group, version, rest)?;
    if watch && found.subresource.is_some() {
        return Err(ApiError::no_such_path());
    }
    Ok(Target::Object(ObjectPath { watch, ..found }))
}

/// A question, and where it is asked.
fn review<'a>(group: &str, parts: &[&'a str]) -> Option<(Review, &'a str)> {
    match parts {
        [plural] => Review::find(group, plural, false).map(|review| (review, "")),
        ["namespaces", namespace, plural] => {
            Review::find(group, plural, true).map(|review| (review, *namespace))
        }
        _ => None,
    }
}

fn object<'k>(
    kinds: &'k Served,
    group: &str,
    version: &str,
    parts: &[&str],
) -> ApiResult<ObjectPath<'k>> {
    let find = |plural: &str| kinds.find(group, version, plural).ok_or_else(ApiError::no_such_path);
    match parts {
        // `namespaces/x/pods`, but `namespaces/x/status` is the Namespace's own.
        ["namespaces", namespace, resource, rest @ ..]
            if !is_namespace_subresource(group, resource) =>
        {
            in_namespace(find(resource)?, Some(decode(namespace)?), rest)
        }
        [resource, rest @ ..] => in_namespace(find(resource)?, None, rest),
        [] => Err(ApiError::no_such_path()),
    }
}

fn is_namespace_subresource(group: &str, word: &str) -> bool {
    group.is_empty() && matches!(word, "status" | "finalize")
}

fn in_namespace<'k>(
    kind: &'k Arc<Kind>,
    namespace: Option<String>,
    rest: &[&str],
) -> ApiResult<ObjectPath<'k>> {
    // A namespaced object has a namespace; all namespaces together can only be listed.
    if namespace.is_some() && !kind.namespaced
        || kind.namespaced && namespace.is_none() && !rest.is_empty()
    {
        return Err(ApiError::no_such_path());
    }
    let (name, subresource) = match rest {
        [] => (None, None),
        [name] => (Some(decode(name)?), None),
        [name, subresource] => (Some(decode(name)?), Some(*subresource)),
        // What comes behind is for the other side to understand.
        [name, "proxy", ..] => (Some(decode(name)?), Some("proxy")),
        _ => return Err(ApiError::no_such_path()),
    };
    let subresource = subresource
        .map(|word| {
            let found = kind.subresources.iter().find(|subresource| subresource.name() == word);
            found.copied().ok_or_else(ApiError::no_such_path)
        })
        .transpose()?;
    Ok(ObjectPath { kind, namespace, name, subresource, watch: false })
}

/// Text without its percent escapes; `None` where they are broken.
pub(crate) fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let pair = [rest.next().unwrap_or(0), rest.next().unwrap_or(0)];
                u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// A name of the path. Names hold no slash and no control character.
fn decode(segment: &str) -> ApiResult<String> {
    let name = unescape(segment).ok_or_else(ApiError::no_such_path)?;
    let unfit = name.is_empty()
        || matches!(name.as_str(), "." | "..")
        || name.chars().any(|c| c == '/' || c == '%' || c.is_control());
    if unfit {
        return Err(ApiError::bad_request(format!("{name:?} cannot be the name of an object")));
    }
    Ok(name)
}

impl PartialEq for ObjectPath<'_> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(self.kind, other.kind)
            && self.namespace == other.namespace
            && self.name == other.name
            && self.subresource == other.subresource
            && self.watch == other.watch
    }
}

impl std::fmt::Debug for ObjectPath<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} {} {} {}",
            self.kind.resource(),
            self.namespace.as_deref().unwrap_or("-"),
            self.name.as_deref().unwrap_or("-"),
            self.subresource.map_or("-", Subresource::name)
        )?;
        f.write_str(if self.watch { " watched" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expected: &str) {
        let shown = match parse(&Served::with([]), path) {
            Ok(Target::Path) => "path".to_owned(),
            Ok(Target::Review(review, namespace)) => format!("{} {namespace:?}", review.plural()),
            Ok(Target::Object(object)) => format!("{object:?}"),
            Err(error) => error.code().to_string(),
        };
        assert_eq!(shown, expected, "{path}");
    }

    #[test]
    fn paths_name_collections_objects_and_subresources() {
        check("/api/v1/pods", "pods - - -");
        check("/api/v1/namespaces/a/pods", "pods a - -");
        check("/api/v1/namespaces/a/pods/b", "pods a b -");
        check("/api/v1/namespaces/a/pods/b/status", "pods a b status");
        check("/apis/apps/v1/namespaces/a/deployments/b/scale", "deployments.apps a b scale");
        check("/api/v1/nodes/n", "nodes - n -");
    }

    #[test]
    fn a_namespace_is_an_object_and_a_place() {
        check("/api/v1/namespaces", "namespaces - - -");
        check("/api/v1/namespaces/a", "namespaces - a -");
        check("/api/v1/namespaces/a/finalize", "namespaces - a finalize");
        check("/api/v1/namespaces/a/status", "namespaces - a status");
    }

    #[test]
    fn behind_a_proxy_is_anything() {
        check("/api/v1/namespaces/a/pods/http:b:80/proxy", "pods a http:b:80 proxy");
        check("/api/v1/namespaces/a/services/b/proxy/x/%2E%2E//y/", "services a b proxy");
        check("/api/v1/nodes/n/proxy/healthz", "nodes - n proxy");
        check("/api/v1/namespaces/a/configmaps/b/proxy/x", "404");
    }

    #[test]
    fn old_paths_ask_for_a_watch() {
        check("/api/v1/watch/pods", "pods - - - watched");
        check("/api/v1/watch/namespaces/a/pods/b", "pods a b - watched");
        check("/api/v1/watch/namespaces/a/pods/b/status", "404");
        check("/api/v1/watch", "404");
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        check("/api/v1/nothings", "404");
        check("/api/v1/pods/b", "404");
        check("/api/v1/namespaces/a/nodes", "404");
        check("/api/v1/namespaces/a/pods/b/nothing", "404");
        check("/api/v2/pods", "404");
    }

    #[test]
    fn names_are_decoded_and_cannot_climb() {
        check("/api/v1/nodes/a%2Db", "nodes - a-b -");
        check("/api/v1/nodes/a%2Fb", "400");
        check("/api/v1/nodes/%2E%2E", "400");
        check("/api/v1/nodes/%zz", "404");
    }

    #[test]
    fn other_paths_go_to_discovery() {
        for path in ["/", "/api", "/api/v1", "/apis/apps/v1", "/apis/apps", "/version", "/x/y"] {
            check(path, "path");
        }
    }

    #[test]
    fn questions_are_asked_of_the_cluster_or_in_a_namespace() {
        let group = "/apis/authorization.k8s.io/v1";
        check(&format!("{group}/selfsubjectaccessreviews"), "selfsubjectaccessreviews \"\"");
        check(
            &format!("{group}/namespaces/a/localsubjectaccessreviews"),
            "localsubjectaccessreviews \"a\"",
        );
        check(&format!("{group}/namespaces/a/subjectaccessreviews"), "404");
        check(&format!("{group}/localsubjectaccessreviews"), "404");
    }
}
