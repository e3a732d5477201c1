//! `/healthz`, `/livez`, `/readyz`.

use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode, Uri};

use crate::error::{ApiError, ApiResult};
use crate::options::Query;
use crate::server::Shared;

/// One thing that is looked at.
struct Check {
    name: &'static str,
    /// Only readiness asks.
    readiness: bool,
    passes: fn(&Shared) -> bool,
}

const CHECKS: [Check; 4] = [
    Check { name: "ping", readiness: false, passes: |_| true },
    Check {
        name: "store",
        readiness: false,
        passes: |shared| shared.registry.store.revision().0 > 0,
    },
    Check { name: "bootstrap", readiness: true, passes: |shared| shared.ready.get().is_some() },
    Check { name: "shutdown", readiness: true, passes: |shared| !shared.closing.is_cancelled() },
];

pub(super) fn answer(
    shared: &Shared,
    endpoint: &str,
    check: &[&str],
    uri: &Uri,
) -> ApiResult<Response> {
    let readiness = endpoint == "readyz";
    let query = Query::parse(uri)?;
    let mut checks = CHECKS.iter().filter(|check| readiness || !check.readiness);
    match check {
        [] => Ok(all(shared, endpoint, checks, query.flag("verbose")?)),
        [name] => match checks.find(|check| check.name == *name) {
            Some(check) => Ok(plain((check.passes)(shared), "ok".to_owned())),
            None => Err(ApiError::no_such_path()),
        },
        _ => Err(ApiError::no_such_path()),
    }
}

fn all<'a>(
    shared: &Shared,
    endpoint: &str,
    checks: impl Iterator<Item = &'a Check>,
    verbose: bool,
) -> Response {
    let mut lines = String::new();
    let mut passed = true;
    for check in checks {
        let passes = (check.passes)(shared);
        passed &= passes;
        let line = match passes {
            true => format!("[+]{} ok\n", check.name),
            false => format!("[-]{} failed: not yet or no longer\n", check.name),
        };
        lines.push_str(&line);
    }
    let text = match (passed, verbose) {
        (true, false) => "ok".to_owned(),
        (true, true) => format!("{lines}{endpoint} check passed\n"),
        (false, _) => format!("{lines}{endpoint} check failed\n"),
    };
    plain(passed, text)
}

fn plain(passed: bool, text: String) -> Response {
    let code = if passed { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
    let mut response = (code, text).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}
