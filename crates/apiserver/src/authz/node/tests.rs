use bytes::Bytes;
use serde_json::json;
use store::{Op, Txn};

use super::*;

/// Writes an object as the registry does, or removes it where it is null.
async fn write(store: &Store, key: &str, object: Value) {
    let key = Bytes::from(format!("{}{key}", crate::registry::PREFIX));
    let op = match object {
        Value::Null => Op::delete(key),
        object => Op::put(key, object::encode(&object)),
    };
    assert!(store.commit(Txn::new().then(op)).await.unwrap().succeeded);
}

/// Asks as node `a`. `asked` is `verb group/resource/subresource namespace name field=value`.
#[track_caller]
fn check(authorizer: &NodeAuthorizer, asked: &str, expected: Result<(), &str>) {
    let user = UserInfo::new("system:node:a", ["system:nodes"]);
    let words: Vec<&str> = asked.split(' ').collect();
    let at = |index: usize| words.get(index).copied().unwrap_or("");
    let parts: Vec<&str> = at(1).split('/').collect();
    let part = |index: usize| parts.get(index).copied().unwrap_or("");
    let fields: Vec<(String, String)> = at(4)
        .split_once('=')
        .map(|(field, value)| (field.to_owned(), value.to_owned()))
        .into_iter()
        .collect();
    let attributes = Attributes {
        user: &user,
        verb: at(0),
        group: part(0),
        resource: part(1),
        subresource: part(2),
        namespace: at(2),
        name: at(3),
        path: "",
        fields: &fields,
    };
    let expected = expected.map_err(str::to_owned);
    assert_eq!(authorizer.authorize(&attributes), Some(expected), "{asked}");
}

fn nodes() -> (Store, NodeAuthorizer) {
    let store = Store::in_memory();
    let authorizer = NodeAuthorizer::new(store.clone());
    (store, authorizer)
}

const STRANGE: Result<(), &str> = Err("no relationship found between node 'a' and this object");

#[tokio::test]
async fn a_node_reads_what_its_pods_use_while_they_are_there() {
    let (store, node) = nodes();
    check(&node, "get /secrets shop key", STRANGE);
    let pod = |node: &str| {
        json!({"metadata": {"name": "p"}, "spec": {"nodeName": node, "serviceAccountName": "web",
            "volumes": [{"name": "v", "secret": {"secretName": "key"}}]}})
    };
    write(&store, "pods/shop/p", pod("b")).await;
    check(&node, "get /secrets shop key", STRANGE);
    write(&store, "pods/shop/p", pod("a")).await;
    write(&store, "pods/shop/q", pod("a")).await;
    for verb in ["get", "list", "watch"] {
        check(&node, &format!("{verb} /secrets shop key"), Ok(()));
    }
    check(&node, "create /serviceaccounts/token shop web", Ok(()));
    check(&node, "create /serviceaccounts/token shop other", STRANGE);
    check(&node, "get /secrets other key", STRANGE);
    check(&node, "list /secrets shop", Err("No Object name found"));
    check(&node, "list /secrets  key", Err("can only read namespaced object of this type"));
    check(&node, "update /secrets shop key", Err("can only read resources of this type"));
    check(&node, "get /pods shop p", Ok(()));
    write(&store, "pods/shop/p", Value::Null).await;
    check(&node, "get /secrets shop key", Ok(()));
    write(&store, "pods/shop/q", Value::Null).await;
    check(&node, "get /secrets shop key", STRANGE);
    check(&node, "get /pods shop p", STRANGE);
}

#[tokio::test]
async fn a_node_mounts_the_volumes_of_its_claims() {
    let (store, node) = nodes();
    let volumes = json!([{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]);
    let pod = json!({"metadata": {"name": "p"}, "spec": {"nodeName": "a", "volumes": volumes}});
    write(&store, "pods/shop/p", pod).await;
    check(&node, "get /persistentvolumeclaims shop data", Ok(()));
    check(&node, "patch /persistentvolumeclaims/status shop data", Ok(()));
    check(&node, "get /persistentvolumes  disk", STRANGE);
    let claim = json!({"metadata": {}, "spec": {"volumeName": "disk"}});
    write(&store, "persistentvolumeclaims/shop/data", claim).await;
    let volume = json!({"metadata": {}, "spec": {
        "claimRef": {"namespace": "shop", "name": "data"},
        "csi": {"nodeStageSecretRef": {"namespace": "vault", "name": "stage"}},
    }});
    write(&store, "persistentvolumes/disk", volume).await;
    check(&node, "get /persistentvolumes  disk", Ok(()));
    check(&node, "get /secrets vault stage", Ok(()));
    check(&node, "get /secrets vault other", STRANGE);
    check(&node, "list /persistentvolumes ", Err("can only get individual resources of this type"));
}

#[tokio::test]
async fn a_node_runs_pods_and_reports_on_them() {
    let (_store, node) = nodes();
    check(&node, "patch /pods/status shop x", Ok(()));
    check(&node, "delete /pods shop x", Ok(()));
    check(&node, "list /pods   spec.nodeName=a", Ok(()));
    let all = Err("can only list/watch pods with spec.nodeName field selector");
    check(&node, "list /pods ", all);
    check(&node, "list /pods   spec.nodeName=b", all);
    check(&node, "update /pods shop x", Err(""));
    check(&node, "create apps/deployments shop x", Err(""));
    check(&node, "list /services ", Ok(()));
    check(&node, "create /events shop x", Ok(()));
}

#[tokio::test]
async fn a_node_reads_itself_and_no_other() {
    let (_store, node) = nodes();
    check(&node, "get /nodes  a", Ok(()));
    check(&node, "get /nodes  b", Err("node 'a' cannot read 'b', only its own Node object"));
    let all = Err("node 'a' cannot read all nodes, only its own Node object");
    check(&node, "list /nodes ", all);
    check(&node, "delete /nodes  a", Err(""));
    check(&node, "update coordination.k8s.io/leases kube-node-lease a", Ok(()));
    let theirs = Err("can only access node lease with the same name as the requesting node");
    check(&node, "update coordination.k8s.io/leases kube-node-lease b", theirs);
    let elsewhere = Err("can only access leases in the \"kube-node-lease\" system namespace");
    check(&node, "update coordination.k8s.io/leases shop a", elsewhere);
    let verbs = Err("can only get, create, update, patch, or delete a node lease");
    check(&node, "list coordination.k8s.io/leases kube-node-lease", verbs);
    check(&node, "patch storage.k8s.io/csinodes  a", Ok(()));
    let theirs = Err("can only access CSINode with the same name as the requesting node");
    check(&node, "patch storage.k8s.io/csinodes  b", theirs);
}

#[test]
fn who_only_has_the_name_is_no_node() {
    let user = UserInfo::new("system:node:a", ["people"]);
    assert!(!is_node(&user));
    assert!(is_node(&UserInfo::new("system:node:a", ["system:nodes"])));
}
