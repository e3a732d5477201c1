//! The node agent as one part of the server: should any of its tasks die, all of it is started
//! again, and it finds the pods that run as it does after a restart of the server.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use apiserver::{ApiServer, NodeProxy};
use kit::Tasks;
use node::{Node, NodeConfig, StartError};

/// How long the tasks of an agent may take to end before a new one starts.
const END_MAX: Duration = Duration::from_secs(10);

/// Why the agent is started again.
#[derive(Debug, thiserror::Error)]
enum AgentEnded {
    #[error("its task {0:?} panicked")]
    Panicked(String),
    #[error("it could not start: {0}")]
    Start(#[source] StartError),
}

/// Starts the node agent and keeps it running.
///
/// # Errors
/// When it cannot start at all.
pub async fn run(
    tasks: &Tasks,
    api: &ApiServer,
    config: impl Fn() -> NodeConfig + Send + Sync + 'static,
) -> anyhow::Result<()> {
    let config = Arc::new(config);
    let first = tasks.branch();
    start(api, &*config, &first).await.context("start the node agent")?;
    let (mut running, tree, api) = (Some(first), tasks.clone(), api.clone());
    tasks.supervise("node", move || {
        let (branch, tree, api) = (running.take(), tree.clone(), api.clone());
        let config = config.clone();
        async move {
            let branch = match branch {
                Some(branch) => branch,
                None => {
                    let branch = tree.branch();
                    start(&api, &*config, &branch).await.map_err(AgentEnded::Start)?;
                    branch
                }
            };
            watch_over(&branch).await
        }
    });
    Ok(())
}

async fn start(
    api: &ApiServer,
    config: &(dyn Fn() -> NodeConfig + Send + Sync),
    branch: &Tasks,
) -> Result<(), StartError> {
    let node = Node::new(config());
    node.run(branch).await?;
    api.set_node_proxy(NodeProxy::new(node.router()));
    Ok(())
}

/// Waits for shutdown or for the first task that dies, then for all others to end.
async fn watch_over(branch: &Tasks) -> Result<(), AgentEnded> {
    let shutdown = branch.shutdown();
    let ended = tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        name = branch.panicked() => Err(AgentEnded::Panicked(name)),
    };
    if let Err(stuck) = branch.stop(END_MAX).await {
        tracing::warn!(tasks = stuck.join(", "), "tasks of the node agent did not end in time");
    }
    ended
}
