//! DNS for the cluster domain, and forwarding of everything else.
//!
//! A question is answered from the [`DnsTable`] if its name is in the table's domain, or the reverse name of an
//! address in the table's ranges; otherwise it goes to the upstream servers as it came, and their
//! answer goes back as it came. Zone transfers, updates and DNSSEC of our own are not here.

mod answer;
mod cache;
mod forward;
mod message;
mod resolv_conf;
mod server;
mod table;

pub use forward::Upstream;
pub use server::{BindError, Server};
pub use table::{DnsTable, Handle, Srv};

#[cfg(test)]
mod tests;
