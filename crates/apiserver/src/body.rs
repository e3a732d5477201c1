//! Request bodies: JSON, YAML or Kubernetes' protobuf, bounded in size and depth.

mod syntax;

use std::time::Duration;

use api::fields::{self, FieldValidation, Problem};
use api::status::Status;
use api::validation::ErrorKind;
use api::{FieldError, Gvk, TypeSchema, protobuf, schema};
use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, EXPECT};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body as _;
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::options::DuplicateKeyPolicy;

use self::syntax::unrecognized;
pub(crate) use self::syntax::{json, not_a_type, repeated};
use crate::audit;
use crate::custom::Custom;
use crate::error::{ApiError, ApiResult};
use crate::request::Call;

/// No body is larger, as in kube-apiserver.
pub(crate) const BODY_BYTES_MAX: usize = 3 * 1024 * 1024;
/// So much of a larger one is read all the same.
const DISCARDED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A body arrives within this time.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);
const ACCEPTED: [&str; 3] =
    ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

/// A body and what it claims to be.
pub(crate) struct Raw {
    pub(crate) bytes: Bytes,
    /// The media type without parameters, lower case; empty where none was given.
    pub(crate) media: String,
}

/// Reads the whole body.
pub(crate) async fn read(request: Request<Body>) -> ApiResult<Raw> {
    let media = media_type(request.headers());
    let waits = request.headers().contains_key(EXPECT);
    let mut body = request.into_body();
    // What says that it is too large is not kept, and where its sender waits for a word not read.
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        if !waits {
            discard(&mut body).await;
        }
        return Err(ApiError::too_large(BODY_BYTES_MAX));
    }
    let whole = Limited::new(&mut body, BODY_BYTES_MAX).collect();
    match tokio::time::timeout(BODY_TIMEOUT, whole).await {
        Ok(Ok(body)) => Ok(Raw { bytes: body.to_bytes(), media }),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            discard(&mut body).await;
            Err(ApiError::too_large(BODY_BYTES_MAX))
        }
        Ok(Err(error)) => {
            Err(ApiError::bad_request(format!("the body could not be read: {error}")))
        }
        Err(_) => Err(Status::timeout("the request's body did not arrive in time").into()),
    }
}

/// Reads what is left of a body for nothing: many clients look for no answer before they have sent
/// it all, and would find a connection that was cut.
async fn discard(body: &mut Body) {
    let all = async {
        let mut left = DISCARDED_BYTES_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            let len = frame.data_ref().map_or(0, Bytes::len);
            let Some(fewer) = left.checked_sub(len) else { return };
            left = fewer;
        }
    };
    // Whatever comes of it, the answer is the same.
    let _ = tokio::time::timeout(BODY_TIMEOUT, all).await;
}

fn media_type(headers: &HeaderMap) -> String {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    text.split(';').next().unwrap_or("").trim().to_lowercase()
}

#[derive(Default, Deserialize)]
struct TypeMeta {
    #[serde(rename = "apiVersion", default)]
    api_version: String,
    #[serde(default)]
    kind: String,
}

/// What a JSON text says it is; the error is Go's.
fn type_meta_of(bytes: &[u8]) -> Result<TypeMeta, String> {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'{') {
        return serde_json::from_slice(bytes).map_err(|error| syntax::explain(bytes, &error));
    }
    match json(bytes)? {
        Value::Null => Ok(TypeMeta::default()),
        other => Err(not_a_type(&other)),
    }
}

/// The body as an object of this type, its unknown and duplicate fields judged as the
/// request's `fieldValidation` wants.
pub(crate) fn object(call: &Call<'_>, raw: &Raw, gvk: &Gvk) -> ApiResult<Value> {
    let level = call.query.field_validation()?;
    let decoded = match custom_of(call, gvk) {
        Some(custom) => custom_body(custom, raw, gvk)?,
        None => decode(raw, gvk)?,
    };
    let (object, warnings) = judge(decoded, level, gvk)?;
    warnings.into_iter().for_each(|warning| call.warn(warning));
    audit::request_object(&object);
    Ok(object)
}

/// The same where there is no such request: nothing is warned of.
pub(crate) fn any_object(raw: &Raw, gvk: &Gvk, level: FieldValidation) -> ApiResult<Value> {
    let object = judge(decode(raw, gvk)?, level, gvk)?.0;
    audit::request_object(&object);
    Ok(object)
}

