//! This box as a Node and a Lease: pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::{
    ContainerImage, Node, NodeAddress, NodeCondition, NodeSpec, NodeStatus, NodeSystemInfo,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, OwnerReference, Time};

use crate::machine::{self, Left};
use crate::shared::Shared;

/// Pods that one node takes.
pub(crate) const PODS_MAX: u32 = 110;
/// Less memory than this is pressure.
const MEMORY_LEFT_MIN: u64 = 100 << 20;
/// Less of the disk than this, in percent, is pressure.
const DISK_LEFT_MIN_PERCENT: u64 = 5;
/// More of the possible tasks than this, in percent, is pressure.
const TASKS_MAX_PERCENT: u64 = 90;
/// A Lease not renewed for so long means that the node is gone.
const LEASE_SECONDS: i32 = 40;
/// Images that a status names.
const IMAGES_LEN_MAX: usize = 50;

/// The Node as it is created.
pub(crate) fn node(shared: &Shared) -> Node {
    Node {
        metadata: ObjectMeta {
            name: Some(shared.name.clone()),
            labels: Some(labels(&shared.name)),
            ..ObjectMeta::default()
        },
        spec: Some(NodeSpec {
            provider_id: Some(format!("sampan://{}", shared.name)),
            ..NodeSpec::default()
        }),
        status: None,
    }
}

/// The labels every node carries.
pub(crate) fn labels(name: &str) -> BTreeMap<String, String> {
    let arch = machine::architecture();
    [
        ("kubernetes.io/hostname", name),
        ("kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", arch),
        ("beta.kubernetes.io/os", "linux"),
        ("beta.kubernetes.io/arch", arch),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect()
}

/// The status, without conditions.
pub(crate) fn status(shared: &Shared, left: &Left, images: Vec<image::Image>) -> NodeStatus {
    let machine = &shared.machine;
    let capacity = BTreeMap::from([
        ("cpu".to_owned(), Quantity(machine.cpus.to_string())),
        ("memory".to_owned(), Quantity(format!("{}Ki", machine.memory_bytes / 1024))),
        ("ephemeral-storage".to_owned(), Quantity(format!("{}Ki", left.disk_total_bytes / 1024))),
        ("pods".to_owned(), Quantity(PODS_MAX.to_string())),
    ]);
    let address = |kind: &str, address: String| NodeAddress { type_: kind.to_owned(), address };
    NodeStatus {
        addresses: Some(vec![
            address("InternalIP", shared.node_address.to_string()),
            address("Hostname", shared.name.clone()),
        ]),
        allocatable: Some(capacity.clone()),
        capacity: Some(capacity),
        images: Some(images.into_iter().take(IMAGES_LEN_MAX).map(container_image).collect()),
        node_info: Some(NodeSystemInfo {
            architecture: machine::architecture().to_owned(),
            boot_id: machine.boot_id.clone(),
            container_runtime_version: concat!("sampan://", env!("CARGO_PKG_VERSION")).to_owned(),
            kernel_version: machine.kernel.clone(),
            kubelet_version: shared.version.clone(),
            machine_id: machine.machine_id.clone(),
            operating_system: "linux".to_owned(),
            os_image: machine.os_image.clone(),
            system_uuid: machine.system_uuid.clone(),
            ..NodeSystemInfo::default()
        }),
        ..NodeStatus::default()
    }
}

fn container_image(image: image::Image) -> ContainerImage {
    ContainerImage {
        names: Some(image.references.iter().map(ToString::to_string).collect()),
        size_bytes: i64::try_from(image.size).ok(),
    }
}

/// The node's conditions, each with the time of its last change.
pub(crate) fn conditions(node: &Node, left: &Left, now: Timestamp) -> Vec<NodeCondition> {
    let memory = left.memory_bytes < MEMORY_LEFT_MIN;
    let disk = left.disk_bytes < left.disk_total_bytes / 100 * DISK_LEFT_MIN_PERCENT;
    let tasks = left.tasks > left.tasks_max / 100 * TASKS_MAX_PERCENT;
    let condition = |kind, holds: bool, (reason, message): (&str, &str)| {
        condition(node, kind, holds, reason, message, now)
    };
    let either = |holds, yes, no| if holds { yes } else { no };
    vec![
        condition(
            "MemoryPressure",
            memory,
            either(
                memory,
                ("KubeletHasInsufficientMemory", "the box is short of memory"),
                ("KubeletHasSufficientMemory", "the box has sufficient memory available"),
            ),
        ),
        condition(
            "DiskPressure",
            disk,
            either(
                disk,
                ("KubeletHasDiskPressure", "the data directory's disk is almost full"),
                ("KubeletHasNoDiskPressure", "the data directory's disk has space left"),
            ),
        ),
        condition(
            "PIDPressure",
            tasks,
            either(
                tasks,
                ("KubeletHasInsufficientPID", "the box is short of process ids"),
                ("KubeletHasSufficientPID", "the box has sufficient process ids available"),
            ),
        ),
        condition("Ready", true, ("KubeletReady", "the node takes pods")),
    ]
}

fn condition(
    node: &Node,
    kind: &str,
    holds: bool,
    reason: &str,
    message: &str,
    now: Timestamp,
) -> NodeCondition {
    let status = if holds { "True" } else { "False" };
    let before = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    let since = before.into_iter().flatten();
    let mut since = since.filter(|before| before.type_ == kind && before.status == status);
    let since = since.next().and_then(|before| before.last_transition_time.clone());
    NodeCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_heartbeat_time: Some(Time(now)),
        last_transition_time: Some(since.unwrap_or(Time(now))),
    }
}

