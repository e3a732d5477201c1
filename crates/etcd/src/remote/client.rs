//! Calls to the members of the external etcd: the one that works is asked, and when it does not
//! any more, the next.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

use super::connect;
use super::{Login, RemoteConfig, RemoteError};
use crate::pb::etcdserverpb::AuthenticateRequest;
use crate::pb::etcdserverpb::auth_client::AuthClient;

/// When a member has not answered for so long, new calls go to the next; this one still waits ...
const SLOW_AFTER: Duration = Duration::from_secs(1);

/// ... and is given up after this time.
const ATTEMPT_MAX: Duration = Duration::from_secs(3);

/// The pause after all members were tried, which doubles each time.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// All members of one etcd.
pub(super) struct Client {
    members: Vec<Member>,
    /// The one that worked last.
    preferred: AtomicUsize,
    login: Option<Login>,
    token: Mutex<Option<MetadataValue<Ascii>>>,
}

struct Member {
    url: String,
    /// Connects when it is used, and again.
    channel: Channel,
}

/// May a call be made again when it is not known whether it was carried out?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It changes nothing, or changes the same.
    Always,
    /// Only when it surely was not.
    IfNotDone,
}

/// What an error means for the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// etcd has answered, and would answer the same again.
    Final,
    /// Nothing was done; another member may do it.
    NotDone,
    /// Something may have been done; another member would know.
    Unknown,
    /// The token is not good any more; nothing was done.
    Token,
}

impl Client {
    pub fn new(config: &RemoteConfig) -> Result<Client, RemoteError> {
        let members = config.endpoints.iter().map(|url| {
            let channel = connect::channel(url, config.tls.as_ref())?;
            Ok(Member { url: url.clone(), channel })
        });
        let members: Vec<Member> = members.collect::<Result<_, RemoteError>>()?;
        if members.is_empty() {
            return Err(RemoteError::NoEndpoint);
        }
        let (preferred, login) = (AtomicUsize::new(0), config.login.clone());
        Ok(Client { members, preferred, login, token: Mutex::default() })
    }

    /// Makes a call, of one member after another, until one has answered or the time is over.
    pub async fn call<Q, A, F, R>(
        &self,
        repeat: Repeat,
        deadline: Instant,
        request: &Q,
        rpc: F,
    ) -> Result<A, Status>
    where
        Q: Clone,
        F: Fn(Channel, Request<Q>) -> R,
        R: Future<Output = Result<Response<A>, Status>>,
    {
        let mut pause = PAUSE_MIN;
        for attempt in 1.. {
            let member = self.preferred();
            let status = match self.attempt(member, deadline, request, &rpc).await {
                Ok(answer) => return Ok(answer),
                Err(status) => status,
            };
            match judge(&status) {
                Verdict::Final => return Err(status),
                Verdict::Token => self.forget_token(),
                Verdict::NotDone => self.pass_over(member, &status),
                Verdict::Unknown => {
                    self.pass_over(member, &status);
                    if repeat == Repeat::IfNotDone {
                        return Err(status);
                    }
                }
            }
            let all_were_tried = attempt % self.members.len() == 0;
            let wait = if all_were_tried { pause } else { Duration::ZERO };
            if Instant::now() + wait >= deadline {
                return Err(status);
            }
            sleep(wait).await;
            pause = (pause + wait).min(PAUSE_MAX);
        }
        unreachable!("attempts are not counted to an end")
    }

    async fn attempt<Q, A, F, R>(
        &self,
        member: usize,
        deadline: Instant,
        request: &Q,
        rpc: &F,
    ) -> Result<A, Status>
    where
        Q: Clone,
        F: Fn(Channel, Request<Q>) -> R,
        R: Future<Output = Result<Response<A>, Status>>,
    {
        let begun = Instant::now();
        let mut answer = std::pin::pin!(self.ask(member, request.clone(), rpc));
        if let Ok(answer) = timeout_at(deadline.min(begun + SLOW_AFTER), &mut answer).await {
            return answer;
        }
        let late = || Status::deadline_exceeded("the member did not answer in time");
        self.pass_over(member, &late());
        timeout_at(deadline.min(begun + ATTEMPT_MAX), answer).await.map_err(|_| late())?
    }

    async fn ask<Q, A, F, R>(&self, member: usize, request: Q, rpc: &F) -> Result<A, Status>
    where
        F: Fn(Channel, Request<Q>) -> R,
        R: Future<Output = Result<Response<A>, Status>>,
    {
        let channel = self.members[member].channel.clone();
        let request = self.authenticated(&channel, request).await?;
        Ok(rpc(channel, request).await?.into_inner())
    }

    /// The member that worked last, to open a stream to.
    pub fn preferred(&self) -> usize {
        self.preferred.load(Ordering::Relaxed)
    }

    pub fn channel(&self, member: usize) -> Channel {
        self.members[member].channel.clone()
    }

    fn url(&self, member: usize) -> &str {
        &self.members[member].url
    }