/// A value that is decoded already (a patch's result), held against the type.
pub(crate) fn checked_value(call: &Call<'_>, value: &Value, gvk: &Gvk) -> ApiResult<Value> {
    let level = call.query.field_validation()?;
    let (object, warnings) = judge(decoded_value(call, value, gvk)?, level, gvk)?;
    warnings.into_iter().for_each(|warning| call.warn(warning));
    Ok(object)
}

/// What a patch has made, held against the type; `of_patch` is what is wrong with the patch. Upstream shows `shown` where it does not fit.
pub(crate) fn patched_value(
    call: &Call<'_>,
    value: &Value,
    gvk: &Gvk,
    of_patch: &[Problem],
    shown: impl FnOnce() -> String,
) -> ApiResult<Value> {
    let level = call.query.field_validation()?;
    let refuse = |error: &fields::DecodeError| ApiError::invalid_patch(shown(), error.to_string());
    let mut decoded = decoded_value(call, value, gvk)?;
    if let Ok(decoded) = &mut decoded {
        decoded.problems.splice(0..0, of_patch.iter().cloned());
    }
    let (object, warnings) = judge_or(decoded, level, gvk, refuse)?;
    warnings.into_iter().for_each(|warning| call.warn(warning));
    Ok(object)
}

/// The same of what a webhook has changed: what the type does not know is dropped in silence.
pub(crate) fn known_value(call: &Call<'_>, value: &Value, gvk: &Gvk) -> ApiResult<Value> {
    Ok(judge(decoded_value(call, value, gvk)?, FieldValidation::Ignore, gvk)?.0)
}

fn decoded_value(call: &Call<'_>, value: &Value, gvk: &Gvk) -> ApiResult<Decoded> {
    if let Some(custom) = custom_of(call, gvk) {
        return Ok(known_only(custom, fields::decode_value(value, &custom.envelope)));
    }
    let schema = schema::of(gvk).ok_or_else(ApiError::no_such_path)?;
    Ok(fields::decode_value(value, &schema))
}

type Decoded = Result<fields::Decoded, fields::DecodeError>;

/// The call's own kind, where that is custom and the body is of it.
fn custom_of<'c>(call: &'c Call<'_>, gvk: &Gvk) -> Option<&'c Custom> {
    call.kind.custom.as_deref().filter(|_| call.kind.gvk() == *gvk)
}

/// A custom object: nothing but its metadata is of a type that must be right to be read.
fn custom_body(custom: &Custom, raw: &Raw, gvk: &Gvk) -> ApiResult<Decoded> {
    if raw.media == ACCEPTED[2] {
        return Err(Status::unsupported_media_type(&ACCEPTED[..2]).into());
    }
    let mut decoded = decode_as(raw, gvk, &custom.envelope, true)?;
    if let Ok(decoded) = &mut decoded {
        // As upstream, which looks for them before it looks at the schema.
        decoded.problems.sort_by_key(|problem| matches!(problem, Problem::Unknown(_)));
    }
    Ok(known_only(custom, decoded))
}

/// Without what the schema does not know, and with its defaults.
fn known_only(custom: &Custom, decoded: Decoded) -> Decoded {
    let mut decoded = decoded.map_err(of_metadata)?;
    let pruned = custom.schema.prune(&mut decoded.value);
    decoded.problems.extend(pruned.into_iter().map(Problem::Unknown));
    custom.schema.fill(&mut decoded.value);
    Ok(decoded)
}

/// As upstream, where the metadata of a custom object is read on its own.
fn of_metadata(error: fields::DecodeError) -> fields::DecodeError {
    const IN_OBJECT: &str = "struct field ObjectMeta.metadata.";
    let fields::DecodeError::Mismatch { found, target, expected } = error else { return error };
    let target = match target.strip_prefix(IN_OBJECT) {
        Some(path) => {
            let key = |map: &'static str| path.starts_with(map).then(|| map.trim_end_matches('.'));
            let field = key("labels.").or_else(|| key("annotations.")).unwrap_or(path);
            format!("struct field ObjectMeta.{field}")
        }
        None => target,
    };
    fields::DecodeError::Mismatch { found, target, expected }
}

fn decode(raw: &Raw, gvk: &Gvk) -> ApiResult<Decoded> {
    let schema = schema::of(gvk).ok_or_else(ApiError::no_such_path)?;
    decode_as(raw, gvk, &schema, false)
}

