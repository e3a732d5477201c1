use std::os::unix::fs::PermissionsExt as _;

use super::token::{Bound, Claims, ISSUER, Named, TokenError};
use super::*;

mod renewal;

fn claims(exp: i64) -> Claims {
    Claims {
        aud: vec![ISSUER.to_owned()],
        exp,
        iat: 1,
        iss: ISSUER.to_owned(),
        jti: "id".to_owned(),
        kubernetes: Bound {
            node: None,
            namespace: "default".to_owned(),
            pod: None,
            secret: None,
            serviceaccount: Named { name: "default".to_owned(), uid: "u".to_owned() },
            warnafter: None,
        },
        nbf: 1,
        sub: "system:serviceaccount:default:default".to_owned(),
    }
}

#[test]
fn a_second_open_finds_the_same_authority_and_keys() {
    let directory = tempfile::tempdir().unwrap();
    let first = Pki::open(directory.path()).unwrap();
    let second = Pki::open(directory.path()).unwrap();
    assert_eq!(first.ca_pem(), second.ca_pem());
    let token = first.tokens().sign(&claims(100)).unwrap();
    assert_eq!(second.tokens().verify(&token, 50), Ok(claims(100)));
}

#[test]
fn every_file_is_private() {
    let directory = tempfile::tempdir().unwrap();
    let pki = Pki::open(directory.path()).unwrap();
    pki.tls(&ServingNames::default()).unwrap();
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
    }
}

#[test]
fn the_serving_certificate_is_kept_until_its_names_change() {
    let directory = tempfile::tempdir().unwrap();
    let pki = Pki::open(directory.path()).unwrap();
    let read = || std::fs::read(directory.path().join("serving.crt")).unwrap();
    pki.tls(&ServingNames::default()).unwrap();
    let first = read();
    pki.tls(&ServingNames::default()).unwrap();
    assert_eq!(read(), first);
    let names = ServingNames { given: vec!["box.example".to_owned()], ..Default::default() };
    pki.tls(&names).unwrap();
    assert_ne!(read(), first);
}

#[test]
fn a_certificate_of_another_authority_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    Pki::open(directory.path()).unwrap().tls(&ServingNames::default()).unwrap();
    let before = std::fs::read(directory.path().join("serving.crt")).unwrap();
    std::fs::remove_file(directory.path().join("ca.crt")).unwrap();
    Pki::open(directory.path()).unwrap().tls(&ServingNames::default()).unwrap();
    assert_ne!(std::fs::read(directory.path().join("serving.crt")).unwrap(), before);
}

#[test]
fn an_unusable_file_is_named() {
    let directory = tempfile::tempdir().unwrap();
    Pki::open(directory.path()).unwrap();
    std::fs::write(directory.path().join("ca.key"), "rubbish").unwrap();
    let error = Pki::open(directory.path()).err().unwrap();
    assert!(error.to_string().contains("ca.key"), "{error}");
}

#[test]
fn tokens_are_refused_when_altered_expired_or_foreign() {
    let directory = tempfile::tempdir().unwrap();
    let key = Pki::open(directory.path()).unwrap();
    let token = key.tokens().sign(&claims(100)).unwrap();
    assert_eq!(key.tokens().verify(&token, 100), Err(TokenError::Expired));
    assert_eq!(key.tokens().verify("a.b.c", 50), Err(TokenError::Malformed));
    let mut altered = token.clone();
    altered.replace_range(token.len() - 4.., "AAAA");
    assert_eq!(key.tokens().verify(&altered, 50), Err(TokenError::Signature));
    let foreign = Claims { aud: vec!["vault".to_owned()], ..claims(100) };
    let foreign = key.tokens().sign(&foreign).unwrap();
    let refused = key.tokens().verify(&foreign, 50);
    assert!(matches!(refused, Err(TokenError::Audience { .. })), "{refused:?}");
}

#[test]
fn a_kubeconfig_is_yaml_with_the_user_and_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let pki = Pki::open(directory.path()).unwrap();
    let text = pki.kubeconfig("https://127.0.0.1:6443", "admin", &["system:masters"]).unwrap();
    let value: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(value["clusters"][0]["cluster"]["server"], "https://127.0.0.1:6443");
    assert_eq!(value["users"][0]["name"], "admin");
}
