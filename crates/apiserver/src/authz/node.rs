//! What a node may do without a role: run its pods and report on them. What its pods do not use is
//! none of its business. As upstream's node authorizer; the admission of what nodes write
//! (`verbs/admission/node_restriction.rs`) is its other half.

mod graph;
pub(crate) mod uses;

use std::sync::LazyLock;

use serde_json::Value;
use store::Store;

use self::graph::Graph;
use self::uses::What;
use super::{Attributes, Rule, policy};
use crate::object::{self, text};
use crate::user::UserInfo;

/// What is said where a node asks what it may do.
pub(super) const NO_RULES: &str = "node authorizer does not support user rule resolution";
/// Leases of nodes live here.
const LEASES: &str = "kube-node-lease";

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(policy::node_rules);

/// Is this a node?
pub(super) fn is_node(user: &UserInfo) -> bool {
    node_name(user).is_some()
}

/// The node that a node's identity speaks for; empty where it names none.
pub(crate) fn node_name(user: &UserInfo) -> Option<&str> {
    user.name.strip_prefix("system:node:").filter(|_| user.in_group("system:nodes"))
}

/// Why not; may be empty, where no rule speaks of it.
type Answer = Result<(), String>;

/// Decides for nodes, by what is in a store.
pub(super) struct NodeAuthorizer {
    store: Store,
    graph: Graph,
}

impl NodeAuthorizer {
    pub(super) fn new(store: Store) -> Self {
        Self { graph: Graph::new(store.clone()), store }
    }

    /// `None`: not a node.
    pub(super) fn authorize(&self, asked: &Attributes<'_>) -> Option<Answer> {
        let node = node_name(asked.user)?;
        if node.is_empty() {
            return Some(Err(format!("unknown node for user {:?}", asked.user.name)));
        }
        Some(self.decide(node, asked))
    }

    fn decide(&self, node: &str, asked: &Attributes<'_>) -> Answer {
        match (asked.group, asked.resource) {
            ("", "secrets") => self.read(node, What::Secret, asked),
            ("", "configmaps") => self.read(node, What::ConfigMap, asked),
            ("", "persistentvolumeclaims") if asked.subresource == "status" => {
                self.write_status(node, asked)
            }
            ("", "persistentvolumeclaims") => self.get(node, What::Claim, asked),
            ("", "persistentvolumes") => self.get(node, What::Volume, asked),
            ("resource.k8s.io", "resourceclaims") => self.get(node, What::ResourceClaim, asked),
            ("storage.k8s.io", "volumeattachments") => self.get(node, What::Attachment, asked),
            ("", "serviceaccounts") if asked.verb == "get" => self.get(node, What::Account, asked),
            ("", "serviceaccounts") => self.create_token(node, asked),
            ("", "nodes") => read_or_write_node(node, asked),
            ("", "pods") => self.pods(node, asked),
            ("coordination.k8s.io", "leases") => lease(node, asked),
            ("storage.k8s.io", "csinodes") => csi_node(node, asked),
            ("resource.k8s.io", "resourceslices") => self.slices(node, asked),
            _ => by_rules(asked),
        }
    }

    /// Single objects of a namespace, which a list or a watch may name too.
    fn read(&self, node: &str, what: What, asked: &Attributes<'_>) -> Answer {
        if !matches!(asked.verb, "get" | "list" | "watch") {
            return no("can only read resources of this type");
        }
        if !asked.subresource.is_empty() {
            return no("cannot read subresource");
        }
        if asked.namespace.is_empty() {
            return no("can only read namespaced object of this type");
        }
        self.related(node, what, asked)
    }

    fn get(&self, node: &str, what: What, asked: &Attributes<'_>) -> Answer {
        if asked.verb != "get" {
            return no("can only get individual resources of this type");
        }
        if !asked.subresource.is_empty() {
            return no("cannot get subresource");
        }
        self.related(node, what, asked)
    }

    fn write_status(&self, node: &str, asked: &Attributes<'_>) -> Answer {
        if !matches!(asked.verb, "update" | "patch") {
            return no("can only get/update/patch this type");
        }
        self.related(node, What::Claim, asked)
    }

    fn create_token(&self, node: &str, asked: &Attributes<'_>) -> Answer {
        if asked.verb != "create" || asked.name.is_empty() {
            return no("can only create tokens for individual service accounts");
        }
        if asked.subresource != "token" {
            return no("can only create token subresource of serviceaccount");
        }
        self.related(node, What::Account, asked)
    }

    fn pods(&self, node: &str, asked: &Attributes<'_>) -> Answer {
        let selected =
            || asked.fields.iter().any(|(f, value)| f == "spec.nodeName" && value == node);
        match (asked.subresource, asked.verb) {
            ("", "get") => self.get(node, What::Pod, asked),
            ("", "list" | "watch") if selected() => Ok(()),
            ("", "list" | "watch") if !asked.name.is_empty() => {
                self.related(node, What::Pod, asked)
            }
            ("", "list" | "watch") => {
                no("can only list/watch pods with spec.nodeName field selector")
            }
            // Of which pods is a matter of admission.
            ("", "create" | "delete") | ("status", "update" | "patch") | ("eviction", "create") => {
                Ok(())
            }
            _ => no(""),
        }
    }

