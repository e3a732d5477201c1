//! Jobs: unless told otherwise, each selects its own pods by its uid.

use serde_json::{Value, json};

use crate::object::{child_mut, meta};

const BY_UID: &str = "batch.kubernetes.io/controller-uid";

/// Writes the labels and the selector that tell this Job's pods from others'.
pub(super) fn select_own_pods(job: &mut Value) {
    if job["spec"]["manualSelector"] == true {
        return;
    }
    let (name, uid) = (meta(job, "name").to_owned(), meta(job, "uid").to_owned());
    let spec = child_mut(job, "spec");
    // One that the client wrote is judged as it is.
    if spec.get("selector").is_none_or(Value::is_null) {
        spec.insert("selector".to_owned(), json!({"matchLabels": {BY_UID: uid}}));
    }
    let Some(template) = spec.get_mut("template").filter(|template| template.is_object()) else {
        return;
    };
    let metadata = child_mut(template, "metadata");
    let labels = metadata.entry("labels").or_insert_with(|| json!({}));
    for (label, value) in [
        ("controller-uid", &uid),
        ("job-name", &name),
        (BY_UID, &uid),
        ("batch.kubernetes.io/job-name", &name),
    ] {
        if let Some(labels) = labels.as_object_mut() {
            labels.insert(label.to_owned(), value.as_str().into());
        }
    }
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
    fn a_manual_selector_is_left_alone() {
        let given = json!({"spec": {"manualSelector": true, "template": {}}});
        let mut job = given.clone();
        select_own_pods(&mut job);
        assert_eq!(job, given);
    }
}
