//! Roles and bindings.

use serde_json::Value;

use super::{Column, age_of, list, name, text, wide};
use crate::object::{meta, text as at};

pub(crate) const BINDING: &[Column] =
    &[name(), text("Role"), text("Age"), wide("Users"), wide("Groups"), wide("ServiceAccounts")];

pub(crate) fn binding(object: &Value) -> Vec<Value> {
    let role = format!("{}/{}", at(object, "/roleRef/kind"), at(object, "/roleRef/name"));
    vec![
        meta(object, "name").into(),
        role.into(),
        age_of(object),
        subjects(object, "User"),
        subjects(object, "Group"),
        subjects(object, "ServiceAccount"),
    ]
}

fn subjects(binding: &Value, kind: &str) -> Value {
    let named = list(binding, "/subjects").iter().filter(|subject| subject["kind"] == kind);
    let names: Vec<String> = named
        .map(|subject| match kind {
            "ServiceAccount" if !at(subject, "/namespace").is_empty() => {
                format!("{}/{}", at(subject, "/namespace"), at(subject, "/name"))
            }
            _ => at(subject, "/name").to_owned(),
        })
        .collect();
    names.join(", ").into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_binding_shows_its_role_and_who_has_it() {
        let row = binding(&json!({
            "metadata": {"name": "b"},
            "roleRef": {"kind": "ClusterRole", "name": "view"},
            "subjects": [
                {"kind": "User", "name": "bob"},
                {"kind": "User", "name": "amy"},
                {"kind": "ServiceAccount", "name": "web", "namespace": "shop"},
            ],
        }));
        assert_eq!(row[1], "ClusterRole/view");
        assert_eq!(row[3..], [json!("bob, amy"), json!(""), json!("shop/web")]);
    }
}
