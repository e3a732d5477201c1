//! ID tokens of an OpenID Connect issuer, which is a real HTTPS server with keys of its own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Json;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use rcgen::CertificateParams;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use rustls::pki_types::PrivateKeyDer;
use sampan_apiserver::Access;
use sampan_apiserver::authn::{AuthenticationConfiguration, Oidc, OidcSettings};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::support::Server;

const REVIEWS: &str = "POST /apis/authentication.k8s.io/v1/tokenreviews";
const RSA: &[u8] = include_bytes!("oidc-rsa.der");

/// The published keys, and how often they were asked for.
#[derive(Default)]
struct Published {
    keys: Mutex<Vec<Value>>,
    asked: AtomicUsize,
}

/// An issuer; it ends with the test's runtime.
struct Issuer {
    url: String,
    authority: Vec<u8>,
    published: Arc<Published>,
}

impl Issuer {
    async fn start() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let names = ["localhost".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let published = Arc::new(Published::default());
        let router = router(url.clone(), published.clone());
        tokio::spawn(accept(listener, TlsAcceptor::from(Arc::new(config)), router));
        Self { url, authority: certificate.pem().into_bytes(), published }
    }

    fn publish(&self, key: Value) {
        self.published.keys.lock().unwrap().push(key);
    }

    fn asked(&self) -> usize {
        self.published.asked.load(Ordering::SeqCst)
    }

    async fn server(&self) -> Server {
        let settings = OidcSettings {
            issuer_url: self.url.clone(),
            client_id: "sampan".to_owned(),
            username_claim: "sub".to_owned(),
            username_prefix: "oidc:".to_owned(),
            groups_claim: "groups".to_owned(),
            signing_algs: vec!["RS256".to_owned(), "ES256".to_owned()],
            ca_pem: Some(self.authority.clone()),
            ..OidcSettings::default()
        };
        let oidc = vec![Arc::new(Oidc::new(settings).unwrap())];
        Server::with_access(Access { oidc, ..Access::default() }).await
    }

    /// What a good token says.
    fn claims(&self) -> Value {
        json!({"iss": self.url, "aud": "sampan", "sub": "amy", "exp": 4_000_000_000_u64,
            "groups": ["dev"]})
    }
}