    fn slices(&self, node: &str, asked: &Attributes<'_>) -> Answer {
        if !asked.subresource.is_empty() {
            return no("cannot authorize ResourceSlice subresources");
        }
        let selected = || {
            let own = |(field, value): &(String, String)| {
                matches!(field.as_str(), "nodeName" | "spec.nodeName") && value == node
            };
            asked.fields.iter().any(own)
        };
        match asked.verb {
            "create" => Ok(()),
            "get" | "update" | "patch" | "delete" => self.related(node, What::Slice, asked),
            "list" | "watch" | "deletecollection" if selected() => Ok(()),
            "list" | "watch" | "deletecollection" => no(
                "can only list/watch/deletecollection resourceslices with nodeName field selector",
            ),
            _ => no(
                "only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection",
            ),
        }
    }

    /// Has the node to do with this object?
    fn related(&self, node: &str, what: What, asked: &Attributes<'_>) -> Answer {
        if asked.name.is_empty() {
            return no("No Object name found");
        }
        let (namespace, name) = (asked.namespace, asked.name);
        let has = match what {
            What::Pod => self.names_node("pods", &format!("{namespace}/{name}"), node),
            What::Attachment => self.names_node("volumeattachments.storage.k8s.io", name, node),
            What::Slice => self.names_node("resourceslices.resource.k8s.io", name, node),
            What::Volume => self.mounts(node, name),
            What::Secret => {
                self.graph.uses(node, what, namespace, name)
                    || self.mounts_with_secret(node, namespace, name)
            }
            _ => self.graph.uses(node, what, namespace, name),
        };
        match has {
            true => Ok(()),
            false => Err(format!("no relationship found between node '{node}' and this object")),
        }
    }

    fn read_object(&self, storage: &str, place: &str) -> Option<Value> {
        let key = format!("{}{storage}/{place}", crate::registry::PREFIX);
        let kv = self.store.get(key.as_bytes())?;
        object::decode(&kv).ok()
    }

    /// Does the object say that it is this node's?
    fn names_node(&self, storage: &str, place: &str, node: &str) -> bool {
        let object = self.read_object(storage, place);
        object.is_some_and(|object| text(&object, "/spec/nodeName") == node)
    }

    /// Is it the volume of a claim that a pod of the node uses?
    fn mounts(&self, node: &str, volume: &str) -> bool {
        self.read_object("persistentvolumes", volume).is_some_and(|volume| {
            let of = |field: &str| text(&volume, &format!("/spec/claimRef/{field}")).to_owned();
            self.graph.uses(node, What::Claim, &of("namespace"), &of("name"))
        })
    }

    /// Is a volume that the node mounts mounted with this Secret?
    fn mounts_with_secret(&self, node: &str, namespace: &str, name: &str) -> bool {
        self.graph.claims(node).into_iter().any(|(place, claim)| {
            let claim = self.read_object("persistentvolumeclaims", &format!("{place}/{claim}"));
            let volume = claim.map(|claim| text(&claim, "/spec/volumeName").to_owned());
            let volume = volume.and_then(|name| self.read_object("persistentvolumes", &name));
            volume.is_some_and(|volume| {
                let mut secrets = uses::volume_secrets(&volume).into_iter();
                secrets.any(|(of, secret)| of == namespace && secret == name)
            })
        })
    }
}

fn no(why: &str) -> Answer {
    Err(why.to_owned())
}

fn by_rules(asked: &Attributes<'_>) -> Answer {
    if RULES.iter().any(|rule| rule.allows(asked)) { Ok(()) } else { no("") }
}

fn read_or_write_node(node: &str, asked: &Attributes<'_>) -> Answer {
    match (asked.subresource, asked.verb) {
        // Of which node is a matter of admission.
        ("", "create" | "update" | "patch") | ("status", "update" | "patch") => Ok(()),
        ("", "get" | "list" | "watch") => match asked.name {
            own if own == node => Ok(()),
            "" => Err(format!("node '{node}' cannot read all nodes, only its own Node object")),
            other => Err(format!("node '{node}' cannot read '{other}', only its own Node object")),
        },
        _ => no(""),
    }
}

/// The verbs that a node has on what is named after it.
fn is_own_verb(verb: &str) -> bool {
    matches!(verb, "get" | "create" | "update" | "patch" | "delete")
}

fn lease(node: &str, asked: &Attributes<'_>) -> Answer {
    if !is_own_verb(asked.verb) {
        return no("can only get, create, update, patch, or delete a node lease");
    }
    if asked.namespace != LEASES {
        return Err(format!("can only access leases in the {LEASES:?} system namespace"));
    }
    // Creation names the object in the body.
    if asked.verb != "create" && asked.name != node {
        return no("can only access node lease with the same name as the requesting node");
    }
    Ok(())
}

fn csi_node(node: &str, asked: &Attributes<'_>) -> Answer {
    if !is_own_verb(asked.verb) {
        return no("can only get, create, update, patch, or delete a CSINode");
    }
    if !asked.subresource.is_empty() {
        return no("cannot authorize CSINode subresources");
    }
    if asked.verb != "create" && asked.name != node {
        return no("can only access CSINode with the same name as the requesting node");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
