//! The kinds that most clusters have, in upstream's words.

use serde_json::{Value, json};

use super::{check, check_update, with};

fn template(policy: &str) -> Value {
    json!({"metadata": {"labels": {"app": "x"}}, "spec": {"restartPolicy": policy,
        "terminationGracePeriodSeconds": 30, "containers": [{"name": "a", "image": "b"}]}})
}

fn object(spec: Value) -> Value {
    json!({"metadata": {"name": "x", "namespace": "default"}, "spec": spec})
}

fn stateful_set() -> Value {
    object(json!({"selector": {"matchLabels": {"app": "x"}}, "template": template("Always")}))
}

#[test]
fn stateful_sets_change_in_few_fields() {
    const KIND: &str = "apps/v1/StatefulSet";
    check(KIND, stateful_set(), &[]);
    let negative = with(stateful_set(), "/spec/replicas", json!(-1));
    let expected = "spec.replicas: Invalid value: -1: must be greater than or equal to 0";
    check(KIND, negative, &[expected]);
    let grown = with(stateful_set(), "/spec/replicas", json!(5));
    check_update(KIND, grown, stateful_set(), &[]);
    let renamed = with(stateful_set(), "/spec/serviceName", json!("other"));
    let expected = "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', \
        'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', \
        'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
    check_update(KIND, renamed, stateful_set(), &[expected]);
}

#[test]
fn jobs_end() {
    const KIND: &str = "batch/v1/Job";
    let labelled = |policy: &str| {
        let template = with(template(policy), "/metadata", json!({"labels": {"a": "b"}}));
        object(json!({"manualSelector": true, "selector": {"matchLabels": {"a": "b"}},
            "template": template}))
    };
    let job = || labelled("Never");
    check(KIND, job(), &[]);
    let expected =
        "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\"";
    check(KIND, labelled("Always"), &[expected]);
    let more = with(job(), "/spec/completions", json!(3));
    let expected = "spec.completions: Invalid value: 3: field is immutable";
    check_update(KIND, more, job(), &[expected]);
}

#[test]
fn cron_jobs_have_a_schedule() {
    const KIND: &str = "batch/v1/CronJob";
    let with_schedule = |schedule: &str| {
        object(
            json!({"schedule": schedule, "jobTemplate": {"spec": {"template": template("Never")}}}),
        )
    };
    check(KIND, with_schedule("*/5 * * * *"), &[]);
    check(KIND, with_schedule("@hourly"), &[]);
    check(KIND, with_schedule(""), &["spec.schedule: Required value"]);
    let expected =
        "spec.schedule: Invalid value: \"a b\": expected exactly 5 fields, found 2: [a b]";
    check(KIND, with_schedule("a b"), &[expected]);
}

#[test]
fn autoscalers_have_bounds() {
    const KIND: &str = "autoscaling/v2/HorizontalPodAutoscaler";
    let scaler = |least: i64, most: i64| {
        let target = json!({"kind": "Deployment", "name": "web"});
        object(json!({"minReplicas": least, "maxReplicas": most, "scaleTargetRef": target}))
    };
    check(KIND, scaler(1, 3), &[]);
    let expected =
        "spec.maxReplicas: Invalid value: 1: must be greater than or equal to `minReplicas`";
    check(KIND, scaler(2, 1), &[expected]);
}

#[test]
fn budgets_have_one_bound() {
    const KIND: &str = "policy/v1/PodDisruptionBudget";
    check(KIND, object(json!({"minAvailable": "50%"})), &[]);
    let both = object(json!({"minAvailable": 1, "maxUnavailable": 1}));
    let expected = "spec: Invalid value: {\"maxUnavailable\":1,\"minAvailable\":1}: minAvailable and \
        maxUnavailable cannot be both set";
    check(KIND, both, &[expected]);
}

#[test]
fn claims_ask_for_storage_and_stay() {
    const KIND: &str = "v1/PersistentVolumeClaim";
    let claim = || {
        object(
            json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}),
        )
    };
    check(KIND, claim(), &[]);
    let bare = object(json!({"accessModes": ["ReadWriteOnce"]}));
    check(KIND, bare, &["spec.resources[storage]: Required value"]);
    let of_class = |name: &str| with(claim(), "/spec/storageClassName", json!(name));
    let expected = "spec: Forbidden: spec is immutable after creation except resources.requests \
        and volumeAttributesClassName for bound claims";
    check_update(KIND, of_class("other"), of_class("one"), &[expected]);
    check_update(KIND, of_class("default"), claim(), &[]);
    let grown = with(claim(), "/spec/resources/requests/storage", json!("2Gi"));
    check_update(KIND, grown.clone(), claim(), &[expected]);
    let bound = |claim: Value| with(claim, "/status", json!({"phase": "Bound"}));
    check_update(KIND, bound(grown.clone()), bound(claim()), &[]);
    let held = with(bound(grown), "/status/capacity", json!({"storage": "2Gi"}));
    let expected = "spec.resources.requests.storage: Forbidden: field can not be less than \
        status.capacity";
    check_update(KIND, bound(claim()), held, &[expected]);
    let bound = with(claim(), "/spec/volumeName", json!("pv"));
    check_update(KIND, bound, claim(), &[]);
}

