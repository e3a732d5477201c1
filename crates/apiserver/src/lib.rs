//! The Kubernetes REST API over the store.
//!
//! One schema-driven request path serves every kind and every caller; what a kind is
//! stands in one table ([`kinds`]). Deliberately not here: controllers, and anything that
//! touches the machine; both are clients of this API.

mod aggregation;
pub mod audit;
pub mod authn;
pub mod authz;
mod body;
mod bootstrap;
mod callout;
mod computed;
mod config;
mod custom;
mod discovery;
mod error;
mod flowcontrol;
mod form;
#[doc(hidden)]
pub mod fuzzing;
mod kinds;
mod media;
mod negotiate;
mod object;
mod options;
pub mod pki;
mod registry;
mod request;
mod respond;
mod serve;
mod server;

mod strategy;
mod subresources;
mod table;
mod user;
mod verbs;
mod watch;
mod webhooks;

pub use authz::{Attributes, Authorizer, Decision};
pub use bootstrap::BootstrapError;
pub use config::{Access, Config, NodeProxy, RangeError, ServiceRange};
pub use pki::Pki;
pub use registry::{Rotated, SecretsError, SecretsReport};
pub use serve::ServeError;
pub use server::{ApiServer, MetricsText, StartError};
pub use user::UserInfo;
