//! The server's side of SPDY/3.1, as much of it as Kubernetes' clients speak: streams that the
//! client opens, data, half-close and reset. There is no flow control, as in their own
//! implementation: a stream that nobody reads holds up the others of its connection.

mod connection;
mod frame;
pub(crate) mod fuzzing;
mod headers;
mod stream;

pub(super) use self::connection::{Connection, Open};
pub(super) use self::headers::Headers;
pub(super) use self::stream::{Gone, Reader, Stream, Writer};

/// Why a connection ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum SpdyError {
    /// The client does not keep to the protocol.
    #[error("not SPDY/3.1: {0}")]
    Protocol(&'static str),
    /// The transport failed.
    #[error("SPDY transport")]
    Transport(#[source] std::io::Error),
}
