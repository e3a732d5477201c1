//! `sampan status`: the server and what runs on it.

use anyhow::Context;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::jiff::Timestamp;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};

use crate::app::urls;
use crate::client;
use crate::control;
use crate::instance::{Instance, RunningServer};
use crate::output::{self, say};
use crate::text;

pub async fn run(instance: &Instance) -> anyhow::Result<()> {
    let Some(server) = instance.running()? else {
        say!("No server runs on {}.", instance.data_dir().display());
        return Ok(());
    };
    print_server(instance, &server);
    print_external(instance).await?;
    if !server.ready {
        return Ok(());
    }
    let client = client::from_kubeconfig(&instance.kubeconfig()).await?;
    print_nodes(&client).await?;
    print_deployments(&client).await?;
    print_single_pods(&client).await?;
    print_urls(&client, &server).await
}

fn print_server(instance: &Instance, server: &RunningServer) {
    let up = text::age(Timestamp::now().as_second() - server.started_at);
    let state = if server.ready { "ready" } else { "starting" };
    say!("Server    {state}, pid {}, up {up}", server.pid);
    say!("API       https://{}", server.api);
    say!("Gateway   http://{}", server.gateway);
    say!("Etcd      {}", server.etcd.as_deref().unwrap_or("off"));
    say!("Data      {}", instance.data_dir().display());
}

/// Where the objects are and who leads there, when that is not the data directory.
async fn print_external(instance: &Instance) -> anyhow::Result<()> {
    // A server says that it runs a moment before it answers; and only root may ask it.
    let Ok(report) = control::store_report(instance).await else { return Ok(()) };
    if let Some(external) = &report.external {
        output::text(&super::store::external_lines(external));
    }
    Ok(())
}

async fn print_nodes(client: &Client) -> anyhow::Result<()> {
    for node in Api::<Node>::all(client.clone()).list(&ListParams::default()).await? {
        let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
        let ready = conditions.into_iter().any(|c| c.type_ == "Ready" && c.status == "True");
        say!("Node      {} {}", node.name_any(), if ready { "Ready" } else { "NotReady" });
    }
    Ok(())
}

async fn print_deployments(client: &Client) -> anyhow::Result<()> {
    let all = Api::<Deployment>::all(client.clone()).list(&ListParams::default()).await?;
    if all.items.is_empty() {
        say!("\nNo deployments. Bring an app up with 'sampan up DIR'.");
        return Ok(());
    }
    let rows: Vec<_> = all.iter().map(deployment_row).collect();
    say!();
    output::text(&text::table(&["NAMESPACE", "DEPLOYMENT", "READY", "IMAGE", "AGE"], &rows));
    Ok(())
}

fn deployment_row(deployment: &Deployment) -> Vec<String> {
    let spec = deployment.spec.clone().unwrap_or_default();
    let ready = deployment.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or(0);
    let containers = spec.template.spec.unwrap_or_default().containers;
    let images: Vec<_> = containers.into_iter().filter_map(|c| c.image).collect();
    vec![
        deployment.namespace().unwrap_or_default(),
        deployment.name_any(),
        format!("{ready}/{}", spec.replicas.unwrap_or(1)),
        images.join(","),
        age(deployment.metadata.creation_timestamp.as_ref().map(|time| time.0)),
    ]
}

async fn print_single_pods(client: &Client) -> anyhow::Result<()> {
    let pods = Api::<Pod>::all(client.clone()).list(&ListParams::default()).await?;
    let single = pods.iter().filter(|pod| pod.metadata.owner_references.is_none());
    let rows: Vec<_> = single.map(pod_row).collect();
    if !rows.is_empty() {
        say!();
        output::text(&text::table(&["NAMESPACE", "POD", "PHASE", "AGE"], &rows));
    }
    Ok(())
}

fn pod_row(pod: &Pod) -> Vec<String> {
    let phase = pod.status.as_ref().and_then(|status| status.phase.clone());
    vec![
        pod.namespace().unwrap_or_default(),
        pod.name_any(),
        phase.unwrap_or_else(|| "Pending".into()),
        age(pod.metadata.creation_timestamp.as_ref().map(|time| time.0)),
    ]
}

async fn print_urls(client: &Client, server: &RunningServer) -> anyhow::Result<()> {
    let ingresses = Api::<Ingress>::all(client.clone()).list(&ListParams::default()).await?;
    let mut objects = Vec::new();
    for ingress in ingresses {
        let mut object = serde_json::to_value(&ingress).context("read an Ingress")?;
        object["kind"] = "Ingress".into();
        objects.push(object);
    }
    for url in urls::of(&objects, server.gateway) {
        say!("{url}");
    }
    Ok(())
}

fn age(created: Option<Timestamp>) -> String {
    created.map_or_else(String::new, |at| text::age(Timestamp::now().as_second() - at.as_second()))
}
