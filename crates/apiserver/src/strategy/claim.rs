//! PersistentVolumeClaims: the old and the new way to say what a volume is filled with agree in a
//! new one.

use serde_json::{Map, Value};

use crate::object::child_mut;

/// What the old field may name: a claim or a snapshot.
const OLD: [(&str, &str); 2] =
    [("PersistentVolumeClaim", ""), ("VolumeSnapshot", "snapshot.storage.k8s.io")];

pub(super) fn normalize(claim: &mut Value) {
    let spec = child_mut(claim, "spec");
    let place = |field: &str| spec.get(field).filter(|value| value.is_object()).cloned();
    match (place("dataSource"), place("dataSourceRef")) {
        (Some(source), None) if is_old(&source) => {
            spec.insert("dataSourceRef".to_owned(), named(&source));
        }
        // As ever: who knows the old field only gets an empty volume.
        (Some(_), None) => _ = spec.remove("dataSource"),
        (None, Some(reference)) => {
            let elsewhere = reference["namespace"].as_str().is_some_and(|name| !name.is_empty());
            if !elsewhere {
                spec.insert("dataSource".to_owned(), named(&reference));
            }
        }
        _ => {}
    }
}

fn is_old(source: &Value) -> bool {
    OLD.iter().any(|(kind, group)| {
        source["kind"] == *kind && source["apiGroup"].as_str().unwrap_or_default() == *group
    })
}

/// What both fields have.
fn named(source: &Value) -> Value {
    let fields = ["apiGroup", "kind", "name"];
    let given =
        fields.iter().filter_map(|field| Some(((*field).to_owned(), source.get(*field)?.clone())));
    Value::Object(given.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(spec: Value, expected: Value) {
        let mut claim = json!({"spec": spec});
        normalize(&mut claim);
        assert_eq!(claim["spec"], expected);
    }

    #[test]
    fn both_ways_agree() {
        let one = json!({"kind": "PersistentVolumeClaim", "name": "a"});
        let both = json!({"dataSource": one, "dataSourceRef": one});
        check(json!({"dataSource": one}), both.clone());
        check(json!({"dataSourceRef": one}), both);
        let other = json!({"apiGroup": "a.b", "kind": "X", "name": "a"});
        check(
            json!({"dataSourceRef": other}),
            json!({"dataSource": other, "dataSourceRef": other}),
        );
        check(json!({"dataSource": other}), json!({}));
        let far = json!({"kind": "PersistentVolumeClaim", "name": "a", "namespace": "b"});
        check(json!({"dataSourceRef": far}), json!({"dataSourceRef": far}));
    }
}
