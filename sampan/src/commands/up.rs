//! `sampan up DIR`: from source to served.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, bail};
use futures::future::join_all;
use image::ImageStore;
use kube::Client;

use crate::app::manifests::{self, Manifest};
use crate::app::workload::Workload;
use crate::app::{apply, builds, sources, urls, wait};
use crate::cli::UpArgs;
use crate::client;
use crate::instance::{Instance, RunningServer};
use crate::machine;
use crate::output::say;
use crate::progress::{Line, Progress};
use crate::server::background;
use crate::text;

pub async fn run(
    instance: impl Fn() -> anyhow::Result<Instance>,
    args: UpArgs,
) -> anyhow::Result<()> {
    let started = Instant::now();
    // What the user wrote is checked before anything is started or made.
    let manifests = apply::ordered(manifests::read(&args.dir)?);
    machine::require_root("up")?;
    let instance = instance()?;
    let server = server_of(&instance, &args).await?;
    let client = client::from_kubeconfig(&instance.kubeconfig()).await?;
    let workloads: Vec<Workload> = manifests.iter().filter_map(Workload::of).collect();
    let progress = Progress::for_names(workloads.iter().map(|w| w.name.as_str()));
    let lines: BTreeMap<String, Line> =
        workloads.iter().map(|w| (w.name.clone(), progress.line(&w.name))).collect();
    let manifests = build(&instance, &args.dir, manifests, &lines).await?;
    apply_all(&client, &manifests).await?;
    // Building takes what it takes; the time given is for becoming ready.
    ready(&client, &workloads, &lines, Instant::now() + args.timeout).await?;
    report(&args.dir, &manifests, &server, started);
    Ok(())
}

/// The server that runs, or a new one in the background.
async fn server_of(instance: &Instance, args: &UpArgs) -> anyhow::Result<RunningServer> {
    if let Some(server) = instance.running()?.filter(|server| server.ready) {
        return Ok(server);
    }
    let began = Instant::now();
    let server = background::start(instance, &args.server).await?;
    eprintln!(
        "Started a server in the background in {} (pid {}, log {}).",
        text::seconds(began.elapsed()),
        server.pid,
        instance.server_log().display()
    );
    Ok(server)
}

async fn build(
    instance: &Instance,
    dir: &Path,
    mut manifests: Vec<Manifest>,
    lines: &BTreeMap<String, Line>,
) -> anyhow::Result<Vec<Manifest>> {
    let store = ImageStore::open(instance.images()).context("open the image store")?;
    let images = sources::find(dir, &manifests);
    let built = builds::build_all(&store, &images, lines, dir).await?;
    manifests.iter_mut().for_each(|manifest| sources::pin(manifest, &built));
    Ok(manifests)
}

async fn apply_all(client: &Client, manifests: &[Manifest]) -> anyhow::Result<()> {
    let targets = apply::Targets::discover(client.clone()).await?;
    apply::check(&targets, manifests).await?;
    for manifest in manifests {
        apply::apply(&targets, manifest).await?;
    }
    Ok(())
}

/// Waits for all workloads at once; each failure is told whole.
async fn ready(
    client: &Client,
    workloads: &[Workload],
    lines: &BTreeMap<String, Line>,
    deadline: Instant,
) -> anyhow::Result<()> {
    let waits = workloads
        .iter()
        .map(|workload| wait::until_ready(client, workload, &lines[&workload.name], deadline));
    let failures: Vec<_> = join_all(waits).await.into_iter().filter_map(Result::err).collect();
    if failures.is_empty() {
        return Ok(());
    }
    let stories: Vec<_> = failures.iter().map(|failure| failure.story()).collect();
    bail!("{} of {} services failed\n{}", failures.len(), workloads.len(), stories.join("\n"))
}

fn report(dir: &Path, manifests: &[Manifest], server: &RunningServer, started: Instant) {
    let name = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let name = name.file_name().map(|name| name.to_string_lossy().into_owned());
    let took = text::seconds(started.elapsed());
    say!("{} is up in {took}.", name.as_deref().unwrap_or("The app"));
    for url in urls::of(manifests.iter().map(|manifest| &manifest.object), server.gateway) {
        say!("  {url}");
    }
}
