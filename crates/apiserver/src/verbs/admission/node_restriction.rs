//! What a node writes must be its own: its Node, its Lease, the status of its pods. Upstream's
//! admission plugin NodeRestriction; who may ask at all is `authz/node.rs`.

mod pods;

use std::collections::BTreeSet;

use serde_json::Value;

use self::pods::{check_mirror, check_status};
use super::signers;
use crate::authz::{Attributes, node::node_name};
use crate::error::{ApiError, ApiResult};
use crate::kinds::{self, Subresource};
use crate::object::{meta, text};
use crate::request::Call;

/// Labels of nodes that are for the cluster's administrators.
const RESERVED: &str = "node-restriction.kubernetes.io";
/// Labels below kubernetes.io that a node may give itself, and the domains of more.
const OWN_LABELS: [&str; 11] = [
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "kubernetes.io/arch",
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
];
const OWN_DOMAINS: [&str; 2] = ["kubelet.kubernetes.io", "node.kubernetes.io"];

/// Who signs certificates of nodes.
const NODE_SIGNERS: [&str; 2] =
    ["kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet"];

/// The caller, where it is a node, and what it is about to write.
struct Write<'a> {
    call: &'a Call<'a>,
    node: &'a str,
    name: &'a str,
}

impl<'a> Write<'a> {
    fn by_node(call: &'a Call<'_>, name: &'a str) -> ApiResult<Option<Self>> {
        let Some(node) = node_name(&call.user) else { return Ok(None) };
        let write = Self { call, node, name };
        if node.is_empty() {
            let why = format!("could not determine node from user {:?}", call.user.name);
            return write.no(&why).map(|()| None);
        }
        Ok(Some(write))
    }

    /// Refuses it.
    fn no(&self, why: &str) -> ApiResult<()> {
        Err(ApiError::forbidden(self.call.kind, self.name, why))
    }

    fn unless(&self, wrong: bool, why: impl FnOnce() -> String) -> ApiResult<()> {
        if wrong { self.no(&why()) } else { Ok(()) }
    }

    fn read(&self, plural: &str, namespace: &str, name: &str) -> ApiResult<Value> {
        let kind = kinds::find("", "v1", plural).expect("these are in the table");
        let kv = self.call.registry().get(kind, namespace, name);
        self.call.registry().decode(&kv.ok_or_else(|| ApiError::not_found(kind, name))?)
    }

    /// What is named after the node.
    fn own_name(&self) -> ApiResult<()> {
        let node = self.node;
        match &*self.call.kind.storage {
            "nodes" => self.unless(self.name != node, || {
                format!("node {node:?} is not allowed to modify node {:?}", self.name)
            }),
            "leases.coordination.k8s.io" => {
                self.unless(self.call.namespace() != "kube-node-lease", || {
                    "can only access leases in the \"kube-node-lease\" system namespace".to_owned()
                })?;
                self.unless(self.name != node, || {
                    "can only access node lease with the same name as the requesting node"
                        .to_owned()
                })
            }
            "csinodes.storage.k8s.io" => self.unless(self.name != node, || {
                "can only access CSINode with the same name as the requesting node".to_owned()
            }),
            _ => Ok(()),
        }
    }
}

/// May the caller make this?
pub(super) fn create(call: &Call<'_>, object: &Value) -> ApiResult<()> {
    let Some(write) = Write::by_node(call, meta(object, "name"))? else { return Ok(()) };
    write.own_name()?;
    match &*call.kind.storage {
        "pods" => check_mirror(&write, object),
        "nodes" => {
            let forbidden = forbidden_labels(&Value::Null, object);
            write.unless(!forbidden.is_empty(), || {
                let labels = forbidden.join(", ");
                format!(
                    "node {:?} is not allowed to set the following labels: {labels}",
                    write.node
                )
            })
        }
        "persistentvolumeclaims" => write.no("may only update PVC status"),
        "resourceslices.resource.k8s.io" => own_slice(&write, "create", object),
        signers::STORAGE => own_certificate(&write, object),
        _ => Ok(()),
    }
}