/// Reads a body.
fn decode_as(raw: &Raw, gvk: &Gvk, schema: &TypeSchema, custom: bool) -> ApiResult<Decoded> {
    let same_kind = |meta: &TypeMeta| match custom {
        true => same_custom_kind(meta, gvk, &raw.bytes),
        false => same_kind(meta, gvk),
    };
    match raw.media.as_str() {
        "" | "application/json" | "text/json" => {
            let meta = type_meta_of(&raw.bytes).map_err(|why| {
                let why = format!("couldn't get version/kind; json parse error: {why}");
                unrecognized(gvk, &why, &raw.bytes)
            })?;
            same_kind(&meta)?;
            Ok(fields::decode_json(&raw.bytes, schema))
        }
        "application/yaml" | "text/yaml" | "application/x-yaml" => {
            let Yaml { value, repeated } = yaml(&raw.bytes)?;
            same_kind(&type_meta(&value))?;
            let mut decoded = fields::decode_value(&value, schema);
            if let Ok(decoded) = &mut decoded {
                decoded.problems.splice(0..0, repeated.map(Problem::Repeated));
            }
            Ok(decoded)
        }
        "application/vnd.kubernetes.protobuf" => {
            let value = from_protobuf(&raw.bytes, gvk)?;
            Ok(fields::decode_value(&value, schema))
        }
        _ => Err(Status::unsupported_media_type(&ACCEPTED).into()),
    }
}

fn judge(decoded: Decoded, level: FieldValidation, gvk: &Gvk) -> ApiResult<(Value, Vec<String>)> {
    judge_or(decoded, level, gvk, |error| Status::undecodable(gvk, error).into())
}

fn judge_or(
    decoded: Decoded,
    level: FieldValidation,
    gvk: &Gvk,
    refuse: impl FnOnce(&fields::DecodeError) -> ApiError,
) -> ApiResult<(Value, Vec<String>)> {
    let (mut object, warnings) =
        decoded.and_then(|decoded| decoded.judge(level)).map_err(|error| refuse(&error))?;
    let Some(fields) = object.as_object_mut() else {
        return Err(ApiError::bad_request("the body is not an object"));
    };
    fields.insert("apiVersion".to_owned(), gvk.api_version().into());
    fields.insert("kind".to_owned(), gvk.kind.clone().into());
    Ok((object, warnings))
}

/// A document of YAML, which JSON is as well.
pub(crate) struct Yaml {
    pub(crate) value: Value,
    /// What to say of the first key that is there twice, of which the last value counts: in the words
    /// of Go's decoder, which tests and people look for.
    pub(crate) repeated: Option<String>,
}

/// JSON or YAML as it is.
pub(crate) fn yaml(bytes: &[u8]) -> ApiResult<Yaml> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| ApiError::bad_request("the body is not UTF-8 text"))?;
    let refuse = |error: &serde_saphyr::Error| {
        ApiError::bad_request(format!("error decoding YAML: {error}"))
    };
    if let Some(value) = plain_json(bytes) {
        return Ok(Yaml { value, repeated: None });
    }
    match serde_saphyr::from_str(text) {
        Ok(value) => Ok(Yaml { value, repeated: None }),
        Err(error) => {
            let repeated = repeated_key(&error).ok_or_else(|| refuse(&error))?;
            let options = serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::LastWins };
            let value = serde_saphyr::from_str_with_options(text, options);
            Ok(Yaml { value: value.map_err(|error| refuse(&error))?, repeated: Some(repeated) })
        }
    }
}

/// JSON that can be read without a word, as clients send it that write no YAML themselves: it is
/// read in a tenth of the time. Of all else YAML's reader has to say what is wrong.
fn plain_json(bytes: &[u8]) -> Option<Value> {
    static ANY: TypeSchema =
        TypeSchema { shape: schema::Shape::Any, description: None, nullable: true };
    let decoded = fields::decode_json(bytes, &ANY).ok()?;
    decoded.problems.is_empty().then_some(decoded.value)
}

/// Go's words for an error of the YAML reader that tells of a key that is there twice.
fn repeated_key(error: &serde_saphyr::Error) -> Option<String> {
    let line = error.location().map_or(0, |location| location.line());
    let text = error.to_string();
    let key = text.split_once("duplicate mapping key: ")?.1.split([',', '\n']).next()?;
    Some(format!("yaml: unmarshal errors:\n  line {line}: key {key:?} already set in map"))
}

fn type_meta(value: &Value) -> TypeMeta {
    let text = |field: &str| value[field].as_str().unwrap_or("").to_owned();
    TypeMeta { api_version: text("apiVersion"), kind: text("kind") }
}

