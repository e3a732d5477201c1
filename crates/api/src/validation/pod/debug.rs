//! Ephemeral containers: they are added to a pod that is there, and stay as they are.

use serde_json::Value;

use crate::read;
use crate::validation::field::{Field, changes};

/// The node's own copy of a pod that it has from a file.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// A valid Pod and what it was; nothing but the ephemeral containers differs.
pub(in crate::validation) fn update(object: &Field<'_>, old: &Value) {
    if crate::meta::annotation(old, MIRROR).is_some() {
        return object.whole().forbidden("static pods do not support ephemeral containers");
    }
    let list = object.at("spec").at("ephemeralContainers");
    for old in read::list(&old["spec"], "ephemeralContainers") {
        let name = read::text(old, "name");
        match list.items().find(|item| item.at("name").text() == name) {
            None => list
                .forbidden(format!("existing ephemeral containers {name:?} may not be removed\n")),
            Some(new) => {
                let changed = changes("", new.value, old);
                if !changed.is_empty() {
                    let fields: Vec<_> =
                        changed.iter().map(|path| path.trim_start_matches('.')).collect();
                    list.forbidden(format!(
                        "existing ephemeral containers {name:?} may not be changed\nchanged: {}",
                        fields.join(", ")
                    ));
                }
            }
        }
    }
}
