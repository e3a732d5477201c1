//! GET of a collection: consistent, in pages, at a revision.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};
use store::{KeyValue, Range, ReadError, Revision};

use super::continuation::Continue;
use super::list_options::{AsOf, ListOptions, Selection};
use crate::error::{ApiError, ApiResult};
use crate::form::Form;
use crate::negotiate::Format;
use crate::object;
use crate::registry::{Registry, Unreadable};
use crate::request::Call;
use crate::{respond, table};

/// So many objects are read at a time when a selector leaves most of them out.
const CHUNK: usize = 500;

pub(crate) async fn answer(call: &Call<'_>) -> ApiResult<Response> {
    let options = ListOptions::read(call)?;
    let form = respond::form(call)?;
    let page = read(call, &options).await?;
    let body = body(call, &page, form)?;
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
pub(crate) async fn read(call: &Call<'_>, options: &ListOptions) -> ApiResult<Page> {
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
    let mut range = range(call, &options.selection);
    if let Some(token) = &options.token {
        range = range.not_before(format!("{}{}", prefix(call), token.start()));
    }
    let selection = &options.selection;
    Reader { call, selection, range, at, entries: Vec::new() }.page(options).await
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

/// What all keys of a list begin with. Those in a token leave it out, so that none reaches another
/// list.
fn prefix(call: &Call<'_>) -> String {
    Registry::prefix(call.kind, call.namespace.as_deref())
}

impl Reader<'_> {
    async fn page(mut self, options: &ListOptions) -> ApiResult<Page> {
        let everything = self.selection.is_everything();
        loop {
            let wanted = match (options.limit, everything) {
                (0, _) => 0,
                (limit, true) => limit,
                (_, false) => CHUNK,
            };
            let mut reply = self.read(wanted, options)?;
            self.in_version(&mut reply.entries).await?;
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

    async fn in_version(&self, entries: &mut [KeyValue]) -> ApiResult<()> {
        self.call.registry().in_version_of(self.call.kind, entries.iter_mut().collect()).await
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
        let prefix = prefix(self.call);
        let token = self.entries.last().filter(|_| more).map(|kv| {
            let key = String::from_utf8_lossy(&kv.key).into_owned();
            Continue::after(revision, key.strip_prefix(&prefix).unwrap_or(&key))
        });
        Page { entries: self.entries, revision, token, remaining }
    }
}

fn unreadable(error: &Unreadable, options: &ListOptions) -> ApiError {
    let Unreadable::Store(cause) = error else {
        return ApiError::internal("a stored object cannot be read", error);
    };
    match (cause, &options.token, options.as_of) {
        (ReadError::Compacted { .. }, Some(token), _) => {
            ApiError::list_expired(token.at_the_head().encode())
        }
        (ReadError::Compacted { .. }, None, AsOf::Exactly(_)) => {
            ApiError::expired("The resourceVersion for the provided list is too old.")
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

/// The items one after the other, each in the form that is wanted.
fn body(call: &Call<'_>, page: &Page, form: Form) -> ApiResult<Vec<u8>> {
    let bytes: usize = page.entries.iter().map(|kv| kv.value.len() + 48).sum();
    let mut out = Vec::with_capacity(bytes + 256);
    let list = envelope(call, page, form).to_string();
    let open = list.strip_suffix('}').expect("the envelope is an object");
    out.extend_from_slice(open.as_bytes());
    let items = if form.format == Format::Table { "rows" } else { "items" };
    out.extend_from_slice(format!(",\"{items}\":[").as_bytes());
    for (index, kv) in in_order(call, page, form)?.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        form.write_item(&mut out, call.kind, kv).map_err(|error| respond::corrupt(&error))?;
    }
    out.extend_from_slice(b"]}");
    Ok(out)
}

/// The items as they stand in the reply: rows of some Tables have an order of their own.
fn in_order<'a>(call: &Call<'_>, page: &'a Page, form: Form) -> ApiResult<Vec<&'a KeyValue>> {
    let entries = page.entries.iter();
    let Some(place) = table::order(call.kind).filter(|_| form.format == Format::Table) else {
        return Ok(entries.collect());
    };
    let placed = entries.map(|kv| Ok((place(&call.registry().decode(kv)?), kv)));
    let mut placed = placed.collect::<ApiResult<Vec<_>>>()?;
    placed.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(placed.into_iter().map(|(_, kv)| kv).collect())
}

/// The list without its items.
fn envelope(call: &Call<'_>, page: &Page, form: Form) -> Value {
    let metadata = metadata(page);
    match form.format {
        Format::Object => json!({
            "kind": call.kind.list_kind(),
            "apiVersion": call.kind.api_version(),
            "metadata": metadata,
        }),
        Format::Partial => json!({
            "kind": "PartialObjectMetadataList",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata,
        }),
        Format::Table => table::without_rows(form.shown(call.kind), metadata),
    }
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
