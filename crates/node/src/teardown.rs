//! Undoing everything the node made on this machine; works when no server runs.

use crate::config::memory_dirs;

/// What [`teardown`] needs: the engines' own configurations and the node's directories.
pub struct TeardownConfig {
    /// The runtime whose pods are destroyed.
    pub runtime: container::Runtime,
    /// The network that is destroyed.
    pub network: net::NetworkConfig,
    /// The run directory; it names the memory-backed volumes, which are removed.
    pub run_dir: std::path::PathBuf,
}

/// Why something could not be undone.
#[derive(Debug, thiserror::Error)]
pub enum TeardownError {
    /// A pod was left running.
    #[error("destroy the pods of this instance")]
    Pods(#[source] container::Error),
    /// Links, routes, the nft table or sysctls were left.
    #[error("destroy the network of this instance")]
    Network(#[source] net::NetworkError),
    /// A memory-backed volume was left.
    #[error("remove {}", path.display())]
    Volumes {
        /// The directory that could not be removed.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Destroys all pods of the instance, then its network, then its memory-backed volumes.
/// It may be called again until it succeeds, and with the server dead.
///
/// # Errors
/// The first thing that could not be undone; what comes after it was not tried.
pub async fn teardown(config: &TeardownConfig) -> Result<(), TeardownError> {
    config.runtime.destroy_all().await.map_err(TeardownError::Pods)?;
    net::Network::destroy(&config.network).await.map_err(TeardownError::Network)?;
    for path in memory_dirs(&config.run_dir) {
        match tokio::fs::remove_dir_all(&path).await {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(TeardownError::Volumes { path, source });
            }
            _ => {}
        }
    }
    Ok(())
}
