//! Which names a definition gets, and what its status says of it: set with every write of a
//! definition, so that it is served when the write is answered.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::kinds;
use crate::object::{child_mut, meta, text};
use crate::verbs::now;

/// Sets the status of a definition that is about to be written; `others` are all that are there.
pub(crate) fn settle(others: &[Value], definition: &mut Value) {
    let used = Used::by_others(others, definition);
    let (accepted, conflict) = used.accept(definition);
    let (reason, message) = conflict.unwrap_or(("NoConflicts", "no conflicts found".to_owned()));
    let fine = reason == "NoConflicts";
    let status = child_mut(definition, "status");
    status.insert("acceptedNames".to_owned(), accepted);
    set_condition(definition, "NamesAccepted", fine, reason, &message);
    if fine {
        let message = "the initial names have been accepted";
        set_condition(definition, "Established", true, "InitialNamesAccepted", message);
    } else if !super::is_true(definition, "Established") {
        let message = "not all names are accepted";
        set_condition(definition, "Established", false, "NotAccepted", message);
    }
    remember_storage(definition);
}

/// A condition changes its time only when its status changes.
pub(super) fn set_condition(
    definition: &mut Value,
    kind: &str,
    status: bool,
    reason: &str,
    message: &str,
) {
    let conditions = child_mut(definition, "status").entry("conditions").or_insert(json!([]));
    if !conditions.is_array() {
        *conditions = json!([]);
    }
    let Value::Array(conditions) = conditions else { unreachable!("made an array above") };
    let status = if status { "True" } else { "False" };
    let mut condition = json!({
        "type": kind, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": now(),
    });
    match conditions.iter_mut().find(|condition| condition["type"] == kind) {
        Some(old) if old["status"] == status => {
            condition["lastTransitionTime"] = old["lastTransitionTime"].clone();
            *old = condition;
        }
        Some(old) => *old = condition,
        None => conditions.push(condition),
    }
}

/// Every version that objects may be stored as.
fn remember_storage(definition: &mut Value) {
    let versions = definition["spec"]["versions"].as_array().into_iter().flatten();
    let storage = versions.filter(|version| version["storage"] == true);
    let Some(name) = storage.map(|version| version["name"].clone()).next() else { return };
    let stored = child_mut(definition, "status").entry("storedVersions").or_insert(json!([]));
    match stored {
        Value::Array(stored) if stored.contains(&name) => {}
        Value::Array(stored) => stored.push(name),
        other => *other = json!([name]),
    }
}

/// The names of a group that are somebody's.
#[derive(Default)]
struct Used {
    resources: BTreeSet<String>,
    kinds: BTreeSet<String>,
}

impl Used {
    fn by_others(others: &[Value], definition: &Value) -> Self {
        let mut used = Self::default();
        let group = text(definition, "/spec/group");
        for kind in kinds::built_in().filter(|kind| kind.group == group) {
            used.resources.extend([kind.plural.to_string(), kind.singular.to_string()]);
            used.resources.extend(kind.short_names.iter().map(ToString::to_string));
            used.kinds.extend([kind.kind.to_string(), kind.list_kind()]);
        }
        let name = meta(definition, "name");
        let of_group =
            |other: &&Value| text(other, "/spec/group") == group && meta(other, "name") != name;
        for other in others.iter().filter(of_group) {
            let names = &other["status"]["acceptedNames"];
            let short = names["shortNames"].as_array().into_iter().flatten();
            let resources = [&names["plural"], &names["singular"]].into_iter().chain(short);
            used.resources.extend(resources.filter_map(Value::as_str).map(str::to_owned));
            let kinds = [&names["kind"], &names["listKind"]];
            used.kinds.extend(kinds.into_iter().filter_map(Value::as_str).map(str::to_owned));
        }
        used
    }

    /// The names that the definition gets, and why it does not get all.
    fn accept(&self, definition: &Value) -> (Value, Option<(&'static str, String)>) {
        let wanted = &definition["spec"]["names"];
        let mut accepted: Map<String, Value> =
            definition["status"]["acceptedNames"].as_object().cloned().unwrap_or_default();
        let mut conflict = None;
        for (field, reason, used) in [
            ("plural", "PluralConflict", &self.resources),
            ("singular", "SingularConflict", &self.resources),
            ("shortNames", "ShortNamesConflict", &self.resources),
            ("kind", "KindConflict", &self.kinds),
            ("listKind", "ListKindConflict", &self.kinds),
            ("categories", "", &BTreeSet::new()),
        ] {
            let texts = match &wanted[field] {
                Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
                one => Vec::from_iter(one.as_str()),
            };
            match texts.into_iter().find(|name| used.contains(*name)) {
                Some(name) => conflict = Some((reason, format!("{name:?} is already in use"))),
                None if wanted[field].is_null() => _ = accepted.remove(field),
                None => _ = accepted.insert(field.to_owned(), wanted[field].clone()),
            }
        }
        (Value::Object(accepted), conflict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(group: &str, plural: &str, kind: &str) -> Value {
        json!({"metadata": {"name": format!("{plural}.{group}")}, "spec": {
            "group": group,
            "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind,
                "listKind": format!("{kind}List")},
            "versions": [{"name": "v1", "served": true, "storage": true}],
        }})
    }

    #[test]
    fn fresh_names_are_established_at_once() {
        let mut tabs = definition("example.com", "tabs", "Tab");
        settle(&[], &mut tabs);
        assert!(crate::custom::is_true(&tabs, "Established"));
        assert_eq!(tabs["status"]["acceptedNames"]["kind"], "Tab");
        assert_eq!(tabs["status"]["storedVersions"], json!(["v1"]));
    }

    #[test]
    fn a_name_of_another_definition_is_not_accepted() {
        let mut tabs = definition("example.com", "tabs", "Tab");
        settle(&[], &mut tabs);
        let mut others = definition("example.com", "sheets", "Tab");
        settle(&[tabs.clone()], &mut others);
        assert!(!crate::custom::is_true(&others, "Established"));
        let condition = &others["status"]["conditions"][0];
        assert_eq!(condition["message"], "\"TabList\" is already in use");
        // Its own names are no conflict.
        let all = [tabs.clone()];
        settle(&all, &mut tabs);
        assert!(crate::custom::is_true(&tabs, "NamesAccepted"));
    }

    #[test]
    fn the_names_of_built_in_kinds_are_taken() {
        let mut leases = definition("coordination.k8s.io", "leases", "Other");
        settle(&[], &mut leases);
        assert!(!crate::custom::is_true(&leases, "Established"));
    }
}
