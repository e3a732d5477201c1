//! What a client is told when a webhook says no, or cannot be asked.

use api::status::{Cause, Status};
use serde_json::Value;

use crate::error::ApiError;
use crate::object::text;

/// The reasons that a `Status` has words for.
const REASONS: [&str; 20] = [
    "AlreadyExists",
    "BadRequest",
    "Conflict",
    "Expired",
    "Forbidden",
    "Gone",
    "InternalError",
    "Invalid",
    "MethodNotAllowed",
    "NotAcceptable",
    "NotFound",
    "RequestEntityTooLarge",
    "ServerTimeout",
    "ServiceUnavailable",
    "StorageReadError",
    "Timeout",
    "TooManyRequests",
    "Unauthorized",
    "Unknown",
    "UnsupportedMediaType",
];

/// The refusal of a webhook, whose `Status` may be null.
pub(super) fn refused(hook: &str, result: &Value) -> ApiError {
    let given = text(result, "/reason");
    let denied = format!("admission webhook {hook:?} denied the request");
    let message = match (text(result, "/message"), given) {
        ("", "") => format!("{denied} without explanation"),
        ("", reason) => format!("{denied}: {reason}"),
        (message, _) => format!("{denied}: {message}"),
    };
    let code = result["code"].as_u64().and_then(|code| u16::try_from(code).ok());
    let code = code.filter(|code| (400..600).contains(code)).unwrap_or(400);
    // A word of its own is in the message only.
    let reason = REASONS.into_iter().find(|reason| *reason == given).unwrap_or("");
    let mut status = Status::failure(code, reason, message);
    let causes = result["details"]["causes"].as_array().into_iter().flatten();
    status.details.causes = causes.map(cause).collect();
    for (field, place) in [
        ("/details/name", &mut status.details.name),
        ("/details/group", &mut status.details.group),
        ("/details/kind", &mut status.details.kind),
        ("/details/uid", &mut status.details.uid),
    ] {
        *place = text(result, field).to_owned();
    }
    status.into()
}

fn cause(cause: &Value) -> Cause {
    let owned = |pointer: &str| text(cause, pointer).to_owned();
    Cause { reason: owned("/reason"), message: owned("/message"), field: owned("/field") }
}

/// A webhook that had to be asked and could not be.
pub(super) fn not_called(hook: &str, why: &str) -> ApiError {
    internal(format!("failed calling webhook {hook:?}: {why}"))
}

/// 500 in upstream's words.
pub(super) fn internal(why: String) -> ApiError {
    let mut status =
        Status::failure(500, "InternalError", format!("Internal error occurred: {why}"));
    let (reason, field) = (String::new(), String::new());
    status.details.causes.push(Cause { reason, message: why, field });
    status.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_gives_the_webhooks_own_reason() {
        let check = |result: Value, code: u16, message: &str| {
            let error = refused("h.io", &result);
            assert_eq!((error.code(), error.status().message.as_str()), (code, message));
        };
        let denied = "admission webhook \"h.io\" denied the request";
        check(Value::Null, 400, &format!("{denied} without explanation"));
        check(json!({"message": "no", "code": 403}), 403, &format!("{denied}: no"));
        check(json!({"reason": "because"}), 400, &format!("{denied}: because"));
        check(json!({"message": "no", "code": 200}), 400, &format!("{denied}: no"));
    }
}
