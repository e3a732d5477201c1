//! The group `certificates.k8s.io`.

use super::super::Subresource::{Approval, Status};
use super::{Entry, PLAIN};
use crate::strategy;
use crate::table::certificates;

const GROUP: Entry = Entry { group: "certificates.k8s.io", ..PLAIN };

pub(super) static CERTIFICATES: &[Entry] = &[Entry {
    kind: "CertificateSigningRequest",
    plural: "certificatesigningrequests",
    singular: "certificatesigningrequest",
    short_names: &["csr"],
    namespaced: false,
    storage: "certificatesigningrequests.certificates.k8s.io",
    subresources: &[Approval, Status],
    strategy: strategy::CERTIFICATE_REQUEST,
    columns: certificates::COLUMNS,
    row: certificates::row,
    ..GROUP
}];
