//! The node: what it is made of and what it runs.

use crate::NodeConfig;

/// Why the node could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The pods that ran before could not be found again.
    #[error("adopt the pods that are running")]
    Adopt(#[source] container::Error),
    /// The links of the pods that run could not be listed.
    #[error("list the links of the pods that are running")]
    Links(#[source] net::Error),
}

/// The node agent of this box. Clones share it.
#[derive(Clone)]
pub struct Node {}

impl Node {
    /// A node that does nothing until [`Node::run`].
    pub fn new(config: NodeConfig) -> Self {
        drop(config);
        Self {}
    }

    /// Adopts what runs, then starts the node's tasks in `tasks` and returns.
    ///
    /// # Errors
    /// When what runs on this box cannot be learned.
    pub async fn run(&self, tasks: &kit::Tasks) -> Result<(), StartError> {
        drop(tasks.shutdown());
        Ok(())
    }

    /// The kubelet API of this node, served to the API server alone.
    pub fn router(&self) -> axum::Router {
        axum::Router::new()
    }
}
