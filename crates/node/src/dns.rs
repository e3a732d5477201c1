//! DNS: the cluster's names follow Services, EndpointSlices and pods.

pub(crate) mod apply;
pub(crate) mod translate;
