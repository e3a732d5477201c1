use serde_json::{Value, json};

use super::super::level::Version;
use super::*;

fn found(level: Level, version: Version, pod: &Value) -> Vec<String> {
    let found = evaluate(LevelVersion { level, version }, &Pod::of(pod));
    found.iter().map(|v| format!("{} ({})", v.reason, v.detail)).collect()
}

fn pod(spec: Value) -> Value {
    let mut pod = json!({"metadata": {}, "spec": {"containers": [{"name": "a"}]}});
    let spec = spec.as_object().unwrap().clone();
    pod["spec"].as_object_mut().unwrap().extend(spec);
    pod
}

/// A pod that the restricted level lets in, with a field of its container changed.
fn careful(context: Value) -> Value {
    let mut all = json!({"allowPrivilegeEscalation": false, "runAsNonRoot": true,
        "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}});
    all.as_object_mut().unwrap().extend(context.as_object().unwrap().clone());
    pod(json!({"containers": [{"name": "a", "securityContext": all}]}))
}

#[track_caller]
fn baseline(spec: Value, expected: &str) {
    assert_eq!(found(Level::Baseline, Version::Latest, &pod(spec)), [expected]);
}

#[track_caller]
fn restricted(context: Value, expected: &[&str]) {
    assert_eq!(found(Level::Restricted, Version::Latest, &careful(context)), expected);
}

#[test]
fn a_plain_pod_is_baseline_and_told_what_it_lacks_for_restricted() {
    assert_eq!(found(Level::Baseline, Version::Latest, &pod(json!({}))), [""; 0]);
    let expected = [
        "allowPrivilegeEscalation != false (container \"a\" must set securityContext.allowPrivilegeEscalation=false)",
        "unrestricted capabilities (container \"a\" must set securityContext.capabilities.drop=[\"ALL\"])",
        "runAsNonRoot != true (pod or container \"a\" must set securityContext.runAsNonRoot=true)",
        "seccompProfile (pod or container \"a\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")",
    ];
    assert_eq!(found(Level::Restricted, Version::Latest, &pod(json!({}))), expected);
    restricted(json!({}), &[]);
}

#[test]
fn baseline_forbids_the_host() {
    baseline(
        json!({"hostNetwork": true, "hostIPC": true}),
        "host namespaces (hostNetwork=true, hostIPC=true)",
    );
    let volume = |name: &str| json!({"name": name, "hostPath": {"path": "/"}});
    baseline(
        json!({"volumes": [volume("v"), volume("w"), {"name": "x", "emptyDir": {}}]}),
        "hostPath volumes (volumes \"v\", \"w\")",
    );
    let ports =
        json!([{"hostPort": 80, "containerPort": 1}, {"hostPort": 443}, {"containerPort": 3}]);
    baseline(
        json!({"containers": [{"name": "a", "ports": ports}, {"name": "b"}]}),
        "hostPort (container \"a\" uses hostPorts 443, 80)",
    );
    let probe = json!({"name": "a", "livenessProbe": {"httpGet": {"host": "h"}},
        "lifecycle": {"preStop": {"tcpSocket": {"host": "g"}}}});
    baseline(
        json!({"containers": [probe]}),
        "probe or lifecycle host (container \"a\" uses probe or lifecycle hosts \"g\", \"h\")",
    );
}

#[test]
fn baseline_forbids_what_makes_a_container_mighty() {
    let with = |context: Value| {
        json!({"initContainers": [{"name": "i", "securityContext": context.clone()}],
            "containers": [{"name": "a", "securityContext": context}]})
    };
    baseline(
        with(json!({"privileged": true})),
        "privileged (containers \"i\", \"a\" must not set securityContext.privileged=true)",
    );
    baseline(
        with(json!({"capabilities": {"add": ["SYS_ADMIN", "CHOWN", "NET_RAW"]}})),
        "non-default capabilities (containers \"i\", \"a\" must not include \"NET_RAW\", \"SYS_ADMIN\" in securityContext.capabilities.add)",
    );
    baseline(
        with(json!({"procMount": "Unmasked"})),
        "procMount (containers \"i\", \"a\" must not set securityContext.procMount to \"Unmasked\")",
    );
    baseline(
        with(json!({"seLinuxOptions": {"type": "spc_t", "user": "u"}})),
        "seLinuxOptions (containers \"i\", \"a\" set forbidden securityContext.seLinuxOptions: type \"spc_t\"; user may not be set)",
    );
    baseline(
        with(json!({"windowsOptions": {"hostProcess": true}})),
        "hostProcess (containers \"i\", \"a\" must not set securityContext.windowsOptions.hostProcess=true)",
    );
    let context = json!({"seccompProfile": {"type": "Unconfined"}});
    baseline(
        json!({"securityContext": context, "containers": [{"name": "a", "securityContext": context}]}),
        "seccompProfile (pod and container \"a\" must not set securityContext.seccompProfile.type to \"Unconfined\")",
    );
    baseline(
        json!({"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}),
        "forbidden AppArmor profile (pod must not set AppArmor profile type to \"Unconfined\")",
    );
    let sysctls = json!([{"name": "kernel.msgmax"}, {"name": "net.ipv4.tcp_rmem"}]);
    baseline(json!({"securityContext": {"sysctls": sysctls}}), "forbidden sysctls (kernel.msgmax)");
}

#[test]
fn restricted_forbids_the_rest() {
    restricted(
        json!({"capabilities": {"drop": ["ALL"], "add": ["CHOWN", "NET_BIND_SERVICE"]}}),
        &[
            "unrestricted capabilities (container \"a\" must not include \"CHOWN\" in securityContext.capabilities.add)",
        ],
    );
    restricted(
        json!({"runAsNonRoot": false, "runAsUser": 0}),
        &[
            "runAsNonRoot != true (container \"a\" must not set securityContext.runAsNonRoot=false)",
            "runAsUser=0 (container \"a\" must not set runAsUser=0)",
        ],
    );
    let mut pod = careful(json!({}));
    pod["spec"]["volumes"] = json!([{"name": "h", "hostPath": {}}, {"name": "i", "image": {}}]);
    let expected = "restricted volume types (volumes \"h\", \"i\" use restricted volume types \"hostPath\", \"unknown\")";
    assert_eq!(found(Level::Restricted, Version::Latest, &pod), [expected]);
}

#[test]
fn a_check_is_as_old_as_its_version() {
    let count = |level, minor, pod: &Value| found(level, Version::Minor(minor), pod).len();
    let plain = pod(json!({}));
    assert_eq!(count(Level::Restricted, 7, &plain), 1);
    assert_eq!(count(Level::Restricted, 21, &plain), 3);
    assert_eq!(count(Level::Restricted, 99, &plain), 4);
    let sysctls = json!([{"name": "net.ipv4.tcp_keepalive_time"}]);
    let sysctls = pod(json!({"securityContext": {"sysctls": sysctls}}));
    assert_eq!(
        (count(Level::Baseline, 28, &sysctls), count(Level::Baseline, 29, &sysctls)),
        (1, 0)
    );
    let windows = pod(json!({"os": {"name": "windows"}}));
    assert_eq!(count(Level::Restricted, 25, &windows), 1);
    let mut own = careful(json!({"procMount": "Unmasked", "runAsUser": 0}));
    own["spec"]["hostUsers"] = false.into();
    assert_eq!((count(Level::Baseline, 34, &own), count(Level::Baseline, 35, &own)), (1, 0));
    assert_eq!((count(Level::Restricted, 34, &own), count(Level::Restricted, 35, &own)), (2, 1));
}
