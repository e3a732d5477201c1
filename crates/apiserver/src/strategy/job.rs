//! Jobs: unless told otherwise, each selects its own pods by its uid.

use serde_json::{Map, Value, json};

use crate::object::{child_mut, meta};

const BY_UID: &str = "batch.kubernetes.io/controller-uid";

/// Writes the labels and the selector that tell this Job's pods from others'. What the client wrote
/// itself stays, for validation to judge.
pub(super) fn select_own_pods(job: &mut Value) {
    if job["spec"]["manualSelector"] == true {
        return;
    }
    let (name, uid) = (meta(job, "name").to_owned(), meta(job, "uid").to_owned());
    let spec = child_mut(job, "spec");
    let selector = object_in(spec, "selector");
    object_in(selector, "matchLabels").entry(BY_UID).or_insert_with(|| uid.clone().into());
    let Some(template) = spec.get_mut("template").filter(|template| template.is_object()) else {
        return;
    };
    let labels = object_in(child_mut(template, "metadata"), "labels");
    for (label, value) in [
        ("controller-uid", &uid),
        ("job-name", &name),
        (BY_UID, &uid),
        ("batch.kubernetes.io/job-name", &name),
    ] {
        labels.entry(label).or_insert_with(|| value.clone().into());
    }
    let labels = Value::Object(labels.clone());
    let own = child_mut(job, "metadata").entry("labels").or_insert_with(|| json!({}));
    if own.as_object().is_none_or(Map::is_empty) {
        *own = labels;
    }
}

/// The object below a field, made where there is none.
fn object_in<'a>(parent: &'a mut Map<String, Value>, field: &str) -> &'a mut Map<String, Value> {
    let slot = parent.entry(field.to_owned()).or_insert_with(|| json!({}));
    if !slot.is_object() {
        *slot = json!({});
    }
    slot.as_object_mut().expect("made an object just now")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_selects_its_pods_by_its_uid() {
        let mut job =
            json!({"metadata": {"name": "j", "uid": "u"}, "spec": {"template": {"spec": {}}}});
        select_own_pods(&mut job);
        assert_eq!(job["spec"]["selector"], json!({"matchLabels": {BY_UID: "u"}}));
        let labels = &job["spec"]["template"]["metadata"]["labels"];
        assert_eq!((&labels["job-name"], &labels[BY_UID]), (&json!("j"), &json!("u")));
    }

    #[test]
    fn what_the_client_wrote_stays() {
        let mut job = json!({"metadata": {"name": "j", "uid": "u"}, "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"job-name": "x"}}},
        }});
        select_own_pods(&mut job);
        assert_eq!(job["spec"]["selector"], json!({"matchLabels": {"a": "b", BY_UID: "u"}}));
        assert_eq!(job["spec"]["template"]["metadata"]["labels"]["job-name"], "x");
    }

    #[test]
    fn a_manual_selector_is_left_alone() {
        let given = json!({"spec": {"manualSelector": true, "template": {}}});
        let mut job = given.clone();
        select_own_pods(&mut job);
        assert_eq!(job, given);
    }
}
