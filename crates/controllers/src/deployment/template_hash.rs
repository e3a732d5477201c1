//! The short name of a pod template, in ReplicaSets' names and the pod-template-hash label.

use k8s_openapi::api::core::v1::PodTemplateSpec;
use sha2::{Digest, Sha256};

/// The label that keeps the pods of one Deployment's ReplicaSets apart.
pub(crate) const POD_TEMPLATE_HASH: &str = "pod-template-hash";

/// Kubernetes' alphabet for generated names: no vowels and no look-alikes, so no words.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// A hash of the template, ten characters; `collisions` varies it when the name is taken.
pub(crate) fn template_hash(template: &PodTemplateSpec, collisions: i32) -> String {
    let json = serde_json::to_vec(template).expect("a pod template has only string keys");
    let digest = Sha256::new().chain_update(json).chain_update(collisions.to_be_bytes()).finalize();
    digest.iter().take(10).map(|byte| char::from(ALPHABET[usize::from(*byte) % 27])).collect()
}

/// Are the two templates the same, apart from the hash label.
pub(crate) fn same_template(one: &PodTemplateSpec, other: &PodTemplateSpec) -> bool {
    without_hash(one) == without_hash(other)
}

fn without_hash(template: &PodTemplateSpec) -> PodTemplateSpec {
    let mut template = template.clone();
    if let Some(labels) = template.metadata.as_mut().and_then(|meta| meta.labels.as_mut()) {
        labels.remove(POD_TEMPLATE_HASH);
    }
    template
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn template(image: &str, hash: Option<&str>) -> PodTemplateSpec {
        let mut labels = json!({"app": "web"});
        if let Some(hash) = hash {
            labels[POD_TEMPLATE_HASH] = json!(hash);
        }
        serde_json::from_value(json!({
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "web", "image": image}]},
        }))
        .expect("a template")
    }

    #[test]
    fn the_hash_label_does_not_make_a_template_another() {
        assert!(same_template(&template("web:1", None), &template("web:1", Some("abc"))));
        assert!(!same_template(&template("web:1", None), &template("web:2", None)));
    }

    #[test]
    fn the_hash_follows_the_template_and_the_collisions() {
        let hash = template_hash(&template("web:1", None), 0);
        assert_eq!(hash, template_hash(&template("web:1", None), 0));
        assert_ne!(hash, template_hash(&template("web:2", None), 0));
        assert_ne!(hash, template_hash(&template("web:1", None), 1));
        assert_eq!(hash.len(), 10);
    }
}