/// A custom object says what it is; that of another kind is not valid.
fn same_custom_kind(meta: &TypeMeta, gvk: &Gvk, bytes: &[u8]) -> ApiResult<()> {
    if meta.kind.is_empty() {
        let text = String::from_utf8_lossy(bytes);
        return Err(unrecognized(gvk, &format!("Object 'Kind' is missing in '{text}'"), bytes));
    }
    same_version(&meta.api_version, gvk)?;
    if meta.kind == gvk.kind {
        return Ok(());
    }
    // JSON is YAML as well.
    let object = yaml(bytes)?.value;
    let name = object["metadata"]["name"].as_str().unwrap_or("");
    Err(other_type(gvk, &meta.kind, name, "kind", &meta.kind, &gvk.kind))
}

/// The same of what a patch has made.
pub(crate) fn same_type(call: &Call<'_>, result: &Value) -> ApiResult<()> {
    let (gvk, meta) = (call.kind.gvk(), type_meta(result));
    let (version, name) = (gvk.api_version(), call.name());
    if !meta.kind.is_empty() && meta.kind != gvk.kind {
        return Err(other_type(&gvk, &meta.kind, name, "kind", &meta.kind, &gvk.kind));
    }
    if !meta.api_version.is_empty() && meta.api_version != version {
        let given = &meta.api_version;
        return Err(other_type(&gvk, &gvk.kind, name, "apiVersion", given, &version));
    }
    Ok(())
}

/// 422: an object of `kind` whose `field` is not what it must be.
fn other_type(
    gvk: &Gvk,
    kind: &str,
    name: &str,
    field: &str,
    given: &str,
    expected: &str,
) -> ApiError {
    let error = FieldError {
        path: field.to_owned(),
        kind: ErrorKind::Invalid,
        value: given.into(),
        detail: format!("must be {expected}"),
    };
    Status::invalid(&Gvk::new(&gvk.group, &gvk.version, kind), name, vec![error]).into()
}

/// Where upstream keeps the list of the kinds that it knows, which its errors name.
const SCHEME: &str = "pkg/api/legacyscheme/scheme.go:30";

/// An object may leave out what it is; it may not be something else.
fn same_kind(meta: &TypeMeta, gvk: &Gvk) -> ApiResult<()> {
    known(meta, gvk)?;
    if !meta.kind.is_empty() && meta.kind != gvk.kind {
        let version = meta.api_version.rsplit('/').next().unwrap_or("");
        return Err(ApiError::bad_request(format!(
            "{} in version {version:?} cannot be handled as a {}: the kind in the data does not match the resource of the request",
            meta.kind, gvk.kind
        )));
    }
    if meta.api_version.is_empty() { Ok(()) } else { same_version(&meta.api_version, gvk) }
}

/// Refuses what is no kind at all; what is left out is as it should be.
fn known(meta: &TypeMeta, gvk: &Gvk) -> ApiResult<()> {
    let expected = gvk.api_version();
    let or = |given: &str, other: &str| match given {
        "" => other.to_owned(),
        given => given.to_owned(),
    };
    let (given, kind) = (or(&meta.api_version, &expected), or(&meta.kind, &gvk.kind));
    let version = given.rsplit('/').next().unwrap_or_default();
    // Lists and options of a group are kinds too, which are refused for what they are.
    let is_part = kind.ends_with("List") || kind.ends_with("Options");
    let found = Gvk::from_api_version(&given, &kind).ok();
    if is_part
        || (given == expected && kind == gvk.kind)
        || found.is_some_and(|gvk| schema::of(&gvk).is_some())
    {
        return Ok(());
    }
    Err(ApiError::bad_request(format!(
        "{kind} in version {version:?} cannot be handled as a {}: no kind {kind:?} is registered for version {given:?} in scheme {SCHEME:?}",
        gvk.kind
    )))
}

fn same_version(given: &str, gvk: &Gvk) -> ApiResult<()> {
    let expected = gvk.api_version();
    if given == expected {
        return Ok(());
    }
    Err(ApiError::bad_request(format!(
        "the API version in the data ({given}) does not match the expected API version ({expected})"
    )))
}

fn from_protobuf(bytes: &[u8], gvk: &Gvk) -> ApiResult<Value> {
    let refuse = |error: protobuf::ProtobufError| ApiError::bad_request(error.to_string());
    let (found, value) = protobuf::decode(bytes).map_err(refuse)?;
    let meta = TypeMeta { api_version: found.api_version(), kind: found.kind };
    same_kind(&meta, gvk)?;
    Ok(value)
}

#[cfg(test)]
mod tests;
