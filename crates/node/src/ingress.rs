//! Ingresses: the gateway's routes follow them, and the endpoints behind them follow readiness.

pub(crate) mod apply;
pub(crate) mod translate;
mod unsupported;
