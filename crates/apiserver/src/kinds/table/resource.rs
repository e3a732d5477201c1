//! The group `resource.k8s.io`: dynamic allocation of devices.

use super::super::Subresource::Status;
use super::{Entry, PLAIN};
use crate::strategy;
use crate::table::device;

const GROUP: Entry = Entry { group: "resource.k8s.io", ..PLAIN };

pub(super) static RESOURCE: &[Entry] = &[
    Entry {
        kind: "DeviceClass",
        plural: "deviceclasses",
        singular: "deviceclass",
        namespaced: false,
        storage: "deviceclasses.resource.k8s.io",
        strategy: strategy::GENERATION,
        ..GROUP
    },
    Entry {
        kind: "ResourceClaim",
        plural: "resourceclaims",
        singular: "resourceclaim",
        storage: "resourceclaims.resource.k8s.io",
        subresources: &[Status],
        strategy: strategy::STATUS,
        columns: device::CLAIM,
        row: device::claim,
        ..GROUP
    },
    Entry {
        kind: "ResourceClaimTemplate",
        plural: "resourceclaimtemplates",
        singular: "resourceclaimtemplate",
        storage: "resourceclaimtemplates.resource.k8s.io",
        ..GROUP
    },
    Entry {
        kind: "ResourceSlice",
        plural: "resourceslices",
        singular: "resourceslice",
        namespaced: false,
        storage: "resourceslices.resource.k8s.io",
        strategy: strategy::GENERATION,
        columns: device::SLICE,
        row: device::slice,
        ..GROUP
    },
];
