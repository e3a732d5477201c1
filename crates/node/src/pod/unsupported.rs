//! What a pod asks for that this node cannot do. Nothing is ignored in silence: the pod waits
//! with a reason that names the field.

use k8s_openapi::api::core::v1::{
    AppArmorProfile, Container, Pod, PodSpec, SELinuxOptions, Volume,
};
use serde_json::Value;

/// The volume kinds of `volumes.rs`.
const VOLUMES: [&str; 6] =
    ["emptyDir", "configMap", "secret", "projected", "downwardAPI", "hostPath"];
/// The projected sources of `volumes.rs`.
const PROJECTED: [&str; 4] = ["configMap", "secret", "downwardAPI", "serviceAccountToken"];

/// The paths of the fields of `pod` that are not supported, with their values where that helps.
pub(crate) fn fields(pod: &Pod) -> Vec<String> {
    let mut found = Vec::new();
    let Some(spec) = &pod.spec else { return found };
    pod_fields(spec, &mut found);
    for (index, volume) in spec.volumes.iter().flatten().enumerate() {
        volume_fields(&format!("spec.volumes[{index}]"), volume, &mut found);
    }
    for (path, container) in containers(spec) {
        container_fields(&path, container, &mut found);
    }
    found
}

/// The fields that change nothing on this node though the pod can run without them.
pub(crate) fn ignored(pod: &Pod) -> Vec<String> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    let profile = |profile: Option<&AppArmorProfile>| {
        profile.is_some_and(|profile| profile.type_ == "RuntimeDefault")
    };
    let mut found = Vec::new();
    let mut note = |path: &str, armour: Option<&AppArmorProfile>, own: Option<&SELinuxOptions>| {
        if profile(armour) {
            found.push(format!("{path}.securityContext.appArmorProfile"));
        }
        if labels(own) {
            found.push(format!("{path}.securityContext.seLinuxOptions"));
        }
    };
    if let Some(shared) = &spec.security_context {
        note("spec", shared.app_armor_profile.as_ref(), shared.se_linux_options.as_ref());
    }
    for (path, container) in containers(spec) {
        if let Some(own) = &container.security_context {
            note(&path, own.app_armor_profile.as_ref(), own.se_linux_options.as_ref());
        }
    }
    found
}

/// The same of one container that came later; the rest of the pod goes on.
pub(crate) fn of_ephemeral(container: &Container) -> Vec<String> {
    let mut found = Vec::new();
    let path = format!("spec.ephemeralContainers{{{}}}", container.name);
    container_fields(&path, container, &mut found);
    let security = container.security_context.as_ref();
    if labels(security.and_then(|own| own.se_linux_options.as_ref())) {
        found.push(format!("{path}.securityContext.seLinuxOptions"));
    }
    found
}

/// All containers of a pod, each with its path.
fn containers(spec: &PodSpec) -> impl Iterator<Item = (String, &Container)> {
    let inits = spec.init_containers.iter().flatten().enumerate();
    let inits = inits.map(|(index, own)| (format!("spec.initContainers[{index}]"), own));
    let mains = spec.containers.iter().enumerate();
    inits.chain(mains.map(|(index, own)| (format!("spec.containers[{index}]"), own)))
}

fn pod_fields(spec: &PodSpec, found: &mut Vec<String>) {
    let mut note = |present: bool, field: &str| {
        if present {
            found.push(format!("spec.{field}"));
        }
    };
    note(spec.runtime_class_name.is_some(), "runtimeClassName");
    note(spec.host_users == Some(false), "hostUsers: false");
    note(spec.resource_claims.is_some(), "resourceClaims");
    note(spec.os.as_ref().is_some_and(|os| os.name != "linux"), "os.name");
    if let Some(security) = &spec.security_context {
        note(
            localhost(security.seccomp_profile.as_ref().map(|p| &*p.type_)),
            "securityContext.seccompProfile: Localhost",
        );
        note(
            localhost(security.app_armor_profile.as_ref().map(|p| &*p.type_)),
            "securityContext.appArmorProfile: Localhost",
        );
        note(security.windows_options.is_some(), "securityContext.windowsOptions");
        note(
            security.supplemental_groups_policy.as_deref() == Some("Strict"),
            "securityContext.supplementalGroupsPolicy: Strict",
        );
    }
}

