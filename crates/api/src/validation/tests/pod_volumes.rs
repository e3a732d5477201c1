//! Volumes of pods, and how containers have them.

use serde_json::{Value, json};

use super::check;

/// A pod with this volume, which nobody mounts; paths of messages begin at the volume.
#[track_caller]
fn check_volume(source: Value, expected: &[&str]) {
    let mut volume = source;
    volume["name"] = json!("v");
    let expected: Vec<_> = expected.iter().map(|text| format!("spec.volumes[0]{text}")).collect();
    let expected: Vec<_> = expected.iter().map(String::as_str).collect();
    let spec = json!({"containers": [{"name": "a", "image": "a:1"}], "volumes": [volume]});
    check("v1/Pod", json!({"metadata": {"name": "a"}, "spec": spec}), &expected);
}

/// A pod with two volumes, a claim and an empty one; paths of messages begin at the container.
#[track_caller]
fn check_container(fields: Value, expected: &[&str]) {
    let mut container = fields;
    container["name"] = json!("a");
    container["image"] = json!("a:1");
    let spec = json!({"containers": [container], "volumes": [{"name": "e", "emptyDir": {}},
        {"name": "c", "persistentVolumeClaim": {"claimName": "c"}}]});
    let expected: Vec<_> =
        expected.iter().map(|text| format!("spec.containers[0].{text}")).collect();
    let expected: Vec<_> = expected.iter().map(String::as_str).collect();
    check("v1/Pod", json!({"metadata": {"name": "a"}, "spec": spec}), &expected);
}

#[test]
fn a_volume_has_one_source() {
    check_volume(
        json!({"emptyDir": {}, "cephfs": {"monitors": ["a"]}, "hostPath": {"path": "/a"}}),
        &[
            ".hostPath: Forbidden: may not specify more than 1 volume type",
            ".cephFS: Forbidden: may not specify more than 1 volume type",
        ],
    );
}

#[test]
fn sources_say_what_they_need() {
    check_volume(
        json!({"gcePersistentDisk": {"partition": 300}}),
        &[
            ".persistentDisk.pdName: Required value",
            ".persistentDisk.partition: Invalid value: 300: must be between 1 and 255, inclusive",
        ],
    );
    check_volume(
        json!({"nfs": {"server": "a", "path": "x"}}),
        &[".nfs.path: Invalid value: \"x\": must be an absolute path"],
    );
    check_volume(
        json!({"iscsi": {"targetPortal": "a", "iqn": "x", "lun": 0}}),
        &[".iscsi.iqn: Invalid value: \"x\": must be valid format starting with iqn, eui, or naa"],
    );
    check_volume(
        json!({"fc": {}}),
        &[".fc.targetWWNs: Required value: must specify either targetWWNs or wwids, but not both"],
    );
    check_volume(
        json!({"flexVolume": {"driver": "d", "options": {"x.kubernetes.io/a": "b"}}}),
        &[".flexVolume.options[x.kubernetes.io/a]: Invalid value: \"x.kubernetes.io/a\": \
           kubernetes.io and k8s.io namespaces are reserved"],
    );
    check_volume(
        json!({"csi": {"driver": "a.b", "nodePublishSecretRef": {}}}),
        &[".csi.nodePublishSecretRef.name: Required value"],
    );
    check_volume(
        json!({"rbd": {}}),
        &[".rbd.monitors: Required value", ".rbd.image: Required value"],
    );
}

#[test]
fn claims_that_come_with_the_pod() {
    check_volume(
        json!({"ephemeral": {"volumeClaimTemplate": {"metadata": {"name": "x"}, "spec": {}}}}),
        &[
            ".ephemeral.volumeClaimTemplate.metadata.name: Forbidden: cannot be set",
            ".ephemeral.volumeClaimTemplate.spec.accessModes: Required value: at least 1 access \
             mode is required",
            ".ephemeral.volumeClaimTemplate.spec.resources[storage]: Required value",
        ],
    );
}

