//! `sampan down DIR`: deletes what the manifests name, and waits until it is gone.

use std::time::{Duration, Instant};

use anyhow::bail;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, PropagationPolicy};
use kube::{Api, Client};

use crate::app::apply::{self, Targets};
use crate::app::manifests::{self, Manifest};
use crate::cli::DownArgs;
use crate::client::{self, api_message};
use crate::instance::Instance;
use crate::output::say;

/// How often the API is asked.
const POLL: Duration = Duration::from_millis(100);
/// Every cluster has it; an app may name it but does not own it.
const DEFAULT_NAMESPACE: &str = "default";

pub async fn run(instance: &Instance, args: DownArgs) -> anyhow::Result<()> {
    let manifests = manifests::read(&args.dir)?;
    let client = client::connect(instance).await?;
    let targets = Targets::discover(client.clone()).await?;
    let mut deleted = Vec::new();
    // Traffic stops before pods do, and what others depend on goes last.
    for manifest in apply::ordered(manifests).iter().rev().filter(|m| is_owned(m)) {
        if delete(&targets, manifest).await? {
            say!("{}/{} deleted", manifest.kind().to_lowercase(), manifest.name());
            deleted.push(manifest.clone());
        }
    }
    if deleted.is_empty() {
        say!("Nothing of {} was there.", args.dir.display());
        return Ok(());
    }
    wait_gone(&client, &targets, &deleted, Instant::now() + args.timeout).await
}

fn is_owned(manifest: &Manifest) -> bool {
    !(manifest.kind() == "Namespace" && manifest.name() == DEFAULT_NAMESPACE)
}

/// Deletes one object with all that it owns. Returns whether it was there.
async fn delete(targets: &Targets, manifest: &Manifest) -> anyhow::Result<bool> {
    let params = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Foreground),
        ..Default::default()
    };
    match targets.api(manifest)?.delete(manifest.name(), &params).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        Err(error) => bail!("delete {}: {}", manifest.describe(), api_message(&error)),
    }
}

async fn wait_gone(
    client: &Client,
    targets: &Targets,
    deleted: &[Manifest],
    deadline: Instant,
) -> anyhow::Result<()> {
    loop {
        let mut left = Vec::new();
        for manifest in deleted {
            if targets.api(manifest)?.get_metadata_opt(manifest.name()).await?.is_some() {
                left.push(manifest.describe());
            }
        }
        left.extend(orphans(client, deleted).await?);
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            bail!("still there after the time given by --timeout:\n  {}", left.join("\n  "));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Pods of the deleted workloads that are still ending.
async fn orphans(client: &Client, deleted: &[Manifest]) -> anyhow::Result<Vec<String>> {
    let mut left = Vec::new();
    for manifest in deleted.iter().filter(|manifest| manifest.kind() == "Deployment") {
        let namespace = manifest.namespace().unwrap_or(DEFAULT_NAMESPACE);
        let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
        let prefix = format!("{}-", manifest.name());
        let owned = |pod: &Pod| {
            let owners = pod.metadata.owner_references.iter().flatten();
            owners.into_iter().any(|owner| owner.name.starts_with(&prefix))
                && pod.metadata.deletion_timestamp.is_some()
        };
        let names = pods.list(&ListParams::default()).await?.items.into_iter().filter(owned);
        left.extend(names.filter_map(|pod| pod.metadata.name).map(|name| format!("Pod {name}")));
    }
    Ok(left)
}
