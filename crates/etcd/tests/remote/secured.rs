//! TLS with client certificates, and users.

use std::path::{Path, PathBuf};
use std::time::Duration;

use etcd::pb::etcdserverpb::auth_client::AuthClient;
use etcd::pb::etcdserverpb::{
    AuthEnableRequest, AuthRoleAddRequest, AuthUserAddRequest, AuthUserGrantRoleRequest,
};
use etcd::remote::{self, Login, RemoteConfig, RemoteError, RemoteTls};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::etcd_process::{is_missing, start, start_with, urls};
use crate::support::{open_as, put, soon, value};

/// An authority, and certificates it signed for a server on loopback and for a client.
struct Certificates {
    dir: tempfile::TempDir,
}

impl Certificates {
    fn new() -> Certificates {
        let dir = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap();
        std::fs::write(dir.path().join("ca.pem"), authority.pem()).unwrap();
        let issuer = Issuer::new(params, key);
        for name in ["server", "client"] {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec!["127.0.0.1".into()]).unwrap();
            let signed = params.signed_by(&key, &issuer).unwrap();
            std::fs::write(dir.path().join(format!("{name}.pem")), signed.pem()).unwrap();
            std::fs::write(dir.path().join(format!("{name}.key")), key.serialize_pem()).unwrap();
        }
        Certificates { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn flag(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn etcd_is_reached_with_tls_and_a_certificate_of_ours() {
    if is_missing("etcd_is_reached_with_tls_and_a_certificate_of_ours") {
        return;
    }
    let certificates = Certificates::new();
    let flags = [
        flag("cert-file", &certificates.path("server.pem")),
        flag("key-file", &certificates.path("server.key")),
        flag("trusted-ca-file", &certificates.path("ca.pem")),
        "--client-cert-auth".to_owned(),
    ];
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let members = start_with(1, "https", &flags).await;
    let identity = (certificates.path("client.pem"), certificates.path("client.key"));
    let mut config = RemoteConfig::new(urls(&members));
    config.tls =
        Some(RemoteTls { authority: certificates.path("ca.pem"), identity: Some(identity) });
    let store = open_as(config.clone()).await.store;
    store.commit(put("a", "1")).await.unwrap();
    assert_eq!(value(&store, "a"), Some("1".into()));
    // Without a certificate, or with an authority that did not sign etcd's, there is no way in.
    config.reach_max = Duration::from_millis(500);
    let others = Certificates::new();
    for authority in [certificates.path("ca.pem"), others.path("ca.pem")] {
        config.tls = Some(RemoteTls { authority, identity: None });
        let refused = soon(remote::open(config.clone())).await.map(drop);
        assert!(matches!(refused, Err(RemoteError::Unreachable { .. })), "{refused:?}");
    }
    config.tls = None;
    let refused = remote::open(config).await.map(drop);
    assert!(matches!(refused, Err(RemoteError::Endpoint { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_with_users_wants_a_name_and_a_password() {
    if is_missing("an_etcd_with_users_wants_a_name_and_a_password") {
        return;
    }
    let members = start(1).await;
    let mut auth = AuthClient::connect(members[0].url.clone()).await.unwrap();
    let (name, password) = ("root".to_owned(), "secret".to_owned());
    let add = AuthUserAddRequest { name, password, ..AuthUserAddRequest::default() };
    auth.user_add(add).await.unwrap();
    auth.role_add(AuthRoleAddRequest { name: "root".into() }).await.unwrap();
    let grant = AuthUserGrantRoleRequest { user: "root".into(), role: "root".into() };
    auth.user_grant_role(grant).await.unwrap();
    auth.auth_enable(AuthEnableRequest {}).await.unwrap();
    let mut config = RemoteConfig::new(urls(&members));
    let refused = soon(remote::open(config.clone())).await.map(drop);
    assert!(matches!(refused, Err(RemoteError::Refused { .. })), "{refused:?}");
    config.login = Some(Login { user: "root".into(), password: "secret".into() });
    let store = open_as(config).await.store;
    store.commit(put("a", "1")).await.unwrap();
    assert_eq!(value(&store, "a"), Some("1".into()));
}
