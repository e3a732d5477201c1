//! Conversations with a Kubernetes API: data files of requests and the replies that they must
//! get (`files/*.yaml`), held with any server. README.md beside this crate has the format.

mod client;
mod expect;
mod hold;
mod script;
mod vars;

pub use client::Server;
pub use expect::matches;
pub use hold::{Outcome, hold, hold_all};
pub use script::{Conversation, Step};
pub use vars::Vars;