/// Whether any label is asked for. Upstream passes over labels, too, where the kernel has none.
fn labels(options: Option<&SELinuxOptions>) -> bool {
    options.is_some_and(|options| *options != SELinuxOptions::default())
}

fn localhost(kind: Option<&str>) -> bool {
    kind == Some("Localhost")
}

fn volume_fields(path: &str, volume: &Volume, found: &mut Vec<String>) {
    for kind in keys(volume).into_iter().filter(|key| key != "name") {
        if !VOLUMES.contains(&kind.as_str()) {
            found.push(format!("{path}.{kind}"));
        }
    }
    let medium = volume.empty_dir.as_ref().and_then(|empty| empty.medium.as_deref());
    if let Some(medium) = medium.filter(|medium| !matches!(*medium, "" | "Memory")) {
        found.push(format!("{path}.emptyDir.medium: {medium}"));
    }
    let kind = volume.host_path.as_ref().and_then(|host| host.type_.as_deref());
    if let Some(kind) = kind.filter(|kind| matches!(*kind, "CharDevice" | "BlockDevice")) {
        found.push(format!("{path}.hostPath.type: {kind}"));
    }
    let sources = volume.projected.iter().filter_map(|projected| projected.sources.as_ref());
    for (index, source) in sources.flatten().enumerate() {
        for kind in keys(source) {
            if !PROJECTED.contains(&kind.as_str()) {
                found.push(format!("{path}.projected.sources[{index}].{kind}"));
            }
        }
    }
}

fn container_fields(path: &str, container: &Container, found: &mut Vec<String>) {
    let mut note = |present: bool, field: &str| {
        if present {
            found.push(format!("{path}.{field}"));
        }
    };
    note(container.volume_devices.is_some(), "volumeDevices");
    note(container.restart_policy_rules.is_some(), "restartPolicyRules");
    let resources = container.resources.as_ref();
    note(resources.is_some_and(|r| r.claims.is_some()), "resources.claims");
    let limits = resources.and_then(|r| r.limits.as_ref()).into_iter().flatten();
    for (name, _) in limits.filter(|(name, _)| name.starts_with("hugepages-")) {
        note(true, &format!("resources.limits.{name}"));
    }
    if let Some(security) = &container.security_context {
        note(
            localhost(security.seccomp_profile.as_ref().map(|p| &*p.type_)),
            "securityContext.seccompProfile: Localhost",
        );
        note(
            localhost(security.app_armor_profile.as_ref().map(|p| &*p.type_)),
            "securityContext.appArmorProfile: Localhost",
        );
        note(security.windows_options.is_some(), "securityContext.windowsOptions");
    }
    for (index, mount) in container.volume_mounts.iter().flatten().enumerate() {
        let strict = mount.recursive_read_only.as_deref() == Some("Enabled");
        note(strict, &format!("volumeMounts[{index}].recursiveReadOnly: Enabled"));
        let both = mount.mount_propagation.as_deref() == Some("Bidirectional");
        note(both, &format!("volumeMounts[{index}].mountPropagation: Bidirectional"));
    }
    for (index, env) in container.env.iter().flatten().enumerate() {
        let file = env.value_from.as_ref().is_some_and(|from| from.file_key_ref.is_some());
        note(file, &format!("env[{index}].valueFrom.fileKeyRef"));
    }
}

