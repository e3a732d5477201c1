//! `sampan logs NAME`: the logs of all pods of a workload, each line marked with its pod.

use anyhow::{Context, bail};
use futures::{AsyncBufReadExt, TryStreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{ListParams, LogParams};
use kube::core::Selector;
use kube::{Api, Client};
use tokio::task::JoinSet;

use crate::cli::LogsArgs;
use crate::client::{self, api_message};
use crate::instance::Instance;
use crate::output::say;

pub async fn run(instance: &Instance, args: LogsArgs) -> anyhow::Result<()> {
    let client = client::connect(instance).await?;
    let pods = find_pods(&client, &args).await?;
    let sources: Vec<(String, String)> = pods.iter().flat_map(containers).collect();
    if sources.is_empty() {
        bail!("{} has no pods now", args.name);
    }
    let marked = sources.len() > 1;
    let mut printing = JoinSet::new();
    for (pod, container) in sources {
        let api: Api<Pod> = Api::namespaced(client.clone(), &args.namespace);
        let mark = if marked { format!("[{pod} {container}] ") } else { String::new() };
        let params = LogParams {
            container: Some(container),
            follow: args.follow,
            tail_lines: args.tail,
            ..Default::default()
        };
        printing.spawn(print(api, pod, params, mark));
        if !args.follow {
            // One after the other, so that the lines of a pod stay together.
            finished(&mut printing).await?;
        }
    }
    finished(&mut printing).await
}

async fn finished(printing: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    while let Some(printed) = printing.join_next().await {
        printed.context("print a log")??;
    }
    Ok(())
}

async fn print(api: Api<Pod>, pod: String, params: LogParams, mark: String) -> anyhow::Result<()> {
    let stream = api.log_stream(&pod, &params).await;
    let stream = stream
        .map_err(|error| anyhow::anyhow!("read the log of {pod}: {}", api_message(&error)))?;
    let mut lines = stream.lines();
    while let Some(line) =
        lines.try_next().await.with_context(|| format!("read the log of {pod}"))?
    {
        say!("{mark}{line}");
    }
    Ok(())
}

fn containers(pod: &Pod) -> Vec<(String, String)> {
    let name = pod.metadata.name.clone().unwrap_or_default();
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    containers.map(|container| (name.clone(), container.name.clone())).collect()
}

/// The pods of a Deployment, a Service or a Pod of that name, whichever there is first.
async fn find_pods(client: &Client, args: &LogsArgs) -> anyhow::Result<Vec<Pod>> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &args.namespace);
    let by = |selector: Selector| ListParams::default().labels_from(&selector);
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &args.namespace);
    if let Some(deployment) = deployments.get_opt(&args.name).await? {
        let selector = deployment.spec.unwrap_or_default().selector.try_into()?;
        return Ok(pods.list(&by(selector)).await?.items);
    }
    let services: Api<Service> = Api::namespaced(client.clone(), &args.namespace);
    if let Some(labels) = services.get_opt(&args.name).await?.and_then(|s| s.spec?.selector) {
        return Ok(pods.list(&by(labels.into_iter().collect())).await?.items);
    }
    match pods.get_opt(&args.name).await? {
        Some(pod) => Ok(vec![pod]),
        None => bail!(
            "there is no Deployment, Service or Pod named {} in namespace {}\nsee 'sampan status' for what runs",
            args.name,
            args.namespace
        ),
    }
}
