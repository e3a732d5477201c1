//! How long a request may take where its `timeout` parameter says so.

use std::time::Duration;

use api::status::Status;
use axum::response::Response;
use http::Uri;

use crate::error::{ApiError, ApiResult};
use crate::options::Query;

/// Who asks for more gets no deadline but those of what is done for the request, of which none is
/// longer.
const MAX: Duration = Duration::from_secs(60);

/// What the request allows itself; one that cannot be read is refused before anything else is looked at.
pub(super) fn of(uri: &Uri) -> ApiResult<Option<Duration>> {
    if !uri.query().is_some_and(|query| query.contains("timeout=")) {
        return Ok(None);
    }
    let query = Query::parse(uri)?;
    let Some(text) = query.get("timeout") else { return Ok(None) };
    let nanos = nanoseconds(text).map_err(|why| {
        ApiError::bad_request(format!("invalid timeout specified in the request URL - time: {why}"))
    })?;
    let asked = u64::try_from(nanos).ok().map(Duration::from_nanos);
    Ok(asked.filter(|asked| !asked.is_zero() && *asked < MAX))
}

/// Does the work; at its end the deadline has not passed.
pub(super) async fn keep(
    deadline: Option<Duration>,
    work: impl Future<Output = ApiResult<Response>>,
) -> ApiResult<Response> {
    let Some(deadline) = deadline else { return work.await };
    let late = || Status::timeout("request did not complete within the allotted timeout");
    tokio::time::timeout(deadline, work).await.unwrap_or_else(|_| Err(late().into()))
}

/// Go's durations: `1h30m`, `1.5s`, `-3ms`, `0`. Refused with Go's words.
fn nanoseconds(text: &str) -> Result<i64, String> {
    let invalid = || format!("invalid duration {text:?}");
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned == "0" {
        return Ok(0);
    }
    if unsigned.is_empty() {
        return Err(invalid());
    }
    let (mut total, mut rest) = (0.0, unsigned);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(end);
        let number: f64 = number.parse().map_err(|_| invalid())?;
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        total += number * scale(unit, text)?;
        rest = tail;
    }
    if total > i64::MAX as f64 {
        return Err(invalid());
    }
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    Ok((sign * total) as i64)
}

/// How many nanoseconds a unit has.
fn scale(unit: &str, text: &str) -> Result<f64, String> {
    match unit {
        "ns" => Ok(1.0),
        "us" | "\u{b5}s" | "\u{3bc}s" => Ok(1e3),
        "ms" => Ok(1e6),
        "s" => Ok(1e9),
        "m" => Ok(60e9),
        "h" => Ok(3600e9),
        "" => Err(format!("missing unit in duration {text:?}")),
        _ => Err(format!("unknown unit {unit:?} in duration {text:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        let check = |text: &str, expected: Result<i64, &str>| {
            assert_eq!(nanoseconds(text), expected.map_err(str::to_owned), "{text}");
        };
        check("0", Ok(0));
        check("3m", Ok(180_000_000_000));
        check("1h1.5s", Ok(3_601_500_000_000));
        check("-2ms", Ok(-2_000_000));
        check("invalid", Err("invalid duration \"invalid\""));
        check("3", Err("missing unit in duration \"3\""));
        check("3x", Err("unknown unit \"x\" in duration \"3x\""));
        check(".s", Err("invalid duration \".s\""));
        check("-", Err("invalid duration \"-\""));
        check("999999999h", Err("invalid duration \"999999999h\""));
    }

    #[test]
    fn a_deadline_is_what_the_request_asks_for_below_a_minute() {
        let check = |uri: &str, expected| {
            assert_eq!(of(&uri.parse().unwrap()).unwrap(), expected, "{uri}");
        };
        check("/version", None);
        check("/version?timeout=", None);
        check("/version?timeout=0s", None);
        check("/version?timeout=-1s", None);
        check("/version?timeout=3m", None);
        check("/version?timeout=32s", Some(Duration::from_secs(32)));
    }
}