/// The names of the fields that are set.
fn keys(object: &impl serde::Serialize) -> Vec<String> {
    match serde_json::to_value(object) {
        Ok(Value::Object(map)) => map.into_iter().map(|(key, _)| key).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(mut spec: Value, expected: &[&str]) {
        if spec.get("containers").is_none() {
            spec["containers"] = json!([]);
        }
        let pod: Pod = serde_json::from_value(json!({"spec": spec})).unwrap();
        assert_eq!(fields(&pod), expected);
    }

    #[test]
    fn a_common_pod_is_supported() {
        check(
            json!({"containers": [{"name": "c", "resources": {"limits": {"cpu": "1"}},
                "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}],
                "volumes": [{"name": "a", "emptyDir": {"medium": "Memory"}},
                    {"name": "b", "hostPath": {"path": "/x", "type": "Directory"}},
                    {"name": "c", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]}),
            &[],
        );
    }

    #[test]
    fn volume_kinds_are_named() {
        check(
            json!({"volumes": [{"name": "a", "persistentVolumeClaim": {"claimName": "x"}},
                {"name": "b", "emptyDir": {"medium": "HugePages"}},
                {"name": "c", "projected": {"sources": [{"clusterTrustBundle": {"path": "p"}}]}}]}),
            &[
                "spec.volumes[0].persistentVolumeClaim",
                "spec.volumes[1].emptyDir.medium: HugePages",
                "spec.volumes[2].projected.sources[0].clusterTrustBundle",
            ],
        );
    }

    #[test]
    fn labels_that_are_not_set_are_told_of() {
        let spec = json!({"securityContext": {"seLinuxOptions": {"level": "s0"}}, "containers": [
            {"name": "a", "securityContext": {"seLinuxOptions": {}}},
            {"name": "b", "securityContext": {"seLinuxOptions": {"role": "r"}}}]});
        let pod: Pod = serde_json::from_value(json!({"spec": spec})).unwrap();
        let own = "spec.containers[1].securityContext.seLinuxOptions";
        assert_eq!(ignored(&pod), ["spec.securityContext.seLinuxOptions", own]);
        assert_eq!(fields(&pod), [""; 0]);
        let late = of_ephemeral(&pod.spec.unwrap().containers[1]);
        assert_eq!(late, ["spec.ephemeralContainers{b}.securityContext.seLinuxOptions"]);
    }

    #[test]
    fn a_profile_that_is_not_set_is_told_of() {
        let profile = |kind| json!({"appArmorProfile": {"type": kind}});
        let spec = json!({"securityContext": profile("RuntimeDefault"), "containers": [
            {"name": "a", "securityContext": profile("Unconfined")},
            {"name": "b", "securityContext": profile("RuntimeDefault")}]});
        let pod: Pod = serde_json::from_value(json!({"spec": spec})).unwrap();
        let expected = [
            "spec.securityContext.appArmorProfile",
            "spec.containers[1].securityContext.appArmorProfile",
        ];
        assert_eq!(ignored(&pod), expected);
        assert_eq!(fields(&pod), [""; 0]);
    }

    #[test]
    fn groups_and_shared_mounts_are_named() {
        check(
            json!({"securityContext": {"seLinuxOptions": {}, "supplementalGroupsPolicy": "Strict"},
                "containers": [{"name": "c", "securityContext": {"seLinuxOptions": {"level": "s0"}},
                    "volumeMounts": [{"name": "v", "mountPath": "/v",
                        "mountPropagation": "Bidirectional"}]}]}),
            &[
                "spec.securityContext.supplementalGroupsPolicy: Strict",
                "spec.containers[0].volumeMounts[0].mountPropagation: Bidirectional",
            ],
        );
    }

    #[test]
    fn fields_of_pod_and_containers_are_named() {
        check(
            json!({"runtimeClassName": "gvisor", "hostUsers": false,
                "containers": [{"name": "c", "volumeDevices": [],
                    "resources": {"limits": {"hugepages-2Mi": "4Mi"}},
                    "securityContext": {"seccompProfile": {"type": "Localhost"}}}]}),
            &[
                "spec.runtimeClassName",
                "spec.hostUsers: false",
                "spec.containers[0].volumeDevices",
                "spec.containers[0].resources.limits.hugepages-2Mi",
                "spec.containers[0].securityContext.seccompProfile: Localhost",
            ],
        );
    }
}
