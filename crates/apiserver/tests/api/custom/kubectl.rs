//! kubectl with a kind that it has never heard of.

use crate::kubectl::Kubectl;

const DEFINITION: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: crontabs.stable.example.com}
spec:
  group: stable.example.com
  scope: Namespaced
  names: {plural: crontabs, singular: crontab, kind: CronTab, shortNames: [ct], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}
    additionalPrinterColumns:
    - {name: Spec, type: string, description: The cron spec, jsonPath: .spec.cronSpec}
    - {name: Replicas, type: integer, jsonPath: .spec.replicas}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
    schema:
      openAPIV3Schema:
        description: CronTab for Testing
        type: object
        required: [spec]
        properties:
          spec:
            type: object
            description: Specification of CronTab
            required: [cronSpec]
            properties:
              cronSpec: {type: string, description: When it runs, pattern: '^(\d+|\*)(/\d+)?(\s+(\d+|\*)(/\d+)?){4}$'}
              image: {type: string, default: busybox}
              replicas: {type: integer, minimum: 1, maximum: 10}
              bars:
                type: array
                description: List of Bars and their specs.
                items:
                  type: object
                  required: [name]
                  properties:
                    name: {type: string, description: Name of Bar.}
          status:
            type: object
            properties:
              replicas: {type: integer}
"#;

fn tab(spec: &str) -> String {
    format!(
        "apiVersion: stable.example.com/v1\nkind: CronTab\nmetadata: {{name: one}}\nspec: {spec}\n"
    )
}

#[tokio::test]
async fn kubectl_works_with_a_custom_kind() {
    let Some(kubectl) = Kubectl::start().await else { return };
    let made = "customresourcedefinition.apiextensions.k8s.io/crontabs.stable.example.com created";
    kubectl.check_with("apply -f -", DEFINITION, true, made).await;
    let wait = "wait --for=condition=Established crd/crontabs.stable.example.com --timeout=5s";
    kubectl.check(wait, "condition met").await;
    kubectl.check("get crd", "CREATED AT").await;
    kubectl.check("api-resources --api-group=stable.example.com", "ct").await;

    let unknown = tab("{cronSpec: '* * * * */5', what: 1}");
    kubectl.check_with("create -f -", &unknown, false, "unknown field \"spec.what\"").await;
    let incomplete = tab("{cronSpec: '* * * * */5', bars: [{}]}");
    let missing = "spec.bars[0].name: Required value";
    kubectl.check_with("create -f -", &incomplete, false, missing).await;
    let valid = tab("{cronSpec: '* * * * */5', replicas: 2}");
    kubectl.check_with("create -f -", &valid, true, "crontab.stable.example.com/one created").await;
    kubectl.check("get ct", "NAME   SPEC          REPLICAS   AGE\none    * * * * */5   2").await;
    kubectl.check("get all", "crontab.stable.example.com/one").await;
    kubectl.check("get ct one -o jsonpath={.spec.image}", "busybox").await;

    let patch = r#"patch ct one --type=merge -p {"spec":{"replicas":11}}"#;
    kubectl.check_with(patch, "", false, "should be less than or equal to 10").await;
    let patch = r#"patch ct one --type=merge -p {"spec":{"replicas":3}}"#;
    kubectl.check(patch, "patched").await;
    let status = r#"patch ct one --subresource=status --type=merge -p {"status":{"replicas":3}}"#;
    kubectl.check(status, "patched").await;
    kubectl.check("scale ct one --replicas=4", "scaled").await;
    kubectl.check("get ct one -o jsonpath={.spec.replicas}{.status.replicas}", "43").await;
    let applied = tab("{cronSpec: '*/2 * * * *'}");
    kubectl
        .check_with("apply --server-side --force-conflicts -f -", &applied, true, "applied")
        .await;
    kubectl.check("describe ct one", "Cron Spec:  */2 * * * *").await;

    kubectl.check("delete crd crontabs.stable.example.com --timeout=10s", "deleted").await;
    kubectl.check_with("get ct", "", false, "could not find the requested resource").await;
    kubectl.stop().await;
}

#[tokio::test]
async fn kubectl_explains_a_custom_kind() {
    let Some(kubectl) = Kubectl::start().await else { return };
    kubectl.check_with("apply -f -", DEFINITION, true, "created").await;
    kubectl.check("explain crontabs", "CronTab for Testing").await;
    kubectl.check("explain crontabs", "APIVersion defines").await;
    kubectl.check("explain crontabs.metadata", "CreationTimestamp is a timestamp").await;
    kubectl.check("explain crontabs.spec", "List of Bars and their specs").await;
    kubectl.check("explain crontabs.spec.bars", "Name of Bar").await;
    let nothing = "field \"bars2\" does not exist";
    kubectl.check_with("explain crontabs.spec.bars2", "", false, nothing).await;
    kubectl.stop().await;
}