/// Whether two lists say the same, whenever they say it.
pub(crate) fn same_conditions(a: &[NodeCondition], b: &[NodeCondition]) -> bool {
    let key = |c: &NodeCondition| (c.type_.clone(), c.status.clone(), c.reason.clone());
    a.iter().map(key).eq(b.iter().map(key))
}

/// The Lease that says that the node lives.
pub(crate) fn lease(node: &Node, now: Timestamp) -> Lease {
    let name = node.metadata.name.clone().unwrap_or_default();
    Lease {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            owner_references: Some(vec![OwnerReference {
                api_version: "v1".to_owned(),
                kind: "Node".to_owned(),
                name: name.clone(),
                uid: node.metadata.uid.clone().unwrap_or_default(),
                ..OwnerReference::default()
            }]),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some(name),
            lease_duration_seconds: Some(LEASE_SECONDS),
            renew_time: Some(MicroTime(now)),
            ..LeaseSpec::default()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn left(memory: u64, disk: u64, tasks: u64) -> Left {
        Left {
            memory_bytes: memory,
            disk_bytes: disk,
            disk_total_bytes: 100_000,
            tasks,
            tasks_max: 1000,
        }
    }

    fn check(left: Left, expected: &str) {
        let found = conditions(&Node::default(), &left, Timestamp::UNIX_EPOCH);
        let holding: Vec<&str> =
            found.iter().filter(|c| c.status == "True").map(|c| c.type_.as_str()).collect();
        assert_eq!(holding.join(" "), expected);
    }

    #[test]
    fn pressure_is_seen_before_the_end() {
        check(left(1 << 30, 50_000, 10), "Ready");
        check(left(1 << 20, 50_000, 10), "MemoryPressure Ready");
        check(left(1 << 30, 4_000, 10), "DiskPressure Ready");
        check(left(1 << 30, 50_000, 950), "PIDPressure Ready");
    }

    #[test]
    fn a_condition_keeps_the_time_of_its_change() {
        let node: Node = serde_json::from_value(json!({"status": {"conditions": [
            {"type": "Ready", "status": "True", "lastTransitionTime": "1970-01-01T00:00:01Z"},
            {"type": "DiskPressure", "status": "True", "lastTransitionTime": "1970-01-01T00:00:01Z"}]}}))
        .unwrap();
        let now = Timestamp::from_second(50).unwrap();
        let found = conditions(&node, &left(1 << 30, 50_000, 10), now);
        let since = |kind: &str| {
            let condition = found.iter().find(|c| c.type_ == kind).unwrap();
            condition.last_transition_time.as_ref().unwrap().0.as_second()
        };
        assert_eq!((since("Ready"), since("DiskPressure")), (1, 50));
        assert!(same_conditions(&found, &found));
    }

    #[test]
    fn a_lease_belongs_to_its_node() {
        let node: Node =
            serde_json::from_value(json!({"metadata": {"name": "box", "uid": "u"}})).unwrap();
        let lease = lease(&node, Timestamp::UNIX_EPOCH);
        assert_eq!(lease.metadata.owner_references.unwrap()[0].uid, "u");
        assert_eq!(lease.spec.unwrap().holder_identity.as_deref(), Some("box"));
    }
}
