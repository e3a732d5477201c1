//! The gRPC interface of payments, generated from `proto/payments.proto`.
//!
//! The generated code is kept in the repository, so that building the shop needs no compiler for
//! proto files; `cargo test -p payments-api` says when it is out of date, and
//! `UPDATE=1 cargo test -p payments-api` writes it anew.

#[rustfmt::skip]
mod generated;

pub use generated::payments_client::PaymentsClient;
pub use generated::payments_server::{Payments, PaymentsServer};
pub use generated::{ChargeRequest, Payment};

/// The service's full name, as it appears in paths.
pub const SERVICE: &str = "shop.payments.v1.Payments";
