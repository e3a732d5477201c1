//! What cannot be done is named, never ignored.

use crate::pod::afloat;

const PODS: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: labelled}
spec:
  securityContext: {seLinuxOptions: {level: "s0:c1,c2"}}
  containers: [{name: main, image: "echo:1"}]
---
apiVersion: v1
kind: Pod
metadata: {name: strict}
spec:
  securityContext: {supplementalGroupsPolicy: Strict}
  containers: [{name: main, image: "echo:1"}]
---
apiVersion: v1
kind: Pod
metadata: {name: armoured}
spec:
  containers:
  - {name: main, image: "echo:1", securityContext: {appArmorProfile: {type: RuntimeDefault}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: bucket}
spec:
  rules:
  - http:
      paths:
      - path: /files
        pathType: Prefix
        backend: {resource: {apiGroup: example.com, kind: Bucket, name: files}}
"#;

#[test]
fn what_cannot_be_done_is_named() {
    let Some(boat) = afloat("refused") else { return };
    boat.apply(PODS);
    let said = |object: &str, text: &str| boat.event(&format!("{object} {text}"));
    let refused = "Warning UnsupportedField not supported by this node: ";
    let ignored = "Warning FieldIgnored not acted on by this node: ";
    said("Pod/labelled", &format!("{ignored}spec.securityContext.seLinuxOptions"));
    said("Pod/strict", &format!("{refused}spec.securityContext.supplementalGroupsPolicy: Strict"));
    said("Pod/armoured", &format!("{ignored}spec.containers[0].securityContext.appArmorProfile"));
    said(
        "Ingress/bucket",
        "Warning UnsupportedField not supported by this node: spec.rules[0].http.paths[0].backend.resource",
    );
    let waiting =
        boat.field(&["pod", "strict"], ".status.containerStatuses[0].state.waiting.reason");
    assert_eq!(waiting, "UnsupportedField");
    boat.service_of("armoured");
}