/// May the caller turn `old` into `new`?
pub(super) fn update(call: &Call<'_>, old: &Value, new: &Value) -> ApiResult<()> {
    let Some(write) = Write::by_node(call, meta(old, "name"))? else { return Ok(()) };
    write.own_name()?;
    let node = write.node;
    match &*call.kind.storage {
        "pods" => check_status(&write, old, new),
        "nodes" => {
            write.unless(same(&old["spec"]["taints"]) != same(&new["spec"]["taints"]), || {
                format!("node {node:?} is not allowed to modify taints")
            })?;
            // Who owns a Node decides when it goes.
            let owners = |object: &Value| same(&object["metadata"]["ownerReferences"]).clone();
            write.unless(owners(old) != owners(new), || {
                format!("node {node:?} is not allowed to modify ownerReferences")
            })?;
            let forbidden = forbidden_labels(old, new);
            write.unless(!forbidden.is_empty(), || {
                format!("is not allowed to modify labels: {}", forbidden.join(", "))
            })
        }
        "persistentvolumeclaims" => check_claim(&write, old, new),
        _ => Ok(()),
    }
}

/// May the caller delete this?
pub(crate) fn delete(call: &Call<'_>, old: &Value) -> ApiResult<()> {
    let Some(write) = Write::by_node(call, meta(old, "name"))? else { return Ok(()) };
    write.own_name()?;
    let node = write.node;
    match &*call.kind.storage {
        // An eviction ends in a deletion.
        "pods" if call.subresource.is_some() => evict(call, old),
        "pods" => write.unless(text(old, "/spec/nodeName") != node, || {
            format!("node {node:?} can only delete pods with spec.nodeName set to itself")
        }),
        "persistentvolumeclaims" => write.no("may only update PVC status"),
        "resourceslices.resource.k8s.io" => own_slice(&write, "delete", old),
        _ => Ok(()),
    }
}

/// May the caller evict this pod?
pub(crate) fn evict(call: &Call<'_>, pod: &Value) -> ApiResult<()> {
    let Some(write) = Write::by_node(call, meta(pod, "name"))? else { return Ok(()) };
    write.unless(text(pod, "/spec/nodeName") != write.node, || {
        format!("node {} can only evict pods with spec.nodeName set to itself", write.node)
    })
}

/// May the caller have this token of a ServiceAccount?
pub(crate) fn token(call: &Call<'_>, asked: &Value) -> ApiResult<()> {
    let Some(write) = Write::by_node(call, call.name())? else { return Ok(()) };
    let bound = &asked["spec"]["boundObjectRef"];
    let (name, uid) = (text(bound, "/name"), text(bound, "/uid"));
    let is_pod = text(bound, "/apiVersion") == "v1" && text(bound, "/kind") == "Pod";
    write.unless(!is_pod || name.is_empty(), || {
        "node requested token not bound to a pod".to_owned()
    })?;
    write.unless(uid.is_empty(), || {
        "node requested token with a pod binding without a uid".to_owned()
    })?;
    let pod = write.read("pods", call.namespace(), name)?;
    write.unless(uid != meta(&pod, "uid"), || {
        format!("the UID in the bound object reference ({uid}) does not match the UID in record. The object might have been deleted and then recreated")
    })?;
    write.unless(text(&pod, "/spec/nodeName") != write.node, || {
        "node requested token bound to a pod scheduled on a different node".to_owned()
    })?;
    audience(&write, &asked["spec"]["audiences"], &pod)
}

/// A node asks for tokens that its pods mount, or that it was expressly allowed.
fn audience(write: &Write<'_>, audiences: &Value, pod: &Value) -> ApiResult<()> {
    let audience = match audiences.as_array().map(Vec::as_slice) {
        None | Some([]) => "",
        Some([one]) => one.as_str().unwrap_or(""),
        Some(_) => return write.no("node may only request 0 or 1 audiences"),
    };
    let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    let sources = volumes.flat_map(|volume| volume["projected"]["sources"].as_array()).flatten();
    let mut tokens =
        sources.map(|from| &from["serviceAccountToken"]).filter(|from| !from.is_null());
    if tokens.any(|token| text(token, "/audience") == audience) {
        return Ok(());
    }
    let attributes = Attributes {
        user: &write.call.user,
        verb: "request-serviceaccounts-token-audience",
        group: "",
        resource: audience,
        subresource: "",
        namespace: write.call.namespace(),
        name: write.name,
        path: "",
        fields: &[],
    };
    let allowed = write.call.shared.authorizer.authorize(&attributes).is_allowed();
    write.unless(!allowed, || format!("audience {audience:?} not found in pod spec volume"))
}

