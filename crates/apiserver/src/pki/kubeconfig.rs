//! Kubeconfig texts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;

use super::certificates::Leaf;
use super::life::{LEAF, Life};

/// The name of the cluster and the context in every kubeconfig we write.
const CLUSTER: &str = "sampan";

/// A kubeconfig with everything inline. JSON is YAML; strings need no quoting care that way.
pub(super) fn text(server_url: &str, user: &str, ca_pem: &str, client: &Leaf) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let encoded = |pem: &str| STANDARD.encode(pem);
    let server = quoted(server_url);
    let user = quoted(user);
    let context = quoted(CLUSTER);
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: {context}\nclusters:\n\
         - name: {context}\n  cluster:\n    server: {server}\n    certificate-authority-data: {ca}\n\
         contexts:\n- name: {context}\n  context:\n    cluster: {context}\n    user: {user}\n\
         users:\n- name: {user}\n  user:\n    client-certificate-data: {certificate}\n    client-key-data: {key}\n",
        ca = encoded(ca_pem),
        certificate = encoded(&client.certificate),
        key = encoded(&client.key),
    )
}

/// Does a kubeconfig lead to this server, trust this CA, and carry a certificate that is kept?
pub(super) fn is_kept(text: &str, server_url: &str, ca_pem: &str, now: i64) -> bool {
    let Ok(config) = serde_saphyr::from_str::<Value>(text) else { return false };
    let cluster = &config["clusters"][0]["cluster"];
    let certificate = config["users"][0]["user"]["client-certificate-data"].as_str();
    let certificate = certificate.and_then(|text| STANDARD.decode(text).ok());
    let life = certificate.and_then(|pem| Life::of(&CertificateDer::from_pem_slice(&pem).ok()?));
    cluster["server"] == server_url
        && cluster["certificate-authority-data"] == STANDARD.encode(ca_pem)
        && life.is_some_and(|life| LEAF.is_kept_by(life, now))
}
