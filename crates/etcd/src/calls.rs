//! Counts calls, by method and by how they ended, for the metrics.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::{Frame, SizeHint};
use tonic::body::Body;
use tonic::{Code, Status};

/// The calls there are: service, method, and of what kind.
const METHODS: &[(&str, &str, &str)] = &[
    ("etcdserverpb.KV", "Range", UNARY),
    ("etcdserverpb.KV", "Put", UNARY),
    ("etcdserverpb.KV", "DeleteRange", UNARY),
    ("etcdserverpb.KV", "Txn", UNARY),
    ("etcdserverpb.KV", "Compact", UNARY),
    ("etcdserverpb.Watch", "Watch", BIDI),
    ("etcdserverpb.Lease", "LeaseGrant", UNARY),
    ("etcdserverpb.Lease", "LeaseRevoke", UNARY),
    ("etcdserverpb.Lease", "LeaseKeepAlive", BIDI),
    ("etcdserverpb.Lease", "LeaseTimeToLive", UNARY),
    ("etcdserverpb.Lease", "LeaseLeases", UNARY),
    ("etcdserverpb.Cluster", "MemberAdd", UNARY),
    ("etcdserverpb.Cluster", "MemberRemove", UNARY),
    ("etcdserverpb.Cluster", "MemberUpdate", UNARY),
    ("etcdserverpb.Cluster", "MemberList", UNARY),
    ("etcdserverpb.Cluster", "MemberPromote", UNARY),
    ("etcdserverpb.Maintenance", "Alarm", UNARY),
    ("etcdserverpb.Maintenance", "Status", UNARY),
    ("etcdserverpb.Maintenance", "Defragment", UNARY),
    ("etcdserverpb.Maintenance", "Hash", UNARY),
    ("etcdserverpb.Maintenance", "HashKV", UNARY),
    ("etcdserverpb.Maintenance", "Snapshot", "server_stream"),
    ("etcdserverpb.Maintenance", "MoveLeader", UNARY),
    ("etcdserverpb.Maintenance", "Downgrade", UNARY),
    ("etcdserverpb.Auth", "AuthEnable", UNARY),
    ("etcdserverpb.Auth", "AuthDisable", UNARY),
    ("etcdserverpb.Auth", "AuthStatus", UNARY),
    ("etcdserverpb.Auth", "Authenticate", UNARY),
    ("etcdserverpb.Auth", "UserAdd", UNARY),
    ("etcdserverpb.Auth", "UserGet", UNARY),
    ("etcdserverpb.Auth", "UserList", UNARY),
    ("etcdserverpb.Auth", "UserDelete", UNARY),
    ("etcdserverpb.Auth", "UserChangePassword", UNARY),
    ("etcdserverpb.Auth", "UserGrantRole", UNARY),
    ("etcdserverpb.Auth", "UserRevokeRole", UNARY),
    ("etcdserverpb.Auth", "RoleAdd", UNARY),
    ("etcdserverpb.Auth", "RoleGet", UNARY),
    ("etcdserverpb.Auth", "RoleList", UNARY),
    ("etcdserverpb.Auth", "RoleDelete", UNARY),
    ("etcdserverpb.Auth", "RoleGrantPermission", UNARY),
    ("etcdserverpb.Auth", "RoleRevokePermission", UNARY),
    ("v3lockpb.Lock", "Lock", UNARY),
    ("v3lockpb.Lock", "Unlock", UNARY),
    ("v3electionpb.Election", "Campaign", UNARY),
    ("v3electionpb.Election", "Proclaim", UNARY),
    ("v3electionpb.Election", "Leader", UNARY),
    ("v3electionpb.Election", "Observe", "server_stream"),
    ("v3electionpb.Election", "Resign", UNARY),
];

const UNARY: &str = "unary";
const BIDI: &str = "bidi_stream";

/// How many codes gRPC has.
const CODES: usize = 17;

/// The calls so far.
pub(crate) struct Calls {
    methods: Vec<Arc<Method>>,
    /// By path.
    index: HashMap<String, usize>,
}

/// The calls of one method.
pub(crate) struct Method {
    pub(crate) service: &'static str,
    pub(crate) name: &'static str,
    pub(crate) kind: &'static str,
    started: AtomicU64,
    /// Those that ended, by code.
    handled: [AtomicU64; CODES],
}

impl Calls {
    pub(crate) fn new() -> Calls {
        let new = |&(service, name, kind): &(&'static str, &'static str, &'static str)| Method {
            service,
            name,
            kind,
            started: AtomicU64::new(0),
            handled: Default::default(),
        };
        let methods: Vec<Arc<Method>> = METHODS.iter().map(new).map(Arc::new).collect();
        let path = |method: &Method| format!("/{}/{}", method.service, method.name);
        let index = methods.iter().enumerate().map(|(index, one)| (path(one), index)).collect();
        Calls { methods, index }
    }

    /// Notes that a call begins, if its path is one of ours. It counts as cancelled when the call
    /// is dropped before it ends.
    pub(crate) fn begin(&self, path: &str) -> Option<Call> {
        let method = self.methods[*self.index.get(path)?].clone();
        method.started.fetch_add(1, Relaxed);
        Some(Call { method, code: Code::Cancelled })
    }

