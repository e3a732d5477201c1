//! Whether the process lives (`/healthz`) and whether it should be sent requests (`/readyz`).

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::future::BoxFuture;
use http::StatusCode;

/// A check that takes longer has failed; probes give up after a second by default.
const CHECK_TIMEOUT: Duration = Duration::from_millis(800);

type Check = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// The state behind both endpoints. Clones share the shutdown flag.
#[derive(Clone, Default)]
pub struct Health {
    stopping: Arc<AtomicBool>,
    checks: Vec<(&'static str, Check)>,
}

impl Health {
    /// Adds a condition of readiness; its error says what is not ready.
    pub fn add_check<F>(
        &mut self,
        name: &'static str,
        check: impl Fn() -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.checks.push((name, Arc::new(move || Box::pin(check()))));
    }

    /// From now on the service is not ready.
    pub fn begin_shutdown(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Ready, or the reasons why not.
    pub async fn ready(&self) -> Result<(), Vec<String>> {
        if self.stopping.load(Ordering::Acquire) {
            return Err(vec!["the service is shutting down".to_owned()]);
        }
        let results =
            futures::future::join_all(self.checks.iter().map(|(name, check)| async move {
                match tokio::time::timeout(CHECK_TIMEOUT, check()).await {
                    Ok(Ok(())) => None,
                    Ok(Err(reason)) => Some(format!("{name}: {reason}")),
                    Err(_) => Some(format!("{name}: no answer within {CHECK_TIMEOUT:?}")),
                }
            }));
        let reasons: Vec<_> = results.await.into_iter().flatten().collect();
        if reasons.is_empty() { Ok(()) } else { Err(reasons) }
    }

    pub(crate) fn routes(&self) -> Router {
        let health = self.clone();
        let readyz = move || {
            let health = health.clone();
            async move { answer(health.ready().await) }
        };
        Router::new().route("/healthz", get(async || "ok\n")).route("/readyz", get(readyz))
    }
}

fn answer(ready: Result<(), Vec<String>>) -> Response {
    match ready {
        Ok(()) => "ok\n".into_response(),
        Err(reasons) => {
            (StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n").into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn readiness_says_what_is_missing_and_ends_with_shutdown() {
        let mut health = Health::default();
        assert_eq!(health.ready().await, Ok(()));
        health.add_check("database", async || Err("refused".to_owned()));
        health.add_check("queue", std::future::pending);
        let reasons = health.ready().await.unwrap_err();
        assert_eq!(reasons, ["database: refused", "queue: no answer within 800ms"]);
        health.begin_shutdown();
        assert_eq!(health.ready().await.unwrap_err(), ["the service is shutting down"]);
    }
}
