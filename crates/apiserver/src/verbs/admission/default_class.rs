//! The class that a claim or an Ingress gets where it names none: the one marked for everybody.

use serde_json::{Value, json};

use crate::error::{ApiError, ApiResult};
use crate::kinds::{self, Kind};
use crate::object::{child_mut, meta};
use crate::registry::Registry;
use crate::request::Call;

const STORAGE_MARKS: [&str; 2] = [
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
];
const INGRESS_MARKS: [&str; 1] = ["ingressclass.kubernetes.io/is-default-class"];
/// How a claim named its class before there was a field.
const OLD_STORAGE_CLASS: &str = "volume.beta.kubernetes.io/storage-class";
/// How an Ingress named its class before there was a field.
const OLD_INGRESS_CLASS: &str = "kubernetes.io/ingress.class";

/// Gives a new claim the default StorageClass.
pub(super) fn of_claim(call: &Call<'_>, claim: &mut Value) -> ApiResult<()> {
    if names_one(claim, "storageClassName", OLD_STORAGE_CLASS) {
        return Ok(());
    }
    let kind = kinds::find("storage.k8s.io", "v1", "storageclasses");
    let kind = kind.expect("storage classes are in the table");
    fill(call.registry(), kind, &STORAGE_MARKS, claim, "storageClassName")
}

/// Gives a new Ingress the default IngressClass.
pub(super) fn of_ingress(call: &Call<'_>, ingress: &mut Value) -> ApiResult<()> {
    if names_one(ingress, "ingressClassName", OLD_INGRESS_CLASS) {
        return Ok(());
    }
    let kind = kinds::find("networking.k8s.io", "v1", "ingressclasses");
    let kind = kind.expect("ingress classes are in the table");
    fill(call.registry(), kind, &INGRESS_MARKS, ingress, "ingressClassName")
}

/// An empty name is one too: it asks for no class.
fn names_one(object: &Value, field: &str, annotation: &str) -> bool {
    !object["spec"][field].is_null() || !object["metadata"]["annotations"][annotation].is_null()
}

fn fill(
    registry: &Registry,
    kind: &Kind,
    marks: &[&str],
    object: &mut Value,
    field: &str,
) -> ApiResult<()> {
    let all = registry.store.range(&Registry::range(kind, None), None, 0);
    let all = all.map_err(|error| ApiError::internal("read the classes", &error))?;
    let mut classes = Vec::new();
    for kv in &*all.entries {
        classes.push(registry.decode(kv)?);
    }
    if let Some(class) = newest_marked(&classes, marks) {
        child_mut(object, "spec").insert(field.to_owned(), json!(meta(class, "name")));
    }
    Ok(())
}

/// Of several the newest counts, as upstream; of those made together the first by name.
fn newest_marked<'a>(classes: &'a [Value], marks: &[&str]) -> Option<&'a Value> {
    let marked =
        |class: &&Value| marks.iter().any(|mark| class["metadata"]["annotations"][*mark] == "true");
    classes.iter().filter(marked).min_by(|a, b| {
        let created = |class: &'a Value| meta(class, "creationTimestamp");
        let name = |class: &'a Value| meta(class, "name");
        created(b).cmp(created(a)).then_with(|| name(a).cmp(name(b)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_marked_class_is_the_default() {
        let class = |name: &str, created: &str, marked: &str| {
            json!({"metadata": {"name": name, "creationTimestamp": created,
                "annotations": {STORAGE_MARKS[0]: marked}}})
        };
        let check = |classes: &[Value], expected: Option<&str>| {
            let found = newest_marked(classes, &STORAGE_MARKS).map(|class| meta(class, "name"));
            assert_eq!(found, expected);
        };
        check(&[], None);
        check(&[class("a", "2026-01-01T00:00:00Z", "false")], None);
        let (a, b) = (
            class("a", "2026-01-01T00:00:00Z", "true"),
            class("b", "2026-01-02T00:00:00Z", "true"),
        );
        check(&[a, b.clone()], Some("b"));
        check(&[class("c", "2026-01-02T00:00:00Z", "true"), b], Some("b"));
    }
}