#[test]
fn volumes_have_one_source() {
    const KIND: &str = "v1/PersistentVolume";
    let volume = |source: Value| {
        let mut spec = json!({"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]});
        spec.as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
        json!({"metadata": {"name": "pv"}, "spec": spec})
    };
    check(KIND, volume(json!({"hostPath": {"path": "/x"}})), &[]);
    check(KIND, volume(json!({})), &["spec: Required value: must specify a volume type"]);
    let two = json!({"hostPath": {"path": "/x"}, "local": {"path": "/y"}});
    let expected = "spec.local: Forbidden: may not specify more than 1 volume type";
    check(KIND, volume(two), &[expected]);
}

#[test]
fn classes_are_what_they_were() {
    const KIND: &str = "storage.k8s.io/v1/StorageClass";
    let class = || json!({"metadata": {"name": "c"}, "provisioner": "p"});
    check(KIND, class(), &[]);
    let other = with(class(), "/provisioner", json!("q"));
    check_update(
        KIND,
        other,
        class(),
        &["provisioner: Forbidden: updates to provisioner are forbidden."],
    );
}

#[test]
fn policies_name_their_peers() {
    const KIND: &str = "networking.k8s.io/v1/NetworkPolicy";
    check(KIND, object(json!({"podSelector": {}, "ingress": [{}]})), &[]);
    let nobody = object(json!({"podSelector": {}, "ingress": [{"from": [{}]}]}));
    check(KIND, nobody, &["spec.ingress[0].from[0]: Required value: must specify a peer"]);
}

#[test]
fn addresses_are_named_after_themselves() {
    const KIND: &str = "networking.k8s.io/v1/IPAddress";
    let address = |name: &str| {
        let parent = json!({"resource": "services", "namespace": "default", "name": "x"});
        json!({"metadata": {"name": name}, "spec": {"parentRef": parent}})
    };
    check(KIND, address("10.0.0.1"), &[]);
    let expected = "metadata.name: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 \
        or 2001:db8::ffff)";
    check(KIND, address("x"), &[expected]);
}

#[test]
fn flow_schemas_name_a_level() {
    const KIND: &str = "flowcontrol.apiserver.k8s.io/v1/FlowSchema";
    let schema = |precedence: i64| {
        let level = json!({"name": "global-default"});
        json!({"metadata": {"name": "f"}, "spec": {"matchingPrecedence": precedence,
            "priorityLevelConfiguration": level}})
    };
    check(KIND, schema(9999), &[]);
    let expected = "spec.matchingPrecedence: Invalid value: 10001: must not be greater than 10000";
    check(KIND, schema(10_001), &[expected]);
}

#[test]
fn a_certificate_request_is_one() {
    const KIND: &str = "certificates.k8s.io/v1/CertificateSigningRequest";
    let request = json!({"metadata": {"name": "c"}, "spec": {"request": "YQ==",
        "signerName": "example.com/x", "usages": ["client auth"]}});
    let expected =
        "spec.request: Invalid value: \"YQ==\": PEM block type must be CERTIFICATE REQUEST";
    check(KIND, request, &[expected]);
}

#[test]
fn the_volumes_of_a_stateful_set_come_with_its_pods() {
    let set = |strategy: Value| {
        object(json!({"serviceName": "a", "selector": {"matchLabels": {"a": "b"}},
            "updateStrategy": strategy, "template": {"metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "image": "i",
            "volumeMounts": [{"name": "data", "mountPath": "/d"}]}]}},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {}}]}))
    };
    const KIND: &str = "apps/v1/StatefulSet";
    check(KIND, set(json!({})), &[]);
    let expected = "spec.updateStrategy: Invalid value: {\"type\":\"Never\"}: must be \
        'RollingUpdate' or 'OnDelete'";
    check(KIND, set(json!({"type": "Never"})), &[expected]);
}

#[test]
fn daemon_sets_roll_by_pods_less_or_pods_more() {
    let set = |rolling: Value| {
        object(json!({"selector": {"matchLabels": {"a": "b"}},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": rolling},
            "template": {"metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "image": "i"}]}}}))
    };
    const KIND: &str = "apps/v1/DaemonSet";
    check(KIND, set(json!({"maxUnavailable": 0, "maxSurge": "10%"})), &[]);
    let both = "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when \
        maxUnavailable is non-zero";
    check(KIND, set(json!({"maxUnavailable": 1, "maxSurge": 1})), &[both]);
    let none = "spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when \
        maxSurge is 0";
    check(KIND, set(json!({"maxUnavailable": 0, "maxSurge": 0})), &[none]);
}