#[test]
fn files_of_several_sources_do_not_meet() {
    let source =
        |name: &str| json!({"configMap": {"name": name, "items": [{"key": "k", "path": "p"}]}});
    check_volume(
        json!({"projected": {"sources": [source("a"), source("b")]}}),
        &[".projected: Invalid value: \"b\": conflicting duplicate paths"],
    );
}

#[test]
fn devices_are_of_claims_and_are_not_mounted_too() {
    check_container(json!({"volumeDevices": [{"name": "c", "devicePath": "/dev/x"}]}), &[]);
    check_container(
        json!({"volumeDevices": [{"name": "e", "devicePath": "/dev/../x"}, {"name": "n", "devicePath": ""}],
            "volumeMounts": [{"name": "e", "mountPath": "/e"}]}),
        &[
            "volumeMounts[0].name: Invalid value: \"e\": must not already exist in volumeDevices",
            "volumeDevices[0].name: Invalid value: \"e\": can only use volume source type of \
             PersistentVolumeClaim or Ephemeral for block mode",
            "volumeDevices[0].devicePath: Invalid value: \"/dev/../x\": can not contain backsteps \
             ('..')",
            "volumeDevices[0].name: Invalid value: \"e\": must not already exist in volumeMounts",
            "volumeDevices[1].name: Not found: \"n\"",
            "volumeDevices[1].devicePath: Required value",
        ],
    );
}

#[test]
fn mounts_that_are_read_only_all_the_way_down() {
    let mount = |fields: Value| {
        let mut mount = fields;
        mount["name"] = json!("e");
        mount["mountPath"] = json!("/e");
        json!({"volumeMounts": [mount]})
    };
    check_container(mount(json!({"readOnly": true, "recursiveReadOnly": "Enabled"})), &[]);
    check_container(
        mount(json!({"recursiveReadOnly": "Enabled", "mountPropagation": "HostToContainer"})),
        &[
            "volumeMounts.recursiveReadOnly: Forbidden: may only be specified when readOnly is \
             true",
            "volumeMounts.recursiveReadOnly: Forbidden: may only be specified when \
             mountPropagation is None or not specified",
        ],
    );
}

#[test]
fn policies_for_a_change_of_resources() {
    check_container(
        json!({"resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"},
            {"resourceName": "cpu", "restartPolicy": "Maybe"}, {"resourceName": "disk",
            "restartPolicy": "NotRequired"}]}),
        &[
            "resizePolicy[1]: Duplicate value: \"cpu\"",
            "resizePolicy: Unsupported value: \"Maybe\": supported values: \"NotRequired\", \
             \"RestartContainer\"",
            "resizePolicy: Unsupported value: \"disk\": supported values: \"cpu\", \"memory\"",
        ],
    );
}

#[test]
fn names_of_resources() {
    let limits =
        |name: &str| json!({"resources": {"requests": {name: "1"}, "limits": {name: "1"}}});
    check_container(limits("example.com/gpu"), &[]);
    check_container(
        limits("storage"),
        &[
            "resources.limits[storage]: Invalid value: \"storage\": must be a standard resource for \
             containers",
            "resources.requests[storage]: Invalid value: \"storage\": must be a standard resource \
             for containers",
        ],
    );
    check_container(
        limits("requests.example.com/gpu"),
        &[
            "resources.limits[requests.example.com/gpu]: Invalid value: \
             \"requests.example.com/gpu\": doesn't follow extended resource name standard",
            "resources.requests[requests.example.com/gpu]: Invalid value: \
             \"requests.example.com/gpu\": doesn't follow extended resource name standard",
        ],
    );
    check_container(
        limits("hugepages-2Mi"),
        &["resources: Forbidden: HugePages require cpu or memory"],
    );
    check_container(
        json!({"resources": {"claims": [{"name": "x"}]}}),
        &["resources.claims[0]: Not found: \"x\": must be one of the names in \
           pod.spec.resourceClaims which is empty"],
    );
}
