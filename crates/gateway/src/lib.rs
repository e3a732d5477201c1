//! The L7 gateway: HTTP/1, h2, gRPC and WebSocket proxying from a plain table of routes.
//!
//! A [`Gateway`] serves any number of listeners from one [`RouteTable`], which can be replaced at
//! any time: the next request, and the next attempt of one under way, sees the new table.
//!
//! What it deliberately does not do: know where the table comes from, watch the health of
//! endpoints (it only avoids one that just refused a connection), cache, or buffer bodies.
//!
//! - [`RouteTable`]: what the owner says; `routing`: the same, made for look-ups
//! - `proxy`: one request's way: route, endpoint, retry; `headers`: what is changed on the way
//! - `endpoint`: connections to one upstream; `body`, `tunnel`: bytes passing through
//! - `server`, `tls`: listeners, connections and how they end

mod body;
mod clock;
mod config;
mod counters;
mod endpoint;
mod gateway;
mod headers;
mod proxy;
mod routing;
mod server;
mod table;
mod tls;
mod tunnel;

pub use config::GatewayConfig;
pub use counters::RouteCounts;
pub use gateway::Gateway;
pub use server::Drained;
pub use table::{Backend, Host, Path, Protocol, Route, RouteTable};
pub use tls::{Certificate, CertificateError};
