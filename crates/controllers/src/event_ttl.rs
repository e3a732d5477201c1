//! Events are kept for an hour, as kube-apiserver's `--event-ttl` does by default: what
//! grows by itself must have a bound.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Event;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{DeleteParams, ListParams};

use crate::context::Context;
use crate::drive::ReconcileError;
use crate::owner::{name, namespace};

/// How long an event is kept after it was last seen.
const TTL_SECONDS: i64 = 3600;
/// How often old events are looked for.
const SWEEP: Duration = Duration::from_secs(60);
/// How many events are read at a time.
const PAGE: u32 = 500;

pub(crate) async fn run(context: Arc<Context>) -> Result<(), ReconcileError> {
    let shutdown = context.shutdown();
    while shutdown.run_until_cancelled(tokio::time::sleep(SWEEP)).await.is_some() {
        sweep(&context).await?;
    }
    Ok(())
}

async fn sweep(ctx: &Context) -> Result<(), ReconcileError> {
    let all: Api<Event> = ctx.all();
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let events = all.list(&page).await?;
        let now = Timestamp::now();
        for event in events.items.iter().filter(|event| is_over(event, now)) {
            delete(ctx, event).await?;
        }
        match events.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(()),
        }
    }
}

async fn delete(ctx: &Context, event: &Event) -> Result<(), ReconcileError> {
    let api: Api<Event> = ctx.api(namespace(&event.metadata));
    match api.delete(name(&event.metadata), &DeleteParams::default()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn is_over(event: &Event, now: Timestamp) -> bool {
    let times = [
        event.series.as_ref().and_then(|series| series.last_observed_time.as_ref()).map(|t| t.0),
        event.last_timestamp.as_ref().map(|time| time.0),
        event.event_time.as_ref().map(|time| time.0),
        event.metadata.creation_timestamp.as_ref().map(|time| time.0),
    ];
    let last = times.into_iter().flatten().max();
    last.is_some_and(|last| now.as_second() - last.as_second() > TTL_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn check(event: Value, expected: bool) {
        let event: Event = serde_json::from_value(event).expect("an Event");
        assert_eq!(is_over(&event, "2026-01-01T02:00:00Z".parse().expect("a time")), expected);
    }

    #[test]
    fn an_event_is_over_an_hour_after_it_was_last_seen() {
        let about = json!({});
        check(
            json!({"metadata": {"creationTimestamp": "2026-01-01T00:30:00Z"}, "involvedObject": about}),
            true,
        );
        check(
            json!({"metadata": {"creationTimestamp": "2026-01-01T00:30:00Z"}, "involvedObject": about,
                "lastTimestamp": "2026-01-01T01:30:00Z"}),
            false,
        );
    }

    #[test]
    fn an_event_without_any_time_is_kept() {
        check(json!({"metadata": {}, "involvedObject": {}}), false);
    }
}
