//! Acting as somebody else: `kubectl --as`. Whoever may not is refused; whoever may is the
//! other one from here on.

mod mode;

use std::collections::BTreeMap;

use http::HeaderMap;

use self::mode::Mode;
use crate::aggregation::Asked;
use crate::audit;
use crate::authz::Authorizer;
use crate::error::{ApiError, ApiResult};
use crate::user::UserInfo;

const USER: &str = "impersonate-user";
const GROUP: &str = "impersonate-group";
const UID: &str = "impersonate-uid";
const EXTRA: &str = "impersonate-extra-";

/// The user that the request is to be judged as. `asked` tells what the request is about.
pub(crate) fn effective(
    authorizer: &dyn Authorizer,
    user: UserInfo,
    headers: &HeaderMap,
    asked: impl FnOnce() -> ApiResult<Asked>,
) -> ApiResult<UserInfo> {
    let Some(wanted) = wanted(headers)? else { return Ok(user) };
    let asked = asked()?;
    let asked = asked.attributes(&user);
    let mut first_refusal = None;
    // The narrow rights first; who has none of any sort is told of the first.
    for mode in Mode::ALL {
        match mode.check(authorizer, &wanted, &asked) {
            Some(Ok(user)) => {
                audit::impersonated(&user, mode.constraint());
                return Ok(user);
            }
            Some(Err(refusal)) => first_refusal = first_refusal.or(Some(refusal)),
            None => {}
        }
    }
    Err(first_refusal.unwrap_or_else(|| ApiError::bad_request("nobody can be impersonated so")))
}

/// Who the headers name; nobody in most requests.
fn wanted(headers: &HeaderMap) -> ApiResult<Option<UserInfo>> {
    let name = first(headers, USER)?;
    let groups = all(headers, GROUP)?;
    let uid = first(headers, UID)?;
    let extra = extra(headers)?;
    if !name.is_empty() {
        return Ok(Some(UserInfo { name, uid, groups, extra }));
    }
    if groups.is_empty() && uid.is_empty() && extra.is_empty() {
        return Ok(None);
    }
    let parts = format!("groups {groups:?}, uid {uid:?} and extra {extra:?}");
    Err(ApiError::bad_request(format!("requested {parts} without impersonating a user name")))
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
        // One that is not escaped well is taken as it is.
        let key = crate::request::unescape(key).unwrap_or_else(|| key.to_owned());
        extra.insert(key, all(headers, name.as_str())?);
    }
    Ok(extra)
}

#[cfg(test)]
mod tests;