    pub(crate) fn methods(&self) -> impl Iterator<Item = &Method> {
        self.methods.iter().map(AsRef::as_ref)
    }

    /// The calls of one method; paths that are not ours have none.
    pub(crate) fn method(&self, path: &str) -> Option<&Method> {
        self.index.get(path).map(|index| self.methods[*index].as_ref())
    }
}

impl Method {
    pub(crate) fn started(&self) -> u64 {
        self.started.load(Relaxed)
    }

    /// How many ended well.
    pub(crate) fn succeeded(&self) -> u64 {
        self.handled[Code::Ok as usize].load(Relaxed)
    }

    /// How many are going on.
    pub(crate) fn active(&self) -> u64 {
        let ended: u64 = self.handled.iter().map(|count| count.load(Relaxed)).sum();
        self.started().saturating_sub(ended)
    }

    /// How many ended with each code with which any did.
    pub(crate) fn handled(&self) -> impl Iterator<Item = (Code, u64)> {
        let counts = self.handled.iter().map(|count| count.load(Relaxed));
        let codes = (0..).map(Code::from_i32);
        codes.zip(counts).filter(|(_, count)| *count > 0)
    }
}

/// What is counted beside calls.
#[derive(Default)]
pub(crate) struct Counts {
    /// Events that were sent to watchers.
    pub(crate) watch_events: AtomicU64,
    /// Leases that were kept alive.
    pub(crate) leases_renewed: AtomicU64,
}

/// A call that goes on.
pub(crate) struct Call {
    method: Arc<Method>,
    code: Code,
}

impl Call {
    /// Notes how the call ends, for which the body of a stream is watched.
    pub(crate) fn watch(mut self, response: Response<Body>) -> Response<Body> {
        match code_in(response.headers()) {
            Some(code) => self.code = code,
            // One message that is there already: nothing more can go wrong with it.
            None if self.method.kind == UNARY => self.code = Code::Ok,
            None => return response.map(|body| Body::new(Watched { body, call: self })),
        }
        response
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.method.handled[self.code as usize].fetch_add(1, Relaxed);
    }
}

fn code_in(headers: &HeaderMap) -> Option<Code> {
    headers.get(Status::GRPC_STATUS).map(|code| Code::from_bytes(code.as_bytes()))
}

/// The body of a response, and the call that ends with it.
struct Watched {
    body: Body,
    call: Call,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(code) = frame.trailers_ref().and_then(code_in) {
                    self.call.code = code;
                }
            }
            Some(Err(status)) => self.call.code = status.code(),
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Full};

    use super::*;

    const UNARY_PATH: &str = "/etcdserverpb.Auth/UserAdd";
    const STREAM_PATH: &str = "/etcdserverpb.Watch/Watch";

    fn check(calls: &Calls, path: &str, started: u64, handled: &[(Code, u64)]) {
        let method = calls.method(path).unwrap();
        assert_eq!(method.started(), started);
        assert_eq!(method.handled().collect::<Vec<_>>(), handled);
    }

    fn ending(code: &'static str) -> Response<Body> {
        let trailers = HeaderMap::from_iter([(
            http::HeaderName::from_static("grpc-status"),
            http::HeaderValue::from_static(code),
        )]);
        let body = Full::new(Bytes::new()).with_trailers(async { Some(Ok(trailers)) });
        Response::new(Body::new(body))
    }

    #[tokio::test]
    async fn a_stream_ends_with_its_trailers() {
        let calls = Calls::new();
        let response = calls.begin(STREAM_PATH).unwrap().watch(ending("14"));
        check(&calls, STREAM_PATH, 1, &[]);
        assert_eq!(calls.method(STREAM_PATH).unwrap().active(), 1);
        response.into_body().collect().await.unwrap();
        check(&calls, STREAM_PATH, 1, &[(Code::Unavailable, 1)]);
        assert_eq!(calls.method(STREAM_PATH).unwrap().active(), 0);
    }

    #[test]
    fn a_call_of_one_response_ends_with_it() {
        let calls = Calls::new();
        drop(calls.begin(UNARY_PATH).unwrap().watch(ending("0")));
        check(&calls, UNARY_PATH, 1, &[(Code::Ok, 1)]);
        assert_eq!(calls.method(UNARY_PATH).unwrap().succeeded(), 1);
    }

    #[test]
    fn a_call_that_is_refused_ends_with_the_headers() {
        let calls = Calls::new();
        for path in [UNARY_PATH, STREAM_PATH] {
            let refused = Status::permission_denied("no").into_http();
            drop(calls.begin(path).unwrap().watch(refused));
            check(&calls, path, 1, &[(Code::PermissionDenied, 1)]);
        }
    }

    #[test]
    fn a_call_that_is_dropped_was_cancelled() {
        let calls = Calls::new();
        drop(calls.begin(STREAM_PATH).unwrap());
        drop(calls.begin(STREAM_PATH).unwrap().watch(ending("0")));
        check(&calls, STREAM_PATH, 2, &[(Code::Cancelled, 2)]);
    }

    #[test]
    fn other_paths_are_not_counted() {
        assert!(Calls::new().begin("/etcdserverpb.KV/Nothing").is_none());
    }
}