    /// The next member is asked from now on, unless another caller has seen to that.
    pub fn pass_over(&self, member: usize, status: &Status) {
        let next = (member + 1) % self.members.len();
        let order = Ordering::Relaxed;
        if self.preferred.compare_exchange(member, next, order, order).is_ok() && next != member {
            let (from, to) = (self.url(member), self.url(next));
            tracing::warn!(from, to, reason = status.message(), "going on with another member");
        }
    }

    /// A request that says who we are, and that a member without a leader must refuse.
    pub async fn authenticated<Q>(
        &self,
        channel: &Channel,
        request: Q,
    ) -> Result<Request<Q>, Status> {
        let mut request = Request::new(request);
        let metadata = request.metadata_mut();
        metadata.insert("hasleader", MetadataValue::from_static("true"));
        if let Some(token) = self.token(channel).await? {
            metadata.insert("token", token);
        }
        Ok(request)
    }

    async fn token(&self, channel: &Channel) -> Result<Option<MetadataValue<Ascii>>, Status> {
        let Some(login) = &self.login else { return Ok(None) };
        if let Some(token) = self.lock_token().clone() {
            return Ok(Some(token));
        }
        let (name, password) = (login.user.clone(), login.password.clone());
        let request = AuthenticateRequest { name, password };
        let answer = AuthClient::new(channel.clone()).authenticate(request).await?;
        let token = answer.into_inner().token.parse::<MetadataValue<Ascii>>();
        let token = token.map_err(|_| Status::internal("etcd's token is not text"))?;
        *self.lock_token() = Some(token.clone());
        Ok(Some(token))
    }

    pub fn forget_token(&self) {
        *self.lock_token() = None;
    }

    fn lock_token(&self) -> std::sync::MutexGuard<'_, Option<MetadataValue<Ascii>>> {
        self.token.lock().expect("nothing panics while it holds the token")
    }
}

fn judge(status: &Status) -> Verdict {
    if never_sent(status) {
        return Verdict::NotDone;
    }
    match (status.code(), status.message()) {
        (Code::Unavailable, "etcdserver: no leader") => Verdict::NotDone,
        (Code::ResourceExhausted, "etcdserver: too many requests") => Verdict::NotDone,
        (Code::Unauthenticated, "etcdserver: invalid auth token")
        | (Code::InvalidArgument, "etcdserver: revision of auth store is old") => Verdict::Token,
        (Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled, _) => Verdict::Unknown,
        // What the transport says when a connection breaks under a call.
        (Code::Unknown | Code::Internal, _) if has_source(status) => Verdict::Unknown,
        _ => Verdict::Final,
    }
}

/// The connection could not be made: nobody has seen the call.
fn never_sent(status: &Status) -> bool {
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}

fn has_source(status: &Status) -> bool {
    std::error::Error::source(status).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: &Status, expected: Verdict) {
        assert_eq!(judge(status), expected, "{status:?}");
    }

    #[test]
    fn only_what_surely_was_not_done_is_called_so() {
        check(&Status::unavailable("etcdserver: no leader"), Verdict::NotDone);
        check(&Status::resource_exhausted("etcdserver: too many requests"), Verdict::NotDone);
        check(&Status::unavailable("etcdserver: leader changed"), Verdict::Unknown);
        check(&Status::unavailable("etcdserver: request timed out"), Verdict::Unknown);
        check(&Status::deadline_exceeded("late"), Verdict::Unknown);
        check(&Status::unauthenticated("etcdserver: invalid auth token"), Verdict::Token);
        check(&Status::invalid_argument("etcdserver: duplicate key"), Verdict::Final);
        check(&Status::unknown("something of etcd's own"), Verdict::Final);
    }

    #[tokio::test]
    async fn a_member_that_is_not_there_has_done_nothing() {
        let config = RemoteConfig::new(["http://127.0.0.1:1".to_owned()]);
        let client = Client::new(&config).expect("an endpoint");
        let (request, deadline) = (AuthenticateRequest::default(), Instant::now() + ATTEMPT_MAX);
        let rpc =
            |channel, request| async move { AuthClient::new(channel).authenticate(request).await };
        let refused = client.attempt(0, deadline, &request, &rpc).await;
        check(&refused.expect_err("nobody is there"), Verdict::NotDone);
    }

    #[tokio::test]
    async fn a_call_that_nobody_answers_ends_in_time() {
        let endpoints = [1, 2].map(|port| format!("http://127.0.0.1:{port}"));
        let client = Client::new(&RemoteConfig::new(endpoints)).expect("two endpoints");
        let (begun, time) = (Instant::now(), Duration::from_millis(300));
        let rpc =
            |channel, request| async move { AuthClient::new(channel).authenticate(request).await };
        let request = AuthenticateRequest::default();
        assert!(client.call(Repeat::Always, begun + time, &request, rpc).await.is_err());
        assert!(begun.elapsed() < ATTEMPT_MAX, "{:?}", begun.elapsed());
    }
}
