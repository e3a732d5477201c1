//! What a server behind this one says of itself: its resources, and where its OpenAPI documents
//! are. Kept here, so that discovery asks nobody.

use serde_json::{Value, json};

use crate::object::text;
use crate::table::list;

/// What was learned of one group's version.
#[derive(Debug, Default)]
pub(crate) struct Learned {
    /// As aggregated discovery lists them.
    pub(crate) resources: Vec<Value>,
    /// The hash in the address of the OpenAPI document; `None`: there is no document.
    pub(crate) openapi_hash: Option<String>,
}

impl Learned {
    /// From an APIResourceList and from the index of OpenAPI documents, which may be missing.
    pub(super) fn read(resources: &Value, index: &Value, group: &str, version: &str) -> Self {
        let document = &index["paths"][format!("apis/{group}/{version}")];
        let hash = |url: &str| {
            url.split_once("hash=").map_or_else(String::new, |(_, hash)| {
                hash.chars().take_while(char::is_ascii_alphanumeric).collect()
            })
        };
        Self {
            resources: grouped(list(resources, "/resources"), group, version),
            openapi_hash: document["serverRelativeURL"].as_str().map(hash),
        }
    }
}

/// Plain discovery's list as aggregated discovery has it: subresources stand below.
fn grouped(all: &[Value], group: &str, version: &str) -> Vec<Value> {
    let own = |resource: &Value, field: &str, otherwise: &str| match text(resource, field) {
        "" => otherwise.to_owned(),
        given => given.to_owned(),
    };
    let kind = |resource: &Value| {
        json!({"group": own(resource, "/group", group), "kind": resource["kind"],
            "version": own(resource, "/version", version)})
    };
    let (subresources, resources): (Vec<_>, Vec<_>) =
        all.iter().partition(|resource| text(resource, "/name").contains('/'));
    let below = |name: &str| -> Vec<Value> {
        let of = |sub: &&Value| {
            text(sub, "/name").strip_prefix(name)?.strip_prefix('/').map(str::to_owned)
        };
        let found = subresources.iter().filter_map(|sub| {
            Some(json!({"subresource": of(sub)?, "responseKind": kind(sub), "verbs": sub["verbs"]}))
        });
        found.collect()
    };
    let resource = |resource: &&Value| {
        let name = text(resource, "/name");
        let mut made = json!({
            "resource": name, "responseKind": kind(resource), "verbs": resource["verbs"],
            "scope": if resource["namespaced"] == true { "Namespaced" } else { "Cluster" },
            "singularResource": text(resource, "/singularName"),
        });
        let optional = [
            ("shortNames", resource["shortNames"].clone()),
            ("categories", resource["categories"].clone()),
            ("subresources", below(name).into()),
        ];
        let given = |value: &Value| value.as_array().is_some_and(|list| !list.is_empty());
        for (field, value) in optional.into_iter().filter(|(_, value)| given(value)) {
            made[field] = value;
        }
        made
    };
    resources.iter().map(resource).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subresources_stand_below_their_resource() {
        let verbs = json!(["get"]);
        let list = json!({"resources": [
            {"name": "flunders", "singularName": "flunder", "namespaced": true, "kind": "Flunder",
                "verbs": verbs, "shortNames": ["fl"]},
            {"name": "flunders/scale", "namespaced": true, "group": "autoscaling", "version": "v1",
                "kind": "Scale", "verbs": verbs},
        ]});
        let index = json!({"paths": {"apis/e.io/v1":
            {"serverRelativeURL": "/openapi/v3/apis/e.io/v1?hash=AB12&x=y"}}});
        let learned = Learned::read(&list, &index, "e.io", "v1");
        let expected = json!([{
            "resource": "flunders", "scope": "Namespaced", "singularResource": "flunder",
            "responseKind": {"group": "e.io", "version": "v1", "kind": "Flunder"},
            "verbs": verbs, "shortNames": ["fl"],
            "subresources": [{"subresource": "scale", "verbs": verbs,
                "responseKind": {"group": "autoscaling", "version": "v1", "kind": "Scale"}}],
        }]);
        assert_eq!(Value::from(learned.resources), expected);
        assert_eq!(learned.openapi_hash.as_deref(), Some("AB12"));
    }
}
