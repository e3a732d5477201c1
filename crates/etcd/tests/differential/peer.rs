//! One of the two we talk to: its connection, its open streams, and who it thinks we are.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::time::Duration;

use etcd::pb::etcdserverpb::auth_client::AuthClient;
use etcd::pb::etcdserverpb::cluster_client::ClusterClient;
use etcd::pb::etcdserverpb::kv_client::KvClient;
use etcd::pb::etcdserverpb::lease_client::LeaseClient;
use etcd::pb::etcdserverpb::maintenance_client::MaintenanceClient;
use etcd::pb::etcdserverpb::watch_client::WatchClient;
use etcd::pb::etcdserverpb::watch_request::RequestUnion;
use etcd::pb::etcdserverpb::{
    AuthenticateRequest, LeaseKeepAliveRequest, LeaseKeepAliveResponse, WatchRequest, WatchResponse,
};
use etcd::pb::v3electionpb::election_client::ElectionClient;
use etcd::pb::v3electionpb::{LeaderRequest, LeaderResponse};
use etcd::pb::v3lockpb::lock_client::LockClient;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};

use crate::asks::Ask;
use crate::masks::Mask;

/// How long any one reply may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Larger than the largest reply of a conversation.
const REPLY_BYTES_MAX: usize = 64 << 20;

/// A server and what we have going with it.
#[derive(Clone)]
pub struct Peer {
    channel: Channel,
    token: Option<AsciiMetadataValue>,
}

/// A watch stream.
pub struct Watches {
    requests: mpsc::Sender<WatchRequest>,
    replies: Streaming<WatchResponse>,
    /// What came with the last response and was not asked for yet.
    rest: VecDeque<(i64, String)>,
}

/// All that goes on beside plain calls.
#[derive(Default)]
pub struct Ongoing {
    watches: BTreeMap<u8, Watches>,
    observed: BTreeMap<u8, Streaming<LeaderResponse>>,
    begun: BTreeMap<u8, JoinHandle<String>>,
}

macro_rules! clients {
    ($($name:ident: $client:ident;)+) => {
        impl Peer {
            $(pub fn $name(&self) -> $client<Channel> {
                $client::new(self.channel.clone()).max_decoding_message_size(REPLY_BYTES_MAX)
            })+
        }
    };
}

clients! {
    kv: KvClient;
    lease: LeaseClient;
    lock: LockClient;
    election: ElectionClient;
    auth: AuthClient;
    maintenance: MaintenanceClient;
    cluster: ClusterClient;
    watch: WatchClient;
}

/// How a reply or an error is told.
fn told(reply: Result<String, Status>) -> String {
    match reply {
        Ok(reply) => reply,
        Err(status) => format!("{:?}: {}", status.code(), status.message()),
    }
}

async fn patiently<T>(what: impl Future<Output = T>) -> Result<T, Status> {
    let answer = tokio::time::timeout(PATIENCE, what).await;
    answer.map_err(|_| Status::deadline_exceeded("no answer in ten seconds, says the test"))
}

impl Peer {
    pub fn new(endpoint: &str) -> Self {
        let endpoint = Endpoint::from_shared(endpoint.to_owned()).expect("an address");
        Peer { channel: endpoint.connect_lazy(), token: None }
    }

    pub fn signed<T>(&self, mut request: Request<T>) -> Request<T> {
        if let Some(token) = &self.token {
            request.metadata_mut().insert("token", token.clone());
        }
        request
    }

    /// Asks, and tells what came.
    pub async fn tell(&self, ask: Ask) -> String {
        told(patiently(self.ask(ask)).await.and_then(|reply| reply))
    }

    /// From now on calls are made as this user; an empty name means nobody.
    pub async fn become_user(&mut self, name: &str, password: &str) -> String {
        self.token = None;
        if name.is_empty() {
            return String::new();
        }
        let request = AuthenticateRequest { name: name.into(), password: password.into() };
        match self.auth().authenticate(request).await {
            Ok(reply) => {
                let token = reply.into_inner().token;
                self.token = Some(token.parse().expect("a token of plain letters"));
                String::new()
            }
            Err(status) => told(Err(status)),
        }
    }

    /// From now on calls carry this token.
    pub fn carry(&mut self, token: &str) {
        self.token = Some(token.parse().expect("a token of plain letters"));
    }
}

impl Ongoing {
    /// Sends on a watch stream, which is opened if it is new.
    pub async fn watch(&mut self, peer: &Peer, stream: u8, request: RequestUnion) -> String {
        let request = WatchRequest { request_union: Some(request) };
        if let Some(watches) = self.watches.get(&stream) {
            let sent = watches.requests.send(request).await;
            return sent.map_or("the stream has ended".into(), |()| String::new());
        }
        match patiently(Watches::open(peer, request)).await.and_then(|opened| opened) {
            Ok(watches) => {
                self.watches.insert(stream, watches);
                String::new()
            }
            Err(status) => told(Err(status)),
        }
    }

    /// Reads `count` things from a watch stream.
    pub async fn watched(&mut self, stream: u8, count: usize) -> String {
        self.watched_while(stream, |all| all.len() < count).await
    }

