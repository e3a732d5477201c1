//! The group `storage.k8s.io`: classes, drivers and attachments.

use super::super::Subresource::Status;
use super::{Entry, PLAIN};
use crate::strategy;
use crate::table::storage;

const GROUP: Entry = Entry { group: "storage.k8s.io", ..PLAIN };

pub(super) static STORAGE: &[Entry] = &[
    Entry {
        kind: "CSIDriver",
        plural: "csidrivers",
        singular: "csidriver",
        namespaced: false,
        storage: "csidrivers.storage.k8s.io",
        strategy: strategy::DRIVER,
        columns: storage::CSI_DRIVER,
        row: storage::csi_driver,
        ..GROUP
    },
    Entry {
        kind: "CSINode",
        plural: "csinodes",
        singular: "csinode",
        namespaced: false,
        storage: "csinodes.storage.k8s.io",
        strategy: strategy::RETURNED,
        columns: storage::CSI_NODE,
        row: storage::csi_node,
        ..GROUP
    },
    Entry {
        kind: "CSIStorageCapacity",
        plural: "csistoragecapacities",
        singular: "csistoragecapacity",
        storage: "csistoragecapacities.storage.k8s.io",
        strategy: strategy::RETURNED,
        columns: storage::CSI_STORAGE_CAPACITY,
        row: storage::csi_storage_capacity,
        ..GROUP
    },
    Entry {
        kind: "StorageClass",
        plural: "storageclasses",
        singular: "storageclass",
        short_names: &["sc"],
        namespaced: false,
        storage: "storageclasses.storage.k8s.io",
        strategy: strategy::RETURNED,
        columns: storage::STORAGE_CLASS,
        row: storage::storage_class,
        ..GROUP
    },
    Entry {
        kind: "VolumeAttachment",
        plural: "volumeattachments",
        singular: "volumeattachment",
        namespaced: false,
        storage: "volumeattachments.storage.k8s.io",
        subresources: &[Status],
        strategy: strategy::STATUS_RETURNED,
        columns: storage::VOLUME_ATTACHMENT,
        row: storage::volume_attachment,
        ..GROUP
    },
    Entry {
        kind: "VolumeAttributesClass",
        plural: "volumeattributesclasses",
        singular: "volumeattributesclass",
        short_names: &["vac"],
        namespaced: false,
        storage: "volumeattributesclasses.storage.k8s.io",
        strategy: strategy::RETURNED,
        columns: storage::VOLUME_ATTRIBUTES_CLASS,
        row: storage::volume_attributes_class,
        ..GROUP
    },
];
