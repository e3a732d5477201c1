//! A call of one request and one response, by the shortest way.
//!
//! What a general gRPC stack does for streams, compression and codecs costs a small put more than
//! the put itself; here a message that came in one piece is decoded where it lies, and a response
//! is one piece of its own size.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;
use http_body_util::BodyExt as _;
use prost::Message;
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tonic::{Request, Status};

/// The largest message that is read: etcd's largest request and its allowance for gRPC.
pub(crate) const MESSAGE_BYTES_MAX: usize = (1 << 20) + (512 << 10) + (512 << 10);
/// Before each message: whether it is compressed, and how long it is.
const PREFIX_BYTES: usize = 5;

static GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
static STATUS: HeaderName = HeaderName::from_static("grpc-status");
static OK: HeaderValue = HeaderValue::from_static("0");

/// Reads the request's message, has it answered, and makes the response of that.
pub(crate) async fn unary<B, Q, R, F>(
    request: http::Request<B>,
    call: impl FnOnce(Request<Q>) -> F,
) -> http::Response<Body>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
    Q: Message + Default,
    R: Message,
    F: Future<Output = Result<R, Status>>,
{
    let (parts, body) = request.into_parts();
    let message = match receive(body).await.and_then(decode) {
        Ok(message) => message,
        Err(status) => return status.into_http(),
    };
    let metadata = MetadataMap::from_headers(parts.headers);
    match call(Request::from_parts(metadata, parts.extensions, message)).await {
        Ok(message) => respond(&message),
        Err(status) => status.into_http(),
    }
}

fn decode<Q: Message + Default>(message: Bytes) -> Result<Q, Status> {
    Q::decode(message)
        .map_err(|error| Status::internal(format!("grpc: error unmarshalling request: {error}")))
}

/// The one message of a body, which is read to its end.
async fn receive<B>(mut body: B) -> Result<Bytes, Status>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let mut received = Bytes::new();
    while !body.is_end_stream() {
        let Some(frame) = body.frame().await else { break };
        let frame = frame.map_err(|error| Status::cancelled(error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        received = join(received, data);
        refuse_large(&received)?;
    }
    let length = announced(&received)?.unwrap_or(usize::MAX);
    received.advance(PREFIX_BYTES.min(received.len()));
    if received.len() == length {
        Ok(received)
    } else {
        Err(Status::internal("grpc: the request is not one whole message"))
    }
}

/// Most requests come in one piece, which is not copied.
fn join(before: Bytes, more: Bytes) -> Bytes {
    if before.is_empty() {
        return more;
    }
    let mut joined = before.try_into_mut().unwrap_or_else(|shared| {
        let length = announced(&shared).ok().flatten().unwrap_or(0).min(MESSAGE_BYTES_MAX);
        let mut own = BytesMut::with_capacity(PREFIX_BYTES + length.max(shared.len()));
        own.extend_from_slice(&shared);
        own
    });
    joined.extend_from_slice(&more);
    joined.freeze()
}

/// The length of the message, when its prefix is there.
fn announced(received: &[u8]) -> Result<Option<usize>, Status> {
    let Some(([compressed, length @ ..], _)) = received.split_first_chunk::<PREFIX_BYTES>() else {
        return Ok(None);
    };
    if *compressed != 0 {
        return Err(Status::unimplemented("grpc: compressed requests are not understood"));
    }
    Ok(Some(u32::from_be_bytes(*length) as usize))
}

fn refuse_large(received: &[u8]) -> Result<(), Status> {
    let length = announced(received)?.unwrap_or(0);
    // What is more than was announced shows at the end; it is only bounded here.
    let length = length.max(received.len().saturating_sub(PREFIX_BYTES));
    if length <= MESSAGE_BYTES_MAX {
        return Ok(());
    }
    Err(Status::resource_exhausted(format!(
        "grpc: received message larger than max ({length} vs. {MESSAGE_BYTES_MAX})"
    )))
}

fn respond(message: &impl Message) -> http::Response<Body> {
    let length = message.encoded_len();
    let Ok(announced) = u32::try_from(length) else {
        let text = format!("grpc: the response of {length} bytes is larger than gRPC can carry");
        return Status::resource_exhausted(text).into_http();
    };
    let mut data = BytesMut::with_capacity(PREFIX_BYTES + length);
    data.put_u8(0);
    data.put_u32(announced);
    message.encode(&mut data).expect("there is room for as much as it said it needs");
    let body = Body::new(Reply { data: Some(data.freeze()), ended: false });
    let mut response = http::Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, GRPC.clone());
    response
}

/// One message, then the trailers that say that all went well.
struct Reply {
    data: Option<Bytes>,
    ended: bool,
}

impl http_body::Body for Reply {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(data) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if std::mem::replace(&mut self.ended, true) {
            return Poll::Ready(None);
        }
        let mut trailers = HeaderMap::with_capacity(1);
        trailers.insert(STATUS.clone(), OK.clone());
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::StreamBody;
    use tonic::Code;

    use super::*;

    /// What is received of a body that comes in these pieces.
    async fn received(pieces: &[&[u8]]) -> Result<Bytes, Status> {
        let frames: Vec<_> = pieces
            .iter()
            .map(|piece| Ok::<_, Status>(Frame::data(Bytes::copy_from_slice(piece))))
            .collect();
        receive(StreamBody::new(futures::stream::iter(frames))).await
    }

    async fn check(pieces: &[&[u8]], expected: Result<&[u8], Code>) {
        let received = received(pieces).await;
        let received = received.as_deref().map_err(Status::code);
        assert_eq!(received, expected, "{pieces:?}");
    }

    #[tokio::test]
    async fn a_message_may_come_in_any_pieces() {
        check(&[b"\0\0\0\0\x03abc"], Ok(b"abc")).await;
        check(&[b"\0\0", b"\0\0\x03", b"a", b"", b"bc"], Ok(b"abc")).await;
        check(&[b"\0\0\0\0\0"], Ok(b"")).await;
    }

    #[tokio::test]
    async fn what_is_not_one_whole_message_is_refused() {
        check(&[], Err(Code::Internal)).await;
        check(&[b"\0\0\0"], Err(Code::Internal)).await;
        check(&[b"\0\0\0\0\x03ab"], Err(Code::Internal)).await;
        check(&[b"\0\0\0\0\x03abcd"], Err(Code::Internal)).await;
        check(&[b"\x01\0\0\0\x03abc"], Err(Code::Unimplemented)).await;
    }

    #[tokio::test]
    async fn a_message_that_says_it_is_too_large_is_not_waited_for() {
        let refused = received(&[b"\0\0\x20\0\x01a"]).await.expect_err("too large");
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert_eq!(
            refused.message(),
            "grpc: received message larger than max (2097153 vs. 2097152)"
        );
    }

    #[tokio::test]
    async fn a_response_is_one_message_and_the_status() {
        let message = crate::pb::mvccpb::KeyValue { version: 3, ..Default::default() };
        let response = respond(&message);
        let whole = response.into_body().collect().await.expect("no error");
        assert_eq!(whole.trailers().expect("trailers")["grpc-status"], "0");
        assert_eq!(whole.to_bytes().as_ref(), b"\0\0\0\0\x02\x20\x03");
    }
}
