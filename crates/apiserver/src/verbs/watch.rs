//! GET with `watch`: what a client asks for, and where its stream begins.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use store::{Range, Revision};

use super::list::{self, Page};
use super::list_options::{
    AsOf, ListOptions, Selection, forbidden, refuse, revision, unknown_match,
};
use crate::error::{ApiError, ApiResult};
use crate::negotiate::{self, Media};
use crate::request::Call;
use crate::respond;
use crate::watch::{Encoder, Stream};

/// A watch without timeoutSeconds lasts between this and twice as long, as upstream.
const TIMEOUT_MIN: u64 = 1800;

pub(crate) async fn answer(call: &Call<'_>) -> ApiResult<Response> {
    let options = Options::read(call)?;
    let (form, dialect) = (respond::form(call)?, call.dialect());
    if dialect.media == Media::Yaml {
        return Err(negotiate::not_streamable());
    }
    let encoder = Encoder {
        kind: Arc::clone(call.kind),
        form,
        selection: options.selection.clone(),
        changes: call.shared.changes.clone(),
        headed: AtomicBool::new(false),
    };
    let stream = match start(call, &options).await {
        Ok(start) => Stream::new(call, encoder, start, &options)?,
        // A watch that cannot begin says so in its stream, as upstream does.
        Err(error) if error.code() == 410 => Stream::refused(encoder, &error),
        Err(error) => return Err(error),
    };
    let chunks = stream.into_chunks().map(move |chunk| chunk.map(|lines| dialect.events(&lines)));
    let mut response = (StatusCode::OK, Body::from_stream(chunks)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(dialect.stream_content_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    Ok(response)
}

/// What a watch asks for.
pub(crate) struct Options {
    selection: Selection,
    /// 0: wherever the server likes.
    revision: Option<u64>,
    initial: Option<bool>,
    pub(crate) bookmarks: bool,
    pub(crate) timeout: Duration,
}

impl Options {
    fn read(call: &Call<'_>) -> ApiResult<Self> {
        let initial = call.query.optional_flag("sendInitialEvents")?;
        let continued = call.query.get("continue").is_some();
        check_match(initial, call.query.get("resourceVersionMatch"), continued)?;
        let seconds = call.query.number("timeoutSeconds")?.unwrap_or(0);
        let timeout = match u64::try_from(seconds) {
            Ok(0) | Err(_) => TIMEOUT_MIN + u64::from(rand::random::<u16>()) % TIMEOUT_MIN,
            Ok(seconds) => seconds,
        };
        let version = call.query.get("resourceVersion").map(revision).transpose();
        Ok(Self {
            selection: Selection::read(call)?,
            revision: version.map_err(ApiError::unknown)?,
            initial,
            bookmarks: call.query.flag("allowWatchBookmarks")?,
            timeout: Duration::from_secs(timeout),
        })
    }
}

/// Do the options of a watch go together? All that does not is told of.
fn check_match(initial: Option<bool>, wanted: Option<&str>, continued: bool) -> ApiResult<()> {
    const FIELD: &str = "resourceVersionMatch";
    let mut problems = Vec::new();
    if initial.is_some() && wanted != Some("NotOlderThan") {
        let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        problems.push(forbidden(FIELD, why));
    }
    if let Some(wanted) = wanted {
        if initial.is_none() {
            let why =
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            problems.push(forbidden(FIELD, why));
        }
        if wanted != "NotOlderThan" {
            problems.push(unknown_match(wanted, "\"NotOlderThan\""));
        }
        if continued {
            let why = "resourceVersionMatch is forbidden when continue is provided";
            problems.push(forbidden(FIELD, why));
        }
    }
    refuse(problems)
}

/// Where a stream begins.
pub(crate) struct Start {
    /// What is sent first as ADDED.
    pub(crate) initial: Option<Page>,
    /// The client is told when that is over, which it is by a bookmark.
    pub(crate) marks_end: bool,
    /// Changes after this one follow.
    pub(crate) after: Revision,
    pub(crate) range: Range,
}

async fn start(call: &Call<'_>, options: &Options) -> ApiResult<Start> {
    let head = call.registry().store.revision();
    let wanted = options.revision.unwrap_or(0);
    // Without a version, a watch begins with what is there.
    let initial = options.initial.unwrap_or(wanted == 0);
    let range = list::range(call, &options.selection);
    if !initial {
        // `sendInitialEvents=false` without a version: from now on.
        let after = if wanted == 0 { head } else { Revision(wanted) };
        return Ok(Start { initial: None, marks_end: false, after, range });
    }
    if wanted > head.0 {
        return Err(ApiError::revision_too_large(wanted, head.0));
    }
    let all = ListOptions {
        selection: options.selection.clone(),
        as_of: AsOf::Newest,
        limit: 0,
        token: None,
    };
    let page = list::read(call, &all).await?;
    let after = page.revision;
    let marks_end = options.bookmarks && options.initial == Some(true);
    Ok(Start { initial: Some(page), marks_end, after, range })
}
