//! Releases as helm's storage keeps them: one Secret of a type of its own for each revision, found by
//! its labels.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Helm, array, text};

const SECRETS: &str = "/api/v1/namespaces/default/secrets";
const JSON: &str = "application/json";
/// How many revisions are kept.
pub const HISTORY_MAX: usize = 10;
/// What a large chart takes after it was compressed.
const PAYLOAD_BYTES: usize = 700 << 10;

/// A release and the number of its newest revision.
pub struct Release {
    name: &'static str,
    revision: u64,
}

/// Bytes that do not compress, as those that were.
fn payload(bytes: usize) -> String {
    let mut state = 1_u64;
    let noise = (0..bytes * 3 / 4).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    });
    STANDARD.encode(noise.collect::<Vec<u8>>())
}

fn secret(name: &str, revision: u64, status: &str, payload: &str) -> Value {
    let labels = json!({"name": name, "owner": "helm", "status": status,
        "version": revision.to_string(), "modifiedAt": "1790000000"});
    // What is kept is text in base64 of its own.
    json!({"apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1",
        "metadata": {"name": format!("sh.helm.release.v1.{name}.v{revision}"), "labels": labels},
        "data": {"release": STANDARD.encode(payload)}})
}

impl Release {
    /// The first revision, which is being made.
    pub async fn begin(helm: &Helm, name: &'static str) -> Self {
        let release = Self { name, revision: 1 };
        assert!(release.history(helm).await.is_empty());
        release.store(helm).await;
        release
    }

    /// One more revision, and as many of the oldest fewer.
    pub async fn next(&mut self, helm: &Helm) {
        let mut all = self.history(helm).await;
        all.sort_by_key(revision);
        let spare = (all.len() + 1).saturating_sub(HISTORY_MAX);
        for old in &all[..spare] {
            let path = format!("{SECRETS}/{}", text(&old["metadata"]["name"]));
            helm.well("DELETE", &path, JSON, &json!({})).await;
        }
        self.revision += 1;
        self.store(helm).await;
    }

    async fn store(&self, helm: &Helm) {
        let body = secret(self.name, self.revision, "pending", &payload(PAYLOAD_BYTES));
        let made = helm.well("POST", SECRETS, JSON, &body).await;
        assert_eq!(made["data"], body["data"], "what is kept is what was given");
        // Somebody else who installs or upgrades meanwhile is refused.
        let (code, twice) = helm.ask("POST", SECRETS, JSON, Some(&body)).await;
        assert_eq!((code, &twice["reason"]), (409, &json!("AlreadyExists")));
    }

    /// The newest revision is the one that is deployed; what was is superseded.
    pub async fn deployed(&self, helm: &Helm) {
        for mut before in self.find(helm, ",status=deployed").await {
            before["metadata"]["labels"]["status"] = "superseded".into();
            let path = format!("{SECRETS}/{}", text(&before["metadata"]["name"]));
            helm.well("PUT", &path, JSON, &before).await;
        }
        let body = secret(self.name, self.revision, "deployed", &payload(PAYLOAD_BYTES));
        let path = format!("{SECRETS}/{}", text(&body["metadata"]["name"]));
        helm.well("PUT", &path, JSON, &body).await;
        let found = self.find(helm, ",status=deployed").await;
        assert_eq!(found.iter().map(revision).collect::<Vec<_>>(), [self.revision]);
    }

    pub async fn history(&self, helm: &Helm) -> Vec<Value> {
        self.find(helm, "").await
    }

    async fn find(&self, helm: &Helm, more: &str) -> Vec<Value> {
        let selector = format!("name={},owner=helm{more}", self.name).replace('=', "%3D");
        let list = helm.get(&format!("{SECRETS}?labelSelector={selector}")).await;
        array(&list["items"]).to_vec()
    }

    pub async fn purge(&self, helm: &Helm) {
        for secret in self.history(helm).await {
            let path = format!("{SECRETS}/{}", text(&secret["metadata"]["name"]));
            helm.well("DELETE", &path, JSON, &json!({})).await;
        }
    }
}

fn revision(secret: &Value) -> u64 {
    text(&secret["metadata"]["labels"]["version"]).parse().expect("a revision")
}

/// A release over a mebibyte is refused in Kubernetes' words.
pub async fn too_large(helm: &Helm) {
    let body = secret("large", 1, "pending", &payload((1 << 20) + 4096));
    let (code, refusal) = helm.ask("POST", SECRETS, JSON, Some(&body)).await;
    let expected = "Secret \"sh.helm.release.v1.large.v1\" is invalid: data: Too long: \
                    may not be more than 1048576 bytes";
    assert_eq!((code, text(&refusal["message"])), (422, expected));
}
