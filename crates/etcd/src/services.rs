//! Which path is whose: one service of gRPC each, or plain HTTP.

use std::convert::Infallible;
use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{Request, Response};
use hyper::body::Incoming;
use tonic::Status;
use tonic::body::Body;
use tower::{Service, ServiceExt as _};

use crate::auth::AuthService;
use crate::cluster::Cluster;
use crate::election::Election;
use crate::kv::Kv;
use crate::lease::Lease;
use crate::lock::Lock;
use crate::maintenance::Maintenance;
use crate::member::Member;
use crate::pb::etcdserverpb::auth_server::AuthServer;
use crate::pb::etcdserverpb::cluster_server::ClusterServer;
use crate::pb::etcdserverpb::lease_server::LeaseServer;
use crate::pb::etcdserverpb::maintenance_server::MaintenanceServer;
use crate::pb::etcdserverpb::watch_server::WatchServer;
use crate::pb::v3electionpb::election_server::ElectionServer;
use crate::pb::v3lockpb::lock_server::LockServer;
use crate::watch::Watch;

/// Everything that is served on one port.
///
/// A service is here once it is finished: one field, one line in `new`, one in `respond`.
pub(crate) struct Services {
    member: Arc<Member>,
    kv: Kv,
    watch: WatchServer<Watch>,
    lease: LeaseServer<Lease>,
    lock: LockServer<Lock>,
    election: ElectionServer<Election>,
    auth: AuthServer<AuthService>,
    cluster: ClusterServer<Cluster>,
    maintenance: MaintenanceServer<Maintenance>,
}

impl Services {
    pub(crate) fn new(member: Arc<Member>) -> Services {
        let kv = Kv::new(member.clone());
        let auth = AuthServer::new(AuthService::new(member.clone()));
        let watch = WatchServer::new(Watch::new(member.clone()));
        let lease = LeaseServer::new(Lease::new(member.clone()));
        let lock = LockServer::new(Lock::new(member.clone()));
        let election = ElectionServer::new(Election::new(member.clone()));
        let cluster = ClusterServer::new(Cluster::new(member.clone()));
        let maintenance = MaintenanceServer::new(Maintenance::new(member.clone()));
        Services { member, kv, watch, lease, lock, election, auth, cluster, maintenance }
    }

    /// Answers one request, of whatever kind it is.
    pub(crate) async fn respond(&self, request: Request<Incoming>) -> Response<Body> {
        if !is_grpc(&request) {
            return crate::http::respond(&self.member, request).await;
        }
        let Some(counted) = self.member.calls.begin(request.uri().path()) else {
            return unknown(&request);
        };
        counted.watch(self.serve(request).await)
    }

    async fn serve(&self, request: Request<Incoming>) -> Response<Body> {
        // The path of a call is /package.Service/Method.
        match request.uri().path().split('/').nth(1) {
            Some("etcdserverpb.KV") => self.kv.respond(request).await,
            Some("etcdserverpb.Watch") => call(self.watch.clone(), request).await,
            Some("etcdserverpb.Lease") => call(self.lease.clone(), request).await,
            Some("v3lockpb.Lock") => call(self.lock.clone(), request).await,
            Some("v3electionpb.Election") => call(self.election.clone(), request).await,
            Some("etcdserverpb.Auth") => call(self.auth.clone(), request).await,
            Some("etcdserverpb.Cluster") => call(self.cluster.clone(), request).await,
            Some("etcdserverpb.Maintenance") => call(self.maintenance.clone(), request).await,
            _ => unknown(&request),
        }
    }
}

/// Hands a request to the service of its path.
async fn call<S>(service: S, request: Request<Incoming>) -> Response<Body>
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
{
    let Ok(response) = service.oneshot(request).await;
    response
}

fn is_grpc<B>(request: &Request<B>) -> bool {
    let kind = request.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// The answer to a call of something that is not there.
pub(crate) fn unknown<B>(request: &Request<B>) -> Response<Body> {
    let mut path = request.uri().path().split('/').skip(1);
    let (service, method) = (path.next().unwrap_or_default(), path.next().unwrap_or_default());
    let text = if service == "etcdserverpb.KV" {
        format!("unknown method {method} for service {service}")
    } else {
        format!("unknown service {service}")
    };
    Status::unimplemented(text).into_http()
}
