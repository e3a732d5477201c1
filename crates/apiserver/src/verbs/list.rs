//! GET of a collection: consistent, in pages, at a revision.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};
use store::{KeyValue, Range, ReadError, Revision};

use super::list_options::{AsOf, Continue, ListOptions, Selection};
use crate::error::{ApiError, ApiResult};
use crate::negotiate::Format;
use crate::object::{self, write_served};
use crate::registry::Registry;
use crate::request::Call;
use crate::{respond, table};

/// So many objects are read at a time when a selector leaves most of them out.
const CHUNK: usize = 500;

pub(crate) fn answer(call: &Call<'_>) -> ApiResult<Response> {
    let options = ListOptions::read(call)?;
    let format = call.format()?;
    let page = read(call, &options)?;
    let body = match format {
        Format::Object if call.kind.is_stored_as_served() => plain(call, &page),
        _ => converted(call, &page, format)?.to_string().into_bytes(),
    };
    Ok(respond::json(StatusCode::OK, body.into(), call.gzip))
}

/// One page of a list.
pub(crate) struct Page {
    pub(crate) entries: Vec<KeyValue>,
    pub(crate) revision: Revision,
    token: Option<Continue>,
    remaining: Option<usize>,
}

/// Reads a page.
pub(crate) fn read(call: &Call<'_>, options: &ListOptions) -> ApiResult<Page> {
    let store = &call.registry().store;
    let head = store.revision();
    let at = match options.as_of {
        AsOf::Newest => None,
        AsOf::NotOlderThan(wanted) if wanted > head.0 => {
            return Err(ApiError::revision_too_large(wanted, head.0));
        }
        AsOf::NotOlderThan(_) => None,
        AsOf::Exactly(revision) => Some(Revision(revision)),
    };
    let mut reader = Reader {
        call,
        selection: &options.selection,
        range: range(call, &options.selection),
        at,
        entries: Vec::new(),
    };
    if let Some(token) = &options.token {
        reader.start_after(token)?;
    }
    reader.page(options)
}

/// One object where the path or the selector names it, else all of the namespace or of
/// the kind.
pub(super) fn range(call: &Call<'_>, selection: &Selection) -> Range {
    let namespace = call.namespace.as_deref();
    match call.name.as_deref().or(selection.name()) {
        Some(name) if namespace.is_some() || !call.kind.namespaced => {
            Range::key(Registry::key(call.kind, call.namespace(), name))
        }
        _ => Registry::range(call.kind, namespace),
    }
}

struct Reader<'a> {
    call: &'a Call<'a>,
    selection: &'a Selection,
    range: Range,
    at: Option<Revision>,
    entries: Vec<KeyValue>,
}

impl Reader<'_> {
    /// Keys in a token leave out the kind's prefix, so no token can reach other kinds.
    fn prefix(&self) -> String {
        Registry::prefix(self.call.kind, None)
    }

    fn start_after(&mut self, token: &Continue) -> ApiResult<()> {
        let last = format!("{}{}", self.prefix(), token.after);
        if !self.range.contains(last.as_bytes()) {
            return Err(ApiError::bad_request(
                "continue key is not valid: it is from another list",
            ));
        }
        self.range = self.range.clone().after(last.as_bytes());
        Ok(())
    }

    fn page(mut self, options: &ListOptions) -> ApiResult<Page> {
        let everything = self.selection.is_everything();
        loop {
            let wanted = match (options.limit, everything) {
                (0, _) => 0,
                (limit, true) => limit,
                (_, false) => CHUNK,
            };
            let reply = self.read(wanted, options)?;
            // All further chunks are read as of the first.
            let revision = *self.at.get_or_insert(reply.revision);
            let (more, count, read) = (reply.more, reply.count, reply.entries.len());
            let full = self.take(reply.entries, options.limit)?;
            let left_over = full || more;
            if left_over && options.limit > 0 && self.entries.len() >= options.limit {
                let remaining = everything.then(|| count - read);
                return Ok(self.finish(revision, remaining, true));
            }
            if !more {
                return Ok(self.finish(revision, None, false));
            }
        }
    }

    fn read(&self, wanted: usize, options: &ListOptions) -> ApiResult<store::RangeReply> {
        self.call
            .registry()
            .store
            .range(&self.range, self.at, wanted)
            .map_err(|error| unreadable(&error, options))
    }

    /// Keeps what is selected, up to the limit; `true` when something was left over.
    fn take(&mut self, entries: Vec<KeyValue>, limit: usize) -> ApiResult<bool> {
        let everything = self.selection.is_everything();
        for kv in entries {
            if limit > 0 && self.entries.len() == limit {
                return Ok(true);
            }
            self.range = self.range.clone().after(&kv.key);
            if everything || self.selects(&kv)? {
                self.entries.push(kv);
            }
        }
        Ok(false)
    }

    fn selects(&self, kv: &KeyValue) -> ApiResult<bool> {
        let mut object = self.call.registry().decode(kv)?;
        self.call.kind.freshen(&mut object);
        Ok(self.selection.matches(&object))
    }

    fn finish(self, revision: Revision, remaining: Option<usize>, more: bool) -> Page {
        let prefix = self.prefix();
        let token = self.entries.last().filter(|_| more).map(|kv| {
            let key = String::from_utf8_lossy(&kv.key).into_owned();
            Continue::new(revision, key.strip_prefix(&prefix).unwrap_or(&key))
        });
        Page { entries: self.entries, revision, token, remaining }
    }
}

