//! Conversion by webhook: custom objects of one version as another one's, by whoever defined
//! them. Objects are asked about where they are read or written in another version than they
//! are stored in; many at once, in one call.
//!
//! Source: Kubernetes, "Versions in CustomResourceDefinitions",
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/>.

mod cache;
mod entries;
mod review;

use std::time::{Duration, Instant};

use serde_json::Value;

use self::cache::Cache;
use crate::callout::{Callee, Question};
use crate::error::{ApiError, ApiResult};
use crate::object::text;
use crate::registry::Registry;

/// A call takes no longer, as upstream.
const TIMEOUT: Duration = Duration::from_secs(30);
/// So many objects go into one call: its reply has a bound.
const OBJECTS_MAX: usize = 500;
/// And so many bytes of them, but for one object alone.
const BYTES_MAX: usize = 2 * 1024 * 1024;

/// The webhook of one version of a definition.
pub(crate) struct Conversion {
    callee: Callee,
    /// Of ConversionReview: `v1` or `v1beta1`.
    review_version: &'static str,
    /// What watches and lists have seen converted.
    cache: Cache,
    /// One watcher asks; the others wait for what it learns.
    asking: tokio::sync::Mutex<Option<(Instant, ApiError)>>,
}

impl Conversion {
    /// What a definition's `spec.conversion` says; `None`: only the apiVersion differs.
    pub(super) fn read(conversion: &Value) -> Option<Self> {
        if conversion["strategy"] != "Webhook" {
            return None;
        }
        let versions = conversion.pointer("/webhook/conversionReviewVersions");
        let versions = versions.and_then(Value::as_array).into_iter().flatten();
        let known = |version: &Value| review::VERSIONS.into_iter().find(|known| version == known);
        Some(Self {
            callee: Callee::read(&conversion["webhook"]["clientConfig"]),
            // Validation has seen to it that one of them is known.
            review_version: versions.into_iter().find_map(known).unwrap_or("v1"),
            cache: Cache::default(),
            asking: tokio::sync::Mutex::default(),
        })
    }

    /// Objects in the version `wanted`; those that are in it already are left alone.
    pub(super) async fn convert(
        &self,
        registry: &Registry,
        wanted: &str,
        mut objects: Vec<Value>,
    ) -> ApiResult<Vec<Value>> {
        let others: Vec<usize> = (0..objects.len())
            .filter(|index| text(&objects[*index], "/apiVersion") != wanted)
            .collect();
        for indexes in portions(&objects, &others) {
            let originals: Vec<Value> = indexes.iter().map(|at| objects[*at].take()).collect();
            let converted = self.ask(registry, wanted, &originals).await?;
            indexes.iter().zip(converted).for_each(|(at, object)| objects[*at] = object);
        }
        Ok(objects)
    }

    async fn ask(
        &self,
        registry: &Registry,
        wanted: &str,
        originals: &[Value],
    ) -> ApiResult<Vec<Value>> {
        let of = review::type_of(&originals[0]);
        let failed =
            |why: String| ApiError::unknown(format!("conversion webhook for {of} failed: {why}"));
        let uid = uuid::Uuid::new_v4().to_string();
        let question = Question {
            body: review::question(self.review_version, &uid, wanted, originals).to_string().into(),
            user_agent: "kube-apiserver",
            timeout: TIMEOUT,
        };
        let reply = self.callee.post(registry, question).await;
        let reply = reply.map_err(|error| failed(error.to_string()))?;
        let converted = review::answer(reply, self.review_version, &uid).map_err(failed)?;
        review::check(wanted, originals, converted)
            .map_err(|why| ApiError::unknown(format!("conversion webhook for {of} {why}")))
    }
}

/// The objects of `indexes` in as many calls as their bounds ask for.
fn portions(objects: &[Value], indexes: &[usize]) -> Vec<Vec<usize>> {
    let mut portions: Vec<Vec<usize>> = Vec::new();
    let mut bytes = 0;
    for index in indexes {
        let more = objects[*index].to_string().len();
        match portions.last_mut() {
            Some(last) if last.len() < OBJECTS_MAX && bytes + more <= BYTES_MAX => {
                last.push(*index);
                bytes += more;
            }
            _ => {
                portions.push(vec![*index]);
                bytes = more;
            }
        }
    }
    portions
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_is_one_call_until_it_is_too_large() {
        let small = vec![json!({"a": 1}); 3];
        assert_eq!(portions(&small, &[0, 2]), [vec![0, 2]]);
        let many = vec![json!({}); OBJECTS_MAX + 1];
        let all: Vec<usize> = (0..many.len()).collect();
        assert_eq!(
            portions(&many, &all).iter().map(Vec::len).collect::<Vec<_>>(),
            [OBJECTS_MAX, 1]
        );
        let large = vec![json!({"a": "x".repeat(BYTES_MAX)}); 2];
        assert_eq!(portions(&large, &[0, 1]), [vec![0], vec![1]]);
    }

    #[test]
    fn the_first_known_version_of_the_review_is_spoken() {
        let read = |conversion: Value| Conversion::read(&conversion).map(|c| c.review_version);
        let webhook = |versions: Value| {
            json!({"strategy": "Webhook", "webhook": {
            "clientConfig": {"url": "https://h"}, "conversionReviewVersions": versions}})
        };
        assert_eq!(read(webhook(json!(["v3", "v1beta1", "v1"]))), Some("v1beta1"));
        assert_eq!(read(webhook(json!(["v1", "v1beta1"]))), Some("v1"));
        assert_eq!(read(json!({"strategy": "None"})), None);
    }
}
