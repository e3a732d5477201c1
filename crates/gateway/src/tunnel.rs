//! Connections that became something else than HTTP: bytes both ways until one side ends.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

use crate::endpoint::InFlight;
use crate::server::Peer;

/// Joins both sides once the 101 has gone out. Ends with them, or when the listener's time to
/// drain is over.
pub(crate) fn join(client: OnUpgrade, endpoint: OnUpgrade, in_flight: InFlight, peer: &Peer) {
    let (cut, permit) = (peer.tunnels.cut.clone(), peer.permit.clone());
    peer.tunnels.tracker.spawn(async move {
        let _held = (in_flight, permit);
        let joined = cut.run_until_cancelled(run(client, endpoint)).await;
        if let Some(Err(error)) = joined {
            tracing::debug!(%error, "an upgraded connection ended");
        }
    });
}

#[derive(Debug, thiserror::Error)]
enum TunnelError {
    #[error("upgrade")]
    Upgrade(#[from] hyper::Error),
    #[error("copy")]
    Copy(#[from] std::io::Error),
}

async fn run(client: OnUpgrade, endpoint: OnUpgrade) -> Result<(), TunnelError> {
    let (client, endpoint) = tokio::try_join!(client, endpoint)?;
    copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(endpoint)).await?;
    Ok(())
}
