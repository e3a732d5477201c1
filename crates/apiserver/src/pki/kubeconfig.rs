//! Kubeconfig texts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::certificates::Leaf;

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
