//! A client's side of a watch stream.
#![allow(dead_code, reason = "not every test that watches needs all of it")]

use std::time::Duration;

use etcd::pb::etcdserverpb::watch_client::WatchClient;
use etcd::pb::etcdserverpb::watch_request::RequestUnion;
use etcd::pb::etcdserverpb::{
    WatchCancelRequest, WatchCreateRequest, WatchProgressRequest, WatchRequest, WatchResponse,
};
use futures::channel::mpsc;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};

/// How long anything that must come may take.
pub const SOON: Duration = Duration::from_secs(20);

/// One stream.
pub struct Stream {
    requests: Option<mpsc::UnboundedSender<WatchRequest>>,
    responses: Streaming<WatchResponse>,
}

/// What a response is about.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    Created(i64),
    Canceled(i64),
    /// Of a watch: `+key@revision` for each put, `-key@revision` for each delete.
    Events(i64, String),
    /// Of a watch, or of all with -1, up to this revision.
    Progress(i64, i64),
}

pub fn want(key: &'static str, end: &'static str) -> WatchCreateRequest {
    WatchCreateRequest { key: key.into(), range_end: end.into(), ..Default::default() }
}

pub fn want_from(key: &'static str, end: &'static str, revision: i64) -> WatchCreateRequest {
    WatchCreateRequest { start_revision: revision, ..want(key, end) }
}

impl Stream {
    pub async fn open(channel: Channel) -> Stream {
        Stream::open_with(channel, None).await
    }

    /// With the token of a user.
    pub async fn open_with(channel: Channel, token: Option<&str>) -> Stream {
        let (requests, received) = mpsc::unbounded();
        let mut request = Request::new(received);
        if let Some(token) = token {
            request.metadata_mut().insert("token", token.parse().expect("a token is ASCII"));
        }
        let client = WatchClient::new(channel).max_decoding_message_size(usize::MAX);
        let responses = client.clone().watch(request).await.expect("a stream").into_inner();
        Stream { requests: Some(requests), responses }
    }

    pub fn create(&self, request: WatchCreateRequest) {
        self.send(RequestUnion::CreateRequest(request));
    }

    pub fn cancel(&self, watch_id: i64) {
        self.send(RequestUnion::CancelRequest(WatchCancelRequest { watch_id }));
    }

    pub fn ask_for_progress(&self) {
        self.send(RequestUnion::ProgressRequest(WatchProgressRequest {}));
    }

    /// Says that there are no more requests.
    pub fn finish(&mut self) {
        self.requests = None;
    }

    pub async fn next(&mut self) -> WatchResponse {
        self.try_next().await.expect("a response")
    }

    pub async fn try_next(&mut self) -> Result<WatchResponse, Status> {
        let message = tokio::time::timeout(SOON, self.responses.message()).await;
        message.expect("something comes soon").map(|response| response.expect("not the end"))
    }

    /// The next response in short.
    pub async fn said(&mut self) -> Said {
        said(&self.next().await)
    }

    /// Creates a watch; the response is that it was.
    pub async fn watch(&mut self, request: WatchCreateRequest) -> i64 {
        self.create(request);
        match self.said().await {
            Said::Created(id) => id,
            other => panic!("not created: {other:?}"),
        }
    }

    /// The next response is progress of all, so nothing came before it; says up to where.
    pub async fn nothing_until_progress(&mut self) -> i64 {
        self.ask_for_progress();
        match self.said().await {
            Said::Progress(-1, revision) => revision,
            other => panic!("something came: {other:?}"),
        }
    }

    fn send(&self, request: RequestUnion) {
        let requests = self.requests.as_ref().expect("not finished");
        requests.unbounded_send(WatchRequest { request_union: Some(request) }).expect("a stream");
    }
}

fn said(response: &WatchResponse) -> Said {
    let id = response.watch_id;
    if response.canceled {
        return Said::Canceled(id);
    }
    if response.created {
        return Said::Created(id);
    }
    if response.events.is_empty() {
        return Said::Progress(id, response.header.expect("a header").revision);
    }
    Said::Events(id, events(response))
}

/// The events of a response in short.
pub fn events(response: &WatchResponse) -> String {
    let texts = response.events.iter().map(|event| {
        let kv = event.kv.as_ref().expect("a key");
        let sign = if event.r#type == 0 { '+' } else { '-' };
        format!("{sign}{}@{}", String::from_utf8_lossy(&kv.key), kv.mod_revision)
    });
    texts.collect::<Vec<_>>().join(" ")
}
