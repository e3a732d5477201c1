//! Waiting until every workload is ready, or one is known to fail.

use std::time::{Duration, Instant};

use kube::Client;

use super::diagnose::{Failure, diagnose};
use super::workload::{Stage, Workload};
use crate::progress::Line;
use crate::text;

/// For how long a workload without readiness probes must stay ready to be believed.
const HOLD: Duration = Duration::from_secs(1);
/// How often the API is asked.
const POLL: Duration = Duration::from_millis(100);

/// Waits for one workload; its line tells how far it is.
pub async fn until_ready(
    client: &Client,
    workload: &Workload,
    line: &Line,
    deadline: Instant,
) -> Result<(), Failure> {
    line.stage("starting");
    let hold = if workload.probed { Duration::ZERO } else { HOLD };
    let mut ready_since = None;
    loop {
        match workload.stage(client).await {
            Ok(Stage::Ready { .. }) if !held(&mut ready_since, hold) => {
                line.detail("ready; seeing whether it stays so");
            }
            Ok(Stage::Ready { pods }) => {
                let pods = if pods == 1 { "1 pod".to_owned() } else { format!("{pods} pods") };
                line.done(&format!("ready in {}  ({pods})", text::seconds(line.elapsed())));
                return Ok(());
            }
            Ok(Stage::Starting { ready, wanted }) => {
                ready_since = None;
                line.detail(&format!("{ready} of {wanted} pods ready"));
            }
            Err(error) => return fail(line, Failure::api(workload, &error)),
        }
        if let Some(failure) = diagnose(client, workload).await {
            return fail(line, failure);
        }
        if Instant::now() >= deadline {
            return fail(line, Failure::timeout(client, workload).await);
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Has it been ready for as long as `hold` by now.
fn held(ready_since: &mut Option<Instant>, hold: Duration) -> bool {
    ready_since.get_or_insert_with(Instant::now).elapsed() >= hold
}

fn fail(line: &Line, failure: Failure) -> Result<(), Failure> {
    line.failed(&failure.summary());
    Err(failure)
}