fn unreadable(error: &ReadError, options: &ListOptions) -> ApiError {
    match (error, &options.token, options.as_of) {
        (ReadError::Compacted { .. }, Some(token), _) => {
            ApiError::list_expired(token.at_the_head().encode())
        }
        (ReadError::Compacted { compacted }, None, AsOf::Exactly(wanted)) => {
            ApiError::expired(format!("too old resource version: {wanted} ({compacted})"))
        }
        (ReadError::Future { head }, _, AsOf::Exactly(wanted)) => {
            ApiError::revision_too_large(wanted, head.0)
        }
        _ => ApiError::internal("the list could not be read", error),
    }
}

fn metadata(page: &Page) -> Value {
    let mut metadata = json!({"resourceVersion": page.revision.0.to_string()});
    if let Some(token) = &page.token {
        metadata["continue"] = token.encode().into();
        if let Some(remaining) = page.remaining {
            metadata["remainingItemCount"] = remaining.into();
        }
    }
    metadata
}

/// The stored bytes one after the other: nothing is parsed.
fn plain(call: &Call<'_>, page: &Page) -> Vec<u8> {
    let bytes: usize = page.entries.iter().map(|kv| kv.value.len() + 48).sum();
    let mut out = Vec::with_capacity(bytes + 256);
    let head = format!(
        "{{\"kind\":\"{}\",\"apiVersion\":\"{}\",\"metadata\":{},\"items\":[",
        call.kind.list_kind(),
        call.kind.api_version(),
        metadata(page)
    );
    out.extend_from_slice(head.as_bytes());
    for (index, kv) in page.entries.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_served(&mut out, &kv.value, kv.mod_revision);
    }
    out.extend_from_slice(b"]}");
    out
}

/// As a Table, as metadata, or as another version's objects.
fn converted(call: &Call<'_>, page: &Page, format: Format) -> ApiResult<Value> {
    let include = call.query.include_object()?;
    let mut items = Vec::with_capacity(page.entries.len());
    for kv in &page.entries {
        let mut object = call.registry().decode(kv)?;
        call.kind.to_served(&mut object);
        items.push(match format {
            Format::Object => object,
            Format::Partial => table::partial(object),
            Format::Table => table::row(call.kind, object, include),
        });
    }
    let list = |api_version: String, kind: String| json!({"kind": kind, "apiVersion": api_version, "metadata": metadata(page)});
    Ok(match format {
        Format::Table => table::table(&call.kind.columns, metadata(page), items, true),
        Format::Partial => {
            with_items(list("meta.k8s.io/v1".into(), "PartialObjectMetadataList".into()), items)
        }
        Format::Object => with_items(list(call.kind.api_version(), call.kind.list_kind()), items),
    })
}

pub(crate) fn with_items(list: Value, items: Vec<Value>) -> Value {
    let mut fields = match list {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    fields.insert("items".to_owned(), Value::Array(items));
    Value::Object(fields)
}

/// The metadata of an object by its key: namespace and name.
pub(crate) fn place(value: &Value) -> (&str, &str) {
    (object::meta(value, "namespace"), object::meta(value, "name"))
}
