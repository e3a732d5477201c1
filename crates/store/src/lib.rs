//! The store: an MVCC key space in memory over a durable log. Bytes only.
//!
//! Every write is one [`Txn`], gets one [`Revision`], and is on disk when [`Store::commit`] returns.
//! Reads and watches are served from memory and see durable state only, so nothing that was
//! acknowledged or observed can vanish. A bounded stretch of history is kept: ranges can be read
//! and watches started at any revision that has not been compacted.
//!
//! What it deliberately does not do: know what its keys and values mean, replicate, or encrypt.
//!
//! - [`Store`]: open, get, range, commit, watch, compact, close
//! - [`Txn`], [`Compare`], [`Op`]: what a write is made of
//! - [`Lease`]: what deletes keys when nobody keeps it alive; records ([`Store::put_record`]): small
//!   things beside the keys, of whoever owns the store
//! - [`Watcher`], [`WatchSet`], [`Batch`], [`Event`]: what changed, in order
//! - [`Export`], [`import()`]: all of it at one revision, out of a running store and into a new one
//! - [`Mirror`]: a store that is a view of another one
//! - `space`: the key space and its history; `writer`: the one thread that commits, in groups
//! - `log`: segments, frames and snapshots; `log_store`: where their bytes live

mod export;
mod import;
mod key_value;
mod lease;
mod log;
mod log_store;
mod mirror;
mod options;
mod range;
mod shared;
mod space;
mod stage;
mod stats;
mod store;
mod txn;
mod watch;
mod watched;
mod writer;

pub use export::{Export, ExportError};
pub use import::{ImportError, import};
pub use key_value::{KeyValue, Revision};
pub use lease::{LEASES_MAX, Lease, LeaseId};
pub use log::OpenError;
#[doc(hidden)]
pub use log::fuzzing;
pub use mirror::{Answer, Mirror, Request};
pub use options::Options;
pub use range::Range;
pub use space::{Batch, Event, EventKind, RECORDS_BYTES_MAX, RangeReply, ReadError};
pub use stats::{Full, Histogram, Stats};
pub use store::Store;
pub use txn::{Compare, Op, OpReply, Relation, TXN_DEPTH_MAX, Target, Txn, TxnReply};
pub use watch::{Changes, WatchError, WatchSet, Watcher};
pub use writer::{CompactError, TXN_BYTES_MAX, WriteError};
