//! DeleteOptions: from the body, or else from the query.

use api::validation::ErrorKind;
use axum::body::Body;
use http::Request;
use serde_json::Value;

use crate::audit;
use crate::body::{self, Raw};
use crate::error::{ApiError, ApiResult};
use crate::object::text;
use crate::options::{dry_run, options_invalid};
use crate::request::Call;

/// How to delete.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct DeleteOptions {
    /// Seconds to end in; `None` leaves it to the object.
    pub(crate) grace_seconds: Option<i64>,
    /// What becomes of dependents; `None` leaves it to the object's finalizers.
    pub(crate) propagation: Option<Propagation>,
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: Option<String>,
    pub(crate) dry_run: bool,
}

/// What becomes of dependents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Propagation {
    Background,
    Foreground,
    Orphan,
}

/// Reads the options of a DELETE.
pub(crate) async fn read(call: &Call<'_>, request: Request<Body>) -> ApiResult<DeleteOptions> {
    let raw = body::read(request).await?;
    if raw.bytes.is_empty() {
        return from_query(call);
    }
    let object = decode(&raw)?;
    audit::request_object(&object);
    from_object(&object)
}

fn decode(raw: &Raw) -> ApiResult<Value> {
    let object = match raw.media.as_str() {
        "application/vnd.kubernetes.protobuf" => from_protobuf(&raw.bytes)?,
        "application/yaml" | "text/yaml" => body::yaml(&raw.bytes)?.value,
        _ => body::json(&raw.bytes).map_err(|why| {
            ApiError::bad_request(format!("couldn't get version/kind; json parse error: {why}"))
        })?,
    };
    if !object.is_object() {
        return Err(ApiError::bad_request(format!(
            "couldn't get version/kind; json parse error: {}",
            body::not_a_type(&object)
        )));
    }
    match object["kind"].as_str() {
        None | Some("DeleteOptions") => Ok(object),
        Some(other) => Err(ApiError::bad_request(format!(
            "decoded object cannot be converted to DeleteOptions: it is a {other}"
        ))),
    }
}

/// Its envelope may name the type or leave it to the request.
fn from_protobuf(bytes: &[u8]) -> ApiResult<Value> {
    let decoded = match api::protobuf::decode(bytes) {
        Ok((gvk, mut value)) => {
            value["kind"] = gvk.kind.into();
            Ok(value)
        }
        Err(api::protobuf::ProtobufError::UnknownType(_)) => {
            api::protobuf::decode_as(bytes, &api::Gvk::core("DeleteOptions"))
        }
        Err(error) => Err(error),
    };
    decoded.map_err(|error| ApiError::bad_request(error.to_string()))
}

fn from_query(call: &Call<'_>) -> ApiResult<DeleteOptions> {
    let propagation = propagation(
        call.query.get("propagationPolicy").unwrap_or(""),
        call.query.optional_flag("orphanDependents")?,
    )?;
    Ok(DeleteOptions {
        grace_seconds: call.query.number("gracePeriodSeconds")?,
        propagation,
        dry_run: call.query.dry_run()?,
        ..DeleteOptions::default()
    })
}

pub(crate) fn from_object(object: &Value) -> ApiResult<DeleteOptions> {
    let owned = |pointer: &str| {
        Some(text(object, pointer)).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    const UNSAFE: &str = "ignoreStoreReadErrorWithClusterBreakingPotential";
    if object[UNSAFE] == true {
        return Err(ApiError::bad_request(format!("{UNSAFE} is not supported by this server")));
    }
    let dry = object["dryRun"].as_array().into_iter().flatten().filter_map(Value::as_str);
    Ok(DeleteOptions {
        grace_seconds: object["gracePeriodSeconds"].as_i64(),
        propagation: propagation(
            text(object, "/propagationPolicy"),
            object["orphanDependents"].as_bool(),
        )?,
        uid: owned("/preconditions/uid"),
        resource_version: owned("/preconditions/resourceVersion"),
        dry_run: dry_run("DeleteOptions", dry)?,
    })
}

fn propagation(policy: &str, orphan: Option<bool>) -> ApiResult<Option<Propagation>> {
    let invalid = |kind, value: Value, why: &str| {
        options_invalid("DeleteOptions", "propagationPolicy", kind, value, why)
    };
    match (policy, orphan) {
        ("", None) => Ok(None),
        ("", Some(true)) | ("Orphan", None) => Ok(Some(Propagation::Orphan)),
        ("", Some(false)) | ("Background", None) => Ok(Some(Propagation::Background)),
        ("Foreground", None) => Ok(Some(Propagation::Foreground)),
        (policy, Some(_)) => Err(invalid(
            ErrorKind::Invalid,
            policy.into(),
            "orphanDependents and deletionPropagation cannot be both set",
        )),
        (policy, None) => Err(invalid(
            ErrorKind::NotSupported,
            policy.into(),
            "supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"",
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn options_are_read_from_the_body() {
        let options = from_object(&json!({
            "gracePeriodSeconds": 5, "propagationPolicy": "Foreground", "dryRun": ["All"],
            "preconditions": {"uid": "u", "resourceVersion": "7"},
        }));
        let expected = DeleteOptions {
            grace_seconds: Some(5),
            propagation: Some(Propagation::Foreground),
            uid: Some("u".to_owned()),
            resource_version: Some("7".to_owned()),
            dry_run: true,
        };
        assert_eq!(options, Ok(expected));
    }

    #[test]
    fn what_we_cannot_do_is_refused() {
        let asked = json!({"ignoreStoreReadErrorWithClusterBreakingPotential": true});
        assert_eq!(from_object(&asked).unwrap_err().code(), 400);
    }

    #[test]
    fn the_old_and_the_new_propagation_exclude_each_other() {
        assert_eq!(propagation("", Some(true)), Ok(Some(Propagation::Orphan)));
        assert_eq!(propagation("Orphan", Some(true)).unwrap_err().code(), 422);
        assert_eq!(propagation("Sideways", None).unwrap_err().code(), 422);
    }
}