    /// Reads from a watch stream up to the event of this key.
    pub async fn watched_until(&mut self, stream: u8, key: &str) -> String {
        let quoted = format!("key: b\"{key}\"");
        self.watched_while(stream, |all| all.last().is_none_or(|(_, one)| !one.contains(&quoted)))
            .await
    }

    async fn watched_while(
        &mut self,
        stream: u8,
        go_on: impl Fn(&[(i64, String)]) -> bool,
    ) -> String {
        let Some(watches) = self.watches.get_mut(&stream) else { return "no stream".into() };
        let mut all = Vec::new();
        while go_on(&all) {
            match watches.next().await {
                Ok(one) => all.push(one),
                Err(end) => {
                    all.push((i64::MAX, told(Err(end))));
                    break;
                }
            }
        }
        // Watches on one stream run beside each other.
        all.sort_by_key(|(watch, _)| *watch);
        all.into_iter().fold(String::new(), |mut text, (watch, one)| {
            writeln!(text, "watch {watch}: {one}").expect("a string takes all");
            text
        })
    }

    /// Observes an election, from the leader it has now on.
    pub async fn observe(&mut self, peer: &Peer, stream: u8, name: &str) -> String {
        let request = LeaderRequest { name: name.to_owned().into() };
        let mut election = peer.election();
        let observed = patiently(election.observe(peer.signed(Request::new(request)))).await;
        match observed.and_then(|stream| stream) {
            Ok(replies) => {
                self.observed.insert(stream, replies.into_inner());
                String::new()
            }
            Err(status) => told(Err(status)),
        }
    }

    pub async fn observed(&mut self, stream: u8) -> String {
        let Some(replies) = self.observed.get_mut(&stream) else { return "no stream".into() };
        let next = patiently(replies.message()).await.and_then(|next| next);
        told(next.map(|next| {
            let mut next = next.expect("an observer is told for ever");
            next.mask();
            format!("{next:#?}")
        }))
    }

    /// Asks without waiting for the answer.
    pub fn begin(&mut self, peer: &Peer, number: u8, ask: Ask) -> String {
        let peer = peer.clone();
        self.begun.insert(number, tokio::spawn(async move { peer.tell(ask).await }));
        String::new()
    }

    /// Whether what was begun is still without an answer.
    pub fn waits(&self, number: u8) -> String {
        let waits = self.begun.get(&number).is_some_and(|begun| !begun.is_finished());
        format!("waits: {waits}")
    }

    pub async fn end(&mut self, number: u8) -> String {
        let begun = self.begun.remove(&number).expect("it was begun");
        begun.await.expect("it does not panic")
    }

    /// Gives up what was begun.
    pub fn abandon(&mut self, number: u8) -> String {
        self.begun.remove(&number).expect("it was begun").abort();
        String::new()
    }

    /// Keeps leases alive, one after the other on one stream.
    pub async fn keep_alive(&self, peer: &Peer, ids: Vec<i64>) -> String {
        let count = ids.len();
        let requests = ids.into_iter().map(|id| LeaseKeepAliveRequest { id });
        let requests = peer.signed(Request::new(futures::stream::iter(requests)));
        let mut lease = peer.lease();
        let kept = patiently(async {
            let mut replies = lease.lease_keep_alive(requests).await?.into_inner();
            let mut all: Vec<LeaseKeepAliveResponse> = Vec::new();
            while all.len() < count {
                let Some(mut reply) = replies.message().await? else { break };
                reply.mask();
                all.push(reply);
            }
            Ok(format!("{all:#?}"))
        });
        told(kept.await.and_then(|kept| kept))
    }
}

impl Watches {
    async fn open(peer: &Peer, first: WatchRequest) -> Result<Self, Status> {
        let (requests, receiver) = mpsc::channel(64);
        requests.send(first).await.expect("the receiver is here");
        let receiver = futures::stream::unfold(receiver, async |mut receiver| {
            receiver.recv().await.map(|request| (request, receiver))
        });
        let mut client = peer.watch();
        let replies = client.watch(peer.signed(Request::new(receiver))).await?.into_inner();
        Ok(Watches { requests, replies, rest: VecDeque::new() })
    }

    /// The next event, or the next message without events.
    async fn next(&mut self) -> Result<(i64, String), Status> {
        loop {
            if let Some(one) = self.rest.pop_front() {
                return Ok(one);
            }
            let response = patiently(self.replies.message()).await??;
            let response = response.ok_or_else(|| Status::ok("the stream has ended"))?;
            self.split(response);
        }
    }

    /// How events are put together in messages is each server's own affair.
    fn split(&mut self, mut response: WatchResponse) {
        response.header.mask();
        let watch = response.watch_id;
        let events = std::mem::take(&mut response.events);
        let revision = response.header.map_or(0, |header| header.revision);
        for event in &events {
            let modified = event.kv.as_ref().map_or(0, |stored| stored.mod_revision);
            assert!(revision >= modified, "a header of {revision} over an event of {modified}");
            self.rest.push_back((watch, format!("{event:#?}")));
        }
        if events.is_empty() {
            self.rest.push_back((watch, format!("{response:#?}")));
        }
    }
}
