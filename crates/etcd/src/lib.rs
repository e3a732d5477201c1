//! The etcd v3 gRPC API over a store, and a store over a real etcd.
//!
//! A client of etcd finds here what it knows: the same services, revisions, error codes and texts.
//! What it deliberately does not do: speak to other members, or the old v2 API. One member that
//! never loses a write is the whole cluster.
//!
//! - [`Server`], [`Config`]: serve gRPC and plain HTTP on a port or a unix socket
//! - [`server_tls`]: certificates for it, from PEM files
//! - [`remote`]: the other way round, a [`store::Store`] kept in an external etcd
//! - [`pb`]: the messages, servers and clients made of `proto/`
//! - `kv`, `watch`, `lease`, `lock`, `election`, `auth`, `maintenance`, `cluster`: one service each
//! - `codec`: messages in and out of streams, with small buffers
//! - `claim`: a place in a queue of keys, which locks and elections are made of
//! - `http`: metrics, health and version for plain HTTP; [`metrics_text`]: the part for any store
//! - `services`: which path is whose; `calls`: how many there were
//! - `authority`: requests of old clients that name no host
//! - `member`: who we say we are, shared by the services; `error`: etcd's errors, word by word

mod auth;
mod authority;
mod calls;
mod claim;
mod cluster;
mod codec;
mod election;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod kv;
mod lease;
mod lock;
mod maintenance;
mod member;
pub mod pb;
pub mod remote;
mod server;
mod services;
mod tls;
mod unary;
mod watch;

pub use http::metrics_text;
pub use member::StartError;
pub use server::{Config, Server};
pub use tls::{TlsError, server_tls};
