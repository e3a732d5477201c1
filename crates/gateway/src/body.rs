//! Bodies on their way through: never buffered, but watched for their end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::clock::Moment;
use crate::endpoint::{InFlight, Recycle};
use crate::server::Busy;

/// The body of a request to an endpoint.
#[derive(Debug)]
pub(crate) enum RequestBody {
    /// None: such a request can be sent again.
    Empty,
    /// The client's, and when it last moved.
    Client(Incoming, Arc<Moment>),
}

impl RequestBody {
    pub fn new(body: Incoming) -> RequestBody {
        if body.is_end_stream() {
            RequestBody::Empty
        } else {
            RequestBody::Client(body, Arc::new(Moment::now()))
        }
    }

    /// When the body last moved, if there is one.
    pub fn moved(&self) -> Option<Arc<Moment>> {
        match self {
            RequestBody::Empty => None,
            RequestBody::Client(_, moved) => Some(moved.clone()),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            RequestBody::Empty => Poll::Ready(None),
            RequestBody::Client(body, moved) => {
                let frame = ready!(Pin::new(body).poll_frame(context));
                moved.touch();
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            RequestBody::Empty => true,
            RequestBody::Client(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            RequestBody::Empty => SizeHint::with_exact(0),
            RequestBody::Client(body, _) => body.size_hint(),
        }
    }
}

/// The body of a response to a client.
pub(crate) struct ResponseBody {
    content: Content,
    /// Keeps the client's connection from being taken for idle.
    _busy: Option<Busy>,
}

enum Content {
    Own(Full<Bytes>),
    Endpoint(EndpointBody),
}

/// What an endpoint sends. When it was sent to its end, the connection is used again.
struct EndpointBody {
    body: Incoming,
    recycle: Option<Recycle>,
    ended: bool,
    _in_flight: InFlight,
}

impl ResponseBody {
    pub fn text(text: impl Into<Bytes>) -> ResponseBody {
        ResponseBody { content: Content::Own(Full::new(text.into())), _busy: None }
    }

    pub fn endpoint(body: Incoming, recycle: Option<Recycle>, in_flight: InFlight) -> ResponseBody {
        let body = EndpointBody { body, recycle, ended: false, _in_flight: in_flight };
        ResponseBody { content: Content::Endpoint(body), _busy: None }
    }

    pub fn keeping(self, busy: Busy) -> ResponseBody {
        ResponseBody { _busy: Some(busy), ..self }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.get_mut().content {
            Content::Own(body) => {
                Pin::new(body).poll_frame(context).map_err(|never| match never {})
            }
            Content::Endpoint(endpoint) => {
                let frame = ready!(Pin::new(&mut endpoint.body).poll_frame(context));
                endpoint.ended |= frame.is_none();
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Own(body) => body.is_end_stream(),
            Content::Endpoint(endpoint) => endpoint.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Own(body) => body.size_hint(),
            Content::Endpoint(endpoint) => endpoint.body.size_hint(),
        }
    }
}

impl Drop for EndpointBody {
    fn drop(&mut self) {
        if (self.ended || self.body.is_end_stream())
            && let Some(recycle) = self.recycle.take()
        {
            recycle.run();
        }
    }
}