fn own_slice(write: &Write<'_>, verb: &str, slice: &Value) -> ApiResult<()> {
    write.unless(text(slice, "/spec/nodeName") != write.node, || {
        format!("can only {verb} ResourceSlice with the same NodeName as the requesting node")
    })
}

/// Whoever may ask for certificates of nodes asks for its own: their approval looks at no more.
fn own_certificate(write: &Write<'_>, asked: &Value) -> ApiResult<()> {
    let signer = text(asked, "/spec/signerName");
    if !NODE_SIGNERS.contains(&signer) {
        return Ok(());
    }
    let subject = signers::common_name(asked)
        .or_else(|why| write.no(&format!("unable to parse csr: {why}")).map(|()| String::new()))?;
    let own = format!("system:node:{}", write.node);
    write.unless(subject != own, || format!("can only create a node CSR with CN={own}"))
}

/// Of a claim, a node writes how large it has become.
fn check_claim(write: &Write<'_>, old: &Value, new: &Value) -> ApiResult<()> {
    if write.call.subresource != Some(Subresource::Status) {
        return write.no("may only update PVC status");
    }
    let rest = |claim: &Value| {
        let mut claim = claim.clone();
        for (part, fields) in [
            ("metadata", &["resourceVersion", "managedFields"][..]),
            (
                "status",
                &["capacity", "conditions", "allocatedResources", "allocatedResourceStatuses"],
            ),
        ] {
            if let Some(part) = claim[part].as_object_mut() {
                fields.iter().for_each(|field| drop(part.remove(*field)));
            }
        }
        claim
    };
    write.unless(rest(old) != rest(new), || {
        format!("node {:?} is not allowed to update fields other than status.capacity and status.conditions", write.node)
    })
}

/// An empty list is none.
fn same(list: &Value) -> &Value {
    if list.as_array().is_some_and(Vec::is_empty) { &Value::Null } else { list }
}

/// The labels that differ and are not for nodes to change.
fn forbidden_labels(old: &Value, new: &Value) -> Vec<String> {
    let labels =
        |object: &Value| object["metadata"]["labels"].as_object().cloned().unwrap_or_default();
    let (old, new) = (labels(old), labels(new));
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let changed = keys.into_iter().filter(|key| old.get(*key) != new.get(*key));
    changed.filter(|key| is_forbidden(key)).cloned().collect()
}

fn is_forbidden(label: &str) -> bool {
    let domain = label.split_once('/').map_or("", |(domain, _)| domain);
    let below = |of: &str| {
        domain.strip_suffix(of).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    if below(RESERVED) {
        return true;
    }
    let of_cluster = below("kubernetes.io") || below("k8s.io");
    of_cluster && !OWN_LABELS.contains(&label) && !OWN_DOMAINS.into_iter().any(below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(label: &str, expected: bool) {
        assert_eq!(is_forbidden(label), expected, "{label}");
    }

    #[test]
    fn a_node_gives_itself_what_is_known_of_nodes_and_what_is_not_the_clusters() {
        check("kubernetes.io/hostname", false);
        check("node.kubernetes.io/anything", false);
        check("foo.node.kubernetes.io/anything", false);
        check("example.com/disk", false);
        check("plain", false);
        check("node-restriction.kubernetes.io/group", true);
        check("team.node-restriction.kubernetes.io/group", true);
        check("node-role.kubernetes.io/control-plane", true);
        check("k8s.io/other", true);
        check("mykubernetes.io/other", false);
    }
}
