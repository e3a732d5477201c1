//! The group `apiregistration.k8s.io`: servers behind this one.

use super::super::Subresource::Status;
use super::{Entry, PLAIN};
use crate::strategy;
use crate::table::admission;

pub(super) static APIREGISTRATION: &[Entry] = &[Entry {
    group: "apiregistration.k8s.io",
    kind: "APIService",
    plural: "apiservices",
    singular: "apiservice",
    categories: &["api-extensions"],
    namespaced: false,
    storage: "apiservices.apiregistration.k8s.io",
    subresources: &[Status],
    strategy: strategy::STATUS,
    columns: admission::API_SERVICE,
    row: admission::api_service,
    ..PLAIN
}];
