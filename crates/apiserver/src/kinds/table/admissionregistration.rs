//! The group `admissionregistration.k8s.io`: who else has a say in a write.

use super::super::Subresource::Status;
use super::{Entry, PLAIN};
use crate::strategy;
use crate::table::admission;

const GROUP: Entry = Entry {
    group: "admissionregistration.k8s.io",
    categories: &["api-extensions"],
    namespaced: false,
    strategy: strategy::GENERATION,
    columns: admission::BINDING,
    row: admission::binding,
    ..PLAIN
};

pub(super) static ADMISSIONREGISTRATION: &[Entry] = &[
    Entry {
        kind: "MutatingAdmissionPolicy",
        plural: "mutatingadmissionpolicies",
        singular: "mutatingadmissionpolicy",
        storage: "mutatingadmissionpolicies.admissionregistration.k8s.io",
        columns: admission::MUTATING_POLICY,
        row: admission::mutating_policy,
        ..GROUP
    },
    Entry {
        kind: "MutatingAdmissionPolicyBinding",
        plural: "mutatingadmissionpolicybindings",
        singular: "mutatingadmissionpolicybinding",
        storage: "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
        ..GROUP
    },
    Entry {
        kind: "MutatingWebhookConfiguration",
        plural: "mutatingwebhookconfigurations",
        singular: "mutatingwebhookconfiguration",
        storage: "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        columns: admission::WEBHOOKS,
        row: admission::webhooks,
        ..GROUP
    },
    Entry {
        kind: "ValidatingAdmissionPolicy",
        plural: "validatingadmissionpolicies",
        singular: "validatingadmissionpolicy",
        storage: "validatingadmissionpolicies.admissionregistration.k8s.io",
        subresources: &[Status],
        strategy: strategy::SPEC_AND_STATUS,
        columns: admission::VALIDATING_POLICY,
        row: admission::validating_policy,
        ..GROUP
    },
    Entry {
        kind: "ValidatingAdmissionPolicyBinding",
        plural: "validatingadmissionpolicybindings",
        singular: "validatingadmissionpolicybinding",
        storage: "validatingadmissionpolicybindings.admissionregistration.k8s.io",
        ..GROUP
    },
    Entry {
        kind: "ValidatingWebhookConfiguration",
        plural: "validatingwebhookconfigurations",
        singular: "validatingwebhookconfiguration",
        storage: "validatingwebhookconfigurations.admissionregistration.k8s.io",
        columns: admission::WEBHOOKS,
        row: admission::webhooks,
        ..GROUP
    },
];
