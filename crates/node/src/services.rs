//! Services: the balancer follows EndpointSlices.
//!
//! `translate` turns objects into the balancer's table, `apply` hands every change on within
//! milliseconds and says which addresses the rules in force lead to.

pub(crate) mod apply;
pub(crate) mod endpoints;
pub(crate) mod translate;
