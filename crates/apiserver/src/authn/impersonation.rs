//! Acting as somebody else: `kubectl --as`. Whoever may not is refused; whoever may is the
//! other one from here on.

use std::collections::BTreeMap;

use http::HeaderMap;

use crate::audit;
use crate::authz::{Attributes, Authorizer, Decision};
use crate::error::{ApiError, ApiResult};
use crate::user::{ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED, UserInfo};

const USER: &str = "impersonate-user";
const GROUP: &str = "impersonate-group";
const UID: &str = "impersonate-uid";
const EXTRA: &str = "impersonate-extra-";
const ACCOUNT: &str = "system:serviceaccount:";
const AUTHENTICATION: &str = "authentication.k8s.io";

/// The user that the request is to be judged as.
pub(crate) fn effective(
    authorizer: &dyn Authorizer,
    user: UserInfo,
    headers: &HeaderMap,
) -> ApiResult<UserInfo> {
    let name = first(headers, USER)?;
    let groups = all(headers, GROUP)?;
    let uid = first(headers, UID)?;
    let extra = extra(headers)?;
    if name.is_empty() {
        if groups.is_empty() && uid.is_empty() && extra.is_empty() {
            return Ok(user);
        }
        return Err(ApiError::bad_request("impersonation of a group, uid or extra without a user"));
    }
    let wanted = UserInfo { name, uid, groups, extra };
    for question in questions(&wanted) {
        question.ask(authorizer, &user)?;
    }
    let user = complete(wanted);
    audit::impersonated(&user);
    Ok(user)
}

fn first(headers: &HeaderMap, name: &str) -> ApiResult<String> {
    Ok(all(headers, name)?.into_iter().next().unwrap_or_default())
}

fn all(headers: &HeaderMap, name: &str) -> ApiResult<Vec<String>> {
    headers.get_all(name).iter().map(|value| text(name, value)).collect()
}

fn text(name: &str, value: &http::HeaderValue) -> ApiResult<String> {
    let text = std::str::from_utf8(value.as_bytes());
    let text = text.map_err(|_| ApiError::bad_request(format!("header {name} is not UTF-8")))?;
    Ok(text.to_owned())
}

fn extra(headers: &HeaderMap) -> ApiResult<BTreeMap<String, Vec<String>>> {
    let mut extra = BTreeMap::new();
    for name in headers.keys() {
        let Some(key) = name.as_str().strip_prefix(EXTRA) else { continue };
        let key = crate::request::unescape(key)
            .ok_or_else(|| ApiError::bad_request(format!("header {name} is not escaped well")))?;
        extra.insert(key, all(headers, name.as_str())?);
    }
    Ok(extra)
}

/// May the caller be this part of somebody?
struct Question<'a> {
    group: &'static str,
    resource: &'static str,
    subresource: &'a str,
    namespace: &'a str,
    name: &'a str,
}

impl Question<'_> {
    fn ask(&self, authorizer: &dyn Authorizer, user: &UserInfo) -> ApiResult<()> {
        let attributes = Attributes {
            user,
            verb: "impersonate",
            group: self.group,
            resource: self.resource,
            subresource: self.subresource,
            namespace: self.namespace,
            name: self.name,
            path: "",
        };
        match authorizer.authorize(&attributes) {
            Decision::Allow(_) => Ok(()),
            Decision::Deny(reason) => Err(ApiError::forbidden_part(
                self.resource,
                self.group,
                self.name,
                &crate::request::denial(&attributes, &reason),
            )),
        }
    }
}

fn questions(wanted: &UserInfo) -> Vec<Question<'_>> {
    let plain =
        |group, resource, name| Question { group, resource, subresource: "", namespace: "", name };
    let mut all = vec![match account(&wanted.name) {
        Some((namespace, name)) => Question { namespace, ..plain("", "serviceaccounts", name) },
        None => plain("", "users", wanted.name.as_str()),
    }];
    all.extend(wanted.groups.iter().map(|group| plain("", "groups", group)));
    if !wanted.uid.is_empty() {
        all.push(plain(AUTHENTICATION, "uids", &wanted.uid));
    }
    for (key, values) in &wanted.extra {
        let question = |value| Question {
            subresource: key.as_str(),
            ..plain(AUTHENTICATION, "userextras", value)
        };
        all.extend(values.iter().map(|value| question(value.as_str())));
    }
    all
}

fn account(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix(ACCOUNT)?.split_once(':')
}

/// The groups that every user of that sort is in.
fn complete(mut user: UserInfo) -> UserInfo {
    if user.groups.is_empty()
        && let Some((namespace, _)) = account(&user.name)
    {
        let of_namespace = format!("system:serviceaccounts:{namespace}");
        user.groups = vec!["system:serviceaccounts".to_owned(), of_namespace];
    }
    let sort = if user.name == ANONYMOUS { UNAUTHENTICATED } else { AUTHENTICATED };
    if ![AUTHENTICATED, UNAUTHENTICATED].iter().any(|group| user.in_group(group)) {
        user.groups.push(sort.to_owned());
    }
    user
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authz::ClusterAuthorizer;
    use crate::user::MASTERS;

    fn ask(group: &str, headers: &[(&'static str, &'static str)]) -> ApiResult<UserInfo> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let authorizer = ClusterAuthorizer::new(store::Store::in_memory());
        effective(&authorizer, UserInfo::new("me", [group]), &map)
    }

    #[track_caller]
    fn check(headers: &[(&'static str, &'static str)], name: &str, groups: &[&str]) {
        let user = ask(MASTERS, headers).unwrap();
        assert_eq!(
            (user.name.as_str(), user.groups),
            (name, groups.iter().map(|g| (*g).to_owned()).collect())
        );
    }

    #[test]
    fn who_may_is_the_other_one() {
        check(&[], "me", &[MASTERS, AUTHENTICATED]);
        check(&[(USER, "bob")], "bob", &[AUTHENTICATED]);
        check(&[(USER, "bob"), (GROUP, "a"), (GROUP, "b")], "bob", &["a", "b", AUTHENTICATED]);
        check(&[(USER, ANONYMOUS)], ANONYMOUS, &[UNAUTHENTICATED]);
        let groups = ["system:serviceaccounts", "system:serviceaccounts:shop", AUTHENTICATED];
        check(
            &[(USER, "system:serviceaccount:shop:web")],
            "system:serviceaccount:shop:web",
            &groups,
        );
    }

    #[test]
    fn who_may_not_is_refused() {
        let error = ask("people", &[(USER, "bob")]).unwrap_err();
        assert_eq!(error.code(), 403);
        assert_eq!(
            error.status().message,
            "users \"bob\" is forbidden: User \"me\" cannot impersonate resource \"users\" in API group \"\" at the cluster scope"
        );
        assert_eq!(ask(MASTERS, &[(GROUP, "a")]).unwrap_err().code(), 400);
    }

    #[test]
    fn what_else_is_known_of_a_user_comes_along() {
        let user = ask(MASTERS, &[(USER, "bob"), ("impersonate-extra-a%2fb", "c")]).unwrap();
        assert_eq!(user.extra["a/b"], ["c"]);
    }
}