fn router(url: String, published: Arc<Published>) -> Router {
    let discovery = json!({"issuer": url, "jwks_uri": format!("{url}/keys")});
    let keys = move || async move {
        published.asked.fetch_add(1, Ordering::SeqCst);
        Json(json!({"keys": *published.keys.lock().unwrap()}))
    };
    Router::new()
        .route("/.well-known/openid-configuration", get(move || async move { Json(discovery) }))
        .route("/keys", get(keys))
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, router: Router) {
    while let Ok((tcp, _)) = listener.accept().await {
        let (acceptor, router) = (acceptor.clone(), router.clone());
        tokio::spawn(async move {
            let Ok(tls) = acceptor.accept(tcp).await else { return };
            let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let service = TowerToHyperService::new(router);
            let _ended = builder.serve_connection(TokioIo::new(tls), service).await;
        });
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token, signed by this.
fn token(alg: &str, id: &str, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let header = encode(json!({"alg": alg, "kid": id}).to_string());
    let signed = format!("{header}.{}", encode(claims.to_string()));
    let signature = encode(sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

struct Curve(EcdsaKeyPair);

impl Curve {
    fn new() -> Self {
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap())
    }

    fn published(&self, id: &str) -> Value {
        let (x, y) = self.0.public_key().as_ref()[1..].split_at(32);
        json!({"kty": "EC", "crv": "P-256", "kid": id, "x": encode(x), "y": encode(y)})
    }

    fn token(&self, id: &str, claims: &Value) -> String {
        let sign =
            |bytes: &[u8]| self.0.sign(&SystemRandom::new(), bytes).unwrap().as_ref().to_vec();
        token("ES256", id, claims, sign)
    }
}

async fn review(server: &Server, token: &str) -> Value {
    let body = json!({"spec": {"token": token}});
    server.check(REVIEWS, body, 201, json!({})).await["status"].clone()
}

#[tokio::test]
async fn an_id_token_is_a_user() {
    let issuer = Issuer::start().await;
    let (curve, rsa) = (Curve::new(), RsaKeyPair::from_pkcs8(RSA).unwrap());
    let public = PublicKeyComponents::<Vec<u8>>::from(rsa.public());
    issuer.publish(curve.published("c"));
    issuer.publish(
        json!({"kty": "RSA", "use": "sig", "kid": "r", "n": encode(public.n), "e": encode(public.e)}),
    );
    let server = issuer.server().await;
    assert_eq!(issuer.asked(), 0, "nothing is asked before it is needed");
    let by_rsa = token("RS256", "r", &issuer.claims(), |bytes| {
        let mut signature = vec![0; rsa.public().modulus_len()];
        rsa.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), bytes, &mut signature).unwrap();
        signature
    });
    for good in [curve.token("c", &issuer.claims()), by_rsa] {
        let status = review(&server, &good).await;
        assert_eq!(status["authenticated"], true, "{status}");
        let expected = json!({"username": "oidc:amy", "groups": ["dev", "system:authenticated"]});
        assert_eq!(status["user"], expected);
    }
    assert_eq!(issuer.asked(), 1, "keys are kept");
}

#[tokio::test]
async fn tokens_that_are_not_good_are_refused() {
    let issuer = Issuer::start().await;
    let curve = Curve::new();
    issuer.publish(curve.published("c"));
    let server = issuer.server().await;
    let good = curve.token("c", &issuer.claims());
    let mut over = issuer.claims();
    over["exp"] = 1.into();
    let mut elsewhere = issuer.claims();
    elsewhere["aud"] = "others".into();
    let forged = Curve::new().token("c", &issuer.claims());
    let unknown = Curve::new().token("x", &issuer.claims());
    let unsigned = token("none", "c", &issuer.claims(), |_| Vec::new());
    let cut = &good[..good.len() - 2];
    let more = format!("{good}.x");
    let bad = [
        curve.token("c", &over),
        curve.token("c", &elsewhere),
        forged,
        unknown,
        unsigned,
        cut.to_owned(),
        more,
    ];
    for bad in &bad {
        let status = review(&server, bad).await;
        assert_ne!(status["authenticated"], true, "{bad}: {status}");
    }
    assert_eq!(review(&server, &good).await["authenticated"], true);
    // Whatever comes, the issuer is not asked again and again.
    for _ in 0..20 {
        review(&server, &Curve::new().token("y", &issuer.claims())).await;
    }
    assert_eq!(issuer.asked(), 1);
}

#[test]
fn an_issuer_that_cannot_be_trusted_is_no_setting() {
    let with = |url: &str, algorithm: &str| {
        let settings = OidcSettings {
            issuer_url: url.to_owned(),
            client_id: "us".to_owned(),
            signing_algs: vec![algorithm.to_owned()],
            ..OidcSettings::default()
        };
        Oidc::new(settings).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(with("https://i", "RS256"), Ok(()));
    assert!(with("http://i", "RS256").unwrap_err().contains("is no https URL"));
    assert!(with("https://i", "none").unwrap_err().contains("\"none\" is not supported"));
}

/// An issuer in a configuration; `says` is what follows from its tokens.
fn configured(issuer: &Issuer, says: &Value) -> Value {
    let mut jwt = says.clone();
    let authority = String::from_utf8(issuer.authority.clone()).unwrap();
    jwt["issuer"] = json!({"url": issuer.url, "audiences": ["sampan", "other"],
        "audienceMatchPolicy": "MatchAny", "certificateAuthority": authority});
    jwt
}

#[tokio::test]
async fn a_file_says_whose_tokens_are_users_and_which() {
    let (one, two) = (Issuer::start().await, Issuer::start().await);
    let curve = Curve::new();
    one.publish(curve.published("c"));
    two.publish(curve.published("c"));
    let plain = json!({"claimMappings": {"username": {"claim": "sub", "prefix": "one:"}}});
    let mapped = json!({
        "claimValidationRules": [{"expression": "claims.groups.size() > 0", "message": "in no group"}],
        "claimMappings": {
            "username": {"expression": "'two:' + claims.sub"},
            "groups": {"expression": "claims.groups.map(g, 'team-' + g)"},
            "uid": {"expression": "claims.?id.orValue('none')"},
            "extra": [{"key": "example.com/audience", "valueExpression": "claims.aud"}],
        },
        "userValidationRules": [{"expression": "user.username != 'two:mallory'", "message": "go"}],
    });
    let file = json!({"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration",
        "jwt": [configured(&one, &plain), configured(&two, &mapped)]});
    let read = AuthenticationConfiguration::parse("file", &file.to_string()).unwrap();
    let server = Server::with_access(Access { oidc: read.issuers, ..Access::default() }).await;
    let status = review(&server, &curve.token("c", &one.claims())).await;
    let expected = json!({"username": "one:amy", "groups": ["system:authenticated"]});
    assert_eq!(status["user"], expected, "{status}");
    let status = review(&server, &curve.token("c", &two.claims())).await;
    let expected = json!({"username": "two:amy", "uid": "none",
        "groups": ["team-dev", "system:authenticated"],
        "extra": {"example.com/audience": ["sampan"]}});
    assert_eq!(status["user"], expected, "{status}");
    for (claim, value, why) in [
        (
            "groups",
            json!([]),
            "validation expression 'claims.groups.size() > 0' failed: in no group",
        ),
        (
            "sub",
            json!("mallory"),
            "validation expression 'user.username != 'two:mallory'' failed: go",
        ),
        ("aud", json!("them"), "oidc: expected audience in [\"sampan\" \"other\"] got [\"them\"]"),
    ] {
        let mut claims = two.claims();
        claims[claim] = value;
        let status = review(&server, &curve.token("c", &claims)).await;
        assert_eq!(status["authenticated"], json!(null), "{claim}: {status}");
        assert!(status["error"].as_str().unwrap().contains(why), "{status}");
    }
}
