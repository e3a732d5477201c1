use serde_json::json;
use store::LeaseId;

use super::*;
use crate::negotiate::Format;
use crate::object;
use crate::options::IncludeObject;

const WHOLE: Form = Form { format: Format::Object, include: IncludeObject::Metadata, headed: true };
const TABLE: Form = Form { format: Format::Table, include: IncludeObject::Metadata, headed: true };

fn kind() -> &'static Arc<Kind> {
    crate::kinds::find("", "v1", "configmaps").unwrap()
}

fn version(app: &str, revision: u64) -> KeyValue {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "a", "labels": {"app": app}}, "data": {"k": "v"}});
    KeyValue {
        key: Bytes::from_static(b"/registry/configmaps/default/a"),
        value: object::encode(&object),
        create_revision: Revision(2),
        mod_revision: Revision(revision),
        version: 1,
        lease: LeaseId::NONE,
    }
}

fn event(before: Option<&str>, now: Option<&str>, revision: u64) -> Event {
    let prev = before.map(|app| version(app, revision - 1));
    let kind = if now.is_some() { EventKind::Put } else { EventKind::Delete };
    let gone = KeyValue { value: Bytes::new(), ..version("", revision) };
    Event { kind, kv: now.map_or(gone, |app| version(app, revision)), prev }
}

#[track_caller]
fn check(before: Option<&str>, now: Option<&str>, selector: &str, expected: &str) {
    let changes = Changes::default();
    let change = changes.of(kind(), &event(before, now, 7), Revision(7));
    let selection = Selection { labels: selector.parse().unwrap(), fields: Default::default() };
    let got = change.seen_by(&selection).map(|seen| {
        let line: Value = serde_json::from_slice(&change.line(seen, WHOLE)).unwrap();
        let object = &line["object"]["metadata"];
        assert_eq!(object["resourceVersion"], "7");
        format!("{} {}", line["type"].as_str().unwrap(), object["labels"]["app"].as_str().unwrap())
    });
    assert_eq!(got.as_deref().unwrap_or("-"), expected, "{before:?} {now:?} {selector}");
}

#[test]
fn what_a_change_is_depends_on_what_is_selected() {
    check(None, Some("x"), "", "ADDED x");
    check(Some("x"), Some("y"), "", "MODIFIED y");
    check(Some("x"), None, "", "DELETED x");
    check(Some("x"), Some("y"), "app=x", "DELETED x");
    check(Some("x"), Some("y"), "app=y", "ADDED y");
    check(Some("x"), Some("x"), "app=x", "MODIFIED x");
    check(Some("x"), None, "app=y", "-");
    check(None, Some("x"), "app=y", "-");
}

#[test]
fn watchers_share_the_bytes_of_a_form() {
    let changes = Changes::default();
    let line = |form| {
        let change = changes.of(kind(), &event(None, Some("x"), 7), Revision(7));
        change.line(Seen::Added, form)
    };
    let (first, again, table) = (line(WHOLE), line(WHOLE), line(TABLE));
    assert_eq!(first.as_ptr(), again.as_ptr(), "the same bytes, not the like");
    let table: Value = serde_json::from_slice(&table).unwrap();
    assert_eq!(table["object"]["kind"], "Table");
    assert_eq!(table["object"]["rows"][0]["cells"][0], "a");
}

#[test]
fn only_the_newest_changes_are_kept_and_older_ones_still_work() {
    let changes = Changes::default();
    let many = u64::try_from(CHANGES_MAX).unwrap() + 10;
    for revision in 3..3 + many {
        changes.of(kind(), &event(None, Some("x"), revision), Revision(revision));
    }
    let kept = changes.0.lock().unwrap();
    assert_eq!(kept.changes.len(), CHANGES_MAX);
    let bytes: usize = kept.changes.values().map(|change| change.bytes()).sum();
    assert_eq!((kept.bytes, kept.bytes <= BYTES_MAX), (bytes, true));
    drop(kept);
    let old = changes.of(kind(), &event(None, Some("x"), 3), Revision(3));
    assert_eq!(old.seen_by(&Selection::everything()), Some(Seen::Added));
}
