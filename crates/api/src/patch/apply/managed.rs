//! `metadata.managedFields`: who owns what, since when.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::set::FieldSet;

/// The most managers that are remembered for updates; the oldest are merged into one.
pub(super) const UPDATE_MANAGERS_MAX: usize = 10;

/// Whom the merged ones are remembered as.
const ANCIENT: &str = "ancient-changes";

const FIELDS_V1: &str = "FieldsV1";

/// How a manager came to own its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Apply,
    Update,
}

/// What tells one entry from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    pub(super) manager: String,
    pub(super) operation: Operation,
    /// Empty for appliers: theirs is one entry, whatever version they last applied.
    pub(super) api_version: String,
    pub(super) subresource: String,
}

/// One manager's fields.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) set: FieldSet,
    pub(super) api_version: String,
    pub(super) time: Option<String>,
}

/// All managers of one object.
pub(super) type Managed = BTreeMap<Identity, Entry>;

/// Reads `metadata.managedFields`; the error is upstream's text.
pub(super) fn decode(managed_fields: Option<&Value>) -> Result<Managed, String> {
    let entries = match managed_fields {
        None | Some(Value::Null) => return Ok(Managed::new()),
        Some(Value::Array(entries)) => entries,
        Some(_) => return Err("managedFields must be a list".to_owned()),
    };
    entries.iter().enumerate().map(|(index, entry)| decode_entry(index, entry)).collect()
}

fn decode_entry(index: usize, entry: &Value) -> Result<(Identity, Entry), String> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
    let operation = match text("operation") {
        "Apply" => Operation::Apply,
        "Update" => Operation::Update,
        _ => return Err("operation must be `Apply` or `Update`".to_owned()),
    };
    let api_version = text("apiVersion");
    if api_version.is_empty() {
        return Err("apiVersion must not be empty".to_owned());
    }
    match text("fieldsType") {
        FIELDS_V1 => {}
        "" => return Err(format!("missing fieldsType in managed fields entry {index}")),
        other => {
            return Err(format!("invalid fieldsType {other:?} in managed fields entry {index}"));
        }
    }
    let fields = entry.get("fieldsV1").unwrap_or(&Value::Null);
    let set =
        FieldSet::from_fields_v1(fields).map_err(|error| format!("error decoding set: {error}"))?;
    let identity = Identity {
        manager: text("manager").to_owned(),
        operation,
        api_version: match operation {
            Operation::Apply => String::new(),
            Operation::Update => api_version.to_owned(),
        },
        subresource: text("subresource").to_owned(),
    };
    let time = entry.get("time").and_then(Value::as_str).map(str::to_owned);
    Ok((identity, Entry { set, api_version: api_version.to_owned(), time }))
}

/// Writes `metadata.managedFields`, sorted as upstream sorts; `None` where nobody owns anything.
pub(super) fn encode(managed: &Managed) -> Option<Value> {
    let mut entries: Vec<_> = managed.iter().collect();
    entries.sort_by_cached_key(|(identity, entry)| {
        let time = seconds(entry.time.as_deref());
        let Identity { manager, subresource, .. } = identity;
        (identity.operation, time, manager.clone(), entry.api_version.clone(), subresource.clone())
    });
    let entries = entries.into_iter().map(|(identity, entry)| encode_entry(identity, entry));
    let entries: Vec<Value> = entries.collect();
    (!entries.is_empty()).then(|| entries.into())
}

fn encode_entry(identity: &Identity, entry: &Entry) -> Value {
    let operation = match identity.operation {
        Operation::Apply => "Apply",
        Operation::Update => "Update",
    };
    let mut fields = Map::new();
    let mut put = |name: &str, text: &str| {
        if !text.is_empty() {
            fields.insert(name.to_owned(), text.into());
        }
    };
    put("manager", &identity.manager);
    put("operation", operation);
    put("apiVersion", &entry.api_version);
    put("time", entry.time.as_deref().unwrap_or_default());
    put("fieldsType", FIELDS_V1);
    put("subresource", &identity.subresource);
    fields.insert("fieldsV1".to_owned(), entry.set.to_fields_v1());
    Value::Object(fields)
}

fn seconds(time: Option<&str>) -> i64 {
    time.and_then(|time| time.parse::<Timestamp>().ok()).map_or(0, Timestamp::as_second)
}

/// Merges the oldest entries of updates, version by version, until there are few enough.
pub(super) fn cap_update_managers(managed: &mut Managed) {
    let updates = managed.keys().filter(|identity| identity.operation == Operation::Update);
    let mut oldest: Vec<Identity> = updates.cloned().collect();
    let mut count = oldest.len();
    if count <= UPDATE_MANAGERS_MAX {
        return;
    }
    oldest.sort_by_cached_key(|identity| {
        (seconds(managed[identity].time.as_deref()), identity.clone())
    });
    let mut first_of_version: BTreeMap<String, Identity> = BTreeMap::new();
    for identity in oldest {
        if count <= UPDATE_MANAGERS_MAX {
            break;
        }
        let version = identity.api_version.clone();
        let Some(first) = first_of_version.get(&version).cloned() else {
            first_of_version.insert(version, identity);
            continue;
        };
        if merge_into_bucket(managed, &first, &identity) {
            count -= 1;
        }
    }
}

/// Puts two entries into the bucket of their version; the later one's time is the newer.
fn merge_into_bucket(managed: &mut Managed, first: &Identity, later: &Identity) -> bool {
    let bucket = Identity {
        manager: ANCIENT.to_owned(),
        operation: Operation::Update,
        api_version: later.api_version.clone(),
        subresource: String::new(),
    };
    if !managed.contains_key(&bucket)
        && let Some(entry) = managed.remove(first)
    {
        managed.insert(bucket.clone(), entry);
    }
    if *later == bucket {
        return false;
    }
    let (Some(later), Some(entry)) = (managed.remove(later), managed.get_mut(&bucket)) else {
        return false;
    };
    entry.set = std::mem::take(&mut entry.set).union(later.set);
    entry.time = later.time;
    true
}
