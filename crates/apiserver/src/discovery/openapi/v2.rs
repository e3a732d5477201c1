//! OpenAPI of version 2, which old clients and `kubectl explain --output=plaintext-openapiv2` ask for.
//!
//! It says what the documents of version 3 say, and is made of them part by part when somebody asks;
//! it is large, and nothing of it is kept.

mod derive;
mod protobuf;

use std::collections::BTreeSet;
use std::io::{self, Write};

use axum::response::Response;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::HeaderMap;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tokio::runtime::{Handle, RuntimeFlavor};

use super::super::{GIT_VERSION, takes_json};
use super::{Document, Said, custom, json_only};
use crate::error::{ApiError, ApiResult};
use crate::kinds::Served;
use crate::negotiate;

/// What kubectl asks for at `/openapi/v2`.
const ASKED: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

/// What it comes as: an `@` is no part of a media type.
const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// `/openapi/v2`
pub(in crate::discovery) fn answer(kinds: &Served, headers: &HeaderMap) -> ApiResult<Response> {
    let in_protobuf =
        !takes_json(headers) && negotiate::accepted(headers).iter().any(|a| a.media == ASKED);
    if !in_protobuf {
        json_only(headers)?;
    }
    let media = if in_protobuf { PROTOBUF } else { "application/json" };
    let said = Said { hash: &hash(kinds, media), media, caching: "no-cache, private" };
    said.answer(headers, |packed| {
        let write: fn(&Served, &mut dyn Write) -> io::Result<()> =
            if in_protobuf { write_protobuf } else { write_json };
        aside(|| written(packed, |out| write(kinds, out)))
            .map_err(|error| ApiError::internal("the document cannot be made", &error))
    })
}

/// Does what takes some tenths of a second without keeping others waiting for this thread.
fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// Of the documents it is made of.
fn hash(kinds: &Served, media: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(media);
    for (name, document) in &kinds.documents().groups {
        hash.update(name);
        hash.update(&document.hash);
    }
    hex::encode_upper(hash.finalize())
}

fn written(
    packed: bool,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<Bytes> {
    if !packed {
        let mut out = Vec::new();
        write(&mut out)?;
        return Ok(out.into());
    }
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    write(&mut out)?;
    Ok(out.finish()?.into())
}

/// Paths and definitions each stand together in JSON, so that the documents are read twice.
fn write_json(kinds: &Served, out: &mut dyn Write) -> io::Result<()> {
    let about = format!(r#"{{"title":"Kubernetes","version":"{GIT_VERSION}"}}"#);
    write!(out, r#"{{"swagger":"2.0","info":{about},"paths":{{"#)?;
    let mut first = true;
    for document in kinds.documents().groups.values() {
        write_entries(out, derive::paths(document)?, &mut first)?;
    }
    write!(out, r#"}},"definitions":{{"#)?;
    let mut first = true;
    each_definitions(kinds, |definitions| write_entries(out, definitions, &mut first))?;
    write!(out, "}}}}")
}

fn write_entries(
    out: &mut dyn Write,
    entries: Map<String, Value>,
    first: &mut bool,
) -> io::Result<()> {
    for (name, value) in entries {
        if !std::mem::take(first) {
            out.write_all(b",")?;
        }
        serde_json::to_writer(&mut *out, &name)?;
        out.write_all(b":")?;
        serde_json::to_writer(&mut *out, &value)?;
    }
    Ok(())
}

/// As an `openapi.v2.Document`. Parts of one message may come one after the other.
fn write_protobuf(kinds: &Served, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&protobuf::head("Kubernetes", GIT_VERSION))?;
    for document in kinds.documents().groups.values() {
        out.write_all(&protobuf::paths(&derive::paths(document)?))?;
    }
    each_definitions(kinds, |definitions| out.write_all(&protobuf::definitions(&definitions)))
}

/// The definitions part by part, each of them once: groups share many.
fn each_definitions(
    kinds: &Served,
    mut each: impl FnMut(Map<String, Value>) -> io::Result<()>,
) -> io::Result<()> {
    let mut seen = BTreeSet::new();
    // Those of custom kinds are no mere translation: version 2 has no words for some of it.
    for kind in kinds.all() {
        if let Some(defined) = &kind.custom {
            let definitions = custom::definitions(kind, defined, custom::Version::V2);
            seen.extend(definitions.iter().map(|(name, _)| name.clone()));
            each(definitions.into_iter().collect())?;
        }
    }
    for document in kinds.documents().groups.values() {
        let mut definitions = derive::definitions(document, |name| !seen.contains(name))?;
        seen.extend(definitions.keys().cloned());
        definitions.values_mut().for_each(derive::lower);
        each(definitions)?;
    }
    Ok(())
}
