//! Quotas, ReplicationControllers, Endpoints and disruption budgets, as a user meets them with
//! kubectl.

use crate::boat::{Boat, eventually, has, is_root, skip, texts};

const OBJECTS: &str = r#"
apiVersion: v1
kind: ResourceQuota
metadata: {name: small}
spec: {hard: {pods: "2", count/replicationcontrollers: "1", configmaps: "3"}}
"#;
const CONTROLLER: &str = r#"
apiVersion: v1
kind: ReplicationController
metadata: {name: old}
spec:
  replicas: 3
  template:
    metadata: {labels: {app: old}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: echo, image: "echo:1"}]
---
apiVersion: v1
kind: Service
metadata: {name: old}
spec: {selector: {app: old}, ports: [{port: 80}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: old}
spec: {minAvailable: 2, selector: {matchLabels: {app: old}}}
"#;
const BY_HAND: &str = r#"
apiVersion: v1
kind: Service
metadata: {name: outside}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Endpoints
metadata: {name: outside}
subsets: [{addresses: [{ip: 10.9.8.7}], ports: [{port: 8080}]}]
"#;

/// Waits until a field says this.
#[track_caller]
fn says(boat: &Boat, object: &[&str], path: &str, expected: &str) {
    eventually(&format!("{object:?} {path} is {expected}"), || {
        (boat.field(object, path) == expected).then_some(())
    });
}

#[test]
fn a_quota_bounds_a_replication_controller_and_gives_back() {
    if !is_root() || !has("kubectl") {
        return skip("quotas", "it needs root and kubectl");
    }
    let boat = Boat::afloat("quotas");
    boat.load_echo();
    boat.apply(OBJECTS);
    let quota = ["quota", "small"];
    says(&boat, &quota, ".status.used.pods", "0");
    boat.apply(CONTROLLER);
    let controller = ["rc", "old"];
    says(&boat, &controller, ".status.conditions[0].type", "ReplicaFailure");
    says(&boat, &controller, ".status.readyReplicas", "2");
    says(&boat, &quota, ".status.used.pods", "2");
    says(&boat, &quota, ".status.used.count/replicationcontrollers", "1");
    let said = boat.field(&controller, ".status.conditions[0].message");
    assert!(said.contains("exceeded quota: small, requested: pods=1, used: pods=2"), "{said}");

    let addresses = || boat.field(&["endpoints", "old"], ".subsets[0].addresses[*].ip");
    eventually("both pods are endpoints", || (addresses().split(' ').count() == 2).then_some(()));
    let budget = ["pdb", "old"];
    says(&boat, &budget, ".status.currentHealthy", "2");
    let eviction =
        r#"{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "NAME"}}"#;
    let pod = boat.field(&["pods", "-l", "app=old"], ".items[0].metadata.name");
    let path = format!("/api/v1/namespaces/default/pods/{pod}/eviction");
    let evict = ["create", "--raw", &path, "-f", "-"];
    let (_, refused) = texts(&boat.kubectl_with(&evict, &eviction.replace("NAME", &pod)));
    assert!(refused.contains("would violate the pod's disruption budget"), "{refused}");

    boat.kubectl_ok(&["scale", "rc/old", "--replicas=1"]);
    says(&boat, &quota, ".status.used.pods", "1");
    says(&boat, &controller, ".status.conditions", "");
    boat.kubectl_ok(&["delete", "service/old"]);
    let gone = || !boat.kubectl(&["get", "endpoints", "old"]).status.success();
    eventually("the Endpoints go with their Service", || gone().then_some(()));

    boat.apply(BY_HAND);
    let mirrored = ["endpointslices", "-l", "kubernetes.io/service-name=outside"];
    says(&boat, &mirrored, ".items[*].endpoints[*].addresses[0]", "10.9.8.7");
    boat.kubectl_ok(&["delete", "endpoints/outside"]);
    says(&boat, &mirrored, ".items[*].metadata.name", "");
}
