//! Policies and pod security as a user of kubectl meets them.

use crate::kubectl::Kubectl;

const POLICY: &str = "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: replicas}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}
  variables:
  - {name: max, expression: \"'max-replicas' in namespaceObject.metadata.?annotations.orValue({}) ? int(namespaceObject.metadata.annotations['max-replicas']) : 5\"}
  validations:
  - expression: object.spec.replicas <= variables.max
    messageExpression: \"'at most ' + string(variables.max) + ' replicas'\"
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: replicas}
spec: {policyName: replicas, validationActions: [Deny]}
";

const WRONG: &str = "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: wrong}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE], resources: [deployments]}
  validations: [{expression: object.spec.replicas <=}]
";

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_shows_what_policies_say() {
    let Some(kubectl) = Kubectl::start().await else { return };
    kubectl.check_with("apply -f -", POLICY, true, "replicas created").await;
    let many = "create deployment web --image=i --replicas=6";
    let denied = "error: failed to create deployment: deployments.apps \"web\" is forbidden: \
        ValidatingAdmissionPolicy 'replicas' with binding 'replicas' denied request: at most 5 replicas";
    kubectl.check_with(many, "", false, denied).await;
    kubectl.check("annotate namespace default max-replicas=6", "annotated").await;
    kubectl.check(many, "created").await;
    let more = "scale deployment web --replicas=9";
    kubectl.check(more, "scaled").await;
    kubectl.check_with("apply -f -", POLICY, true, "replicas unchanged").await;
    let refused = "spec.validations[0].expression: Invalid value: \"object.spec.replicas <=\": compilation failed: ERROR: <input>:1:24: Syntax error";
    kubectl.check_with("apply -f -", WRONG, false, refused).await;
    kubectl.check_with("delete -f -", POLICY, true, "deleted").await;
    let label = "label namespace default pod-security.kubernetes.io/enforce=restricted";
    kubectl.check(label, "namespace/default labeled").await;
    let violated = "Error from server (Forbidden): pods \"p\" is forbidden: violates PodSecurity \"restricted:latest\"";
    kubectl.check_with("run p --image=i", "", false, violated).await;
}
