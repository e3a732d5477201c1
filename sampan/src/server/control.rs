//! The control socket: what the commands of this box may ask that is no API.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use apiserver::ApiServer;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use futures::StreamExt as _;
use http::StatusCode;
use kit::Tasks;
use store::Store;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::backup::Space;
use crate::backup::write::{self, Source};
use crate::control::{self, StoreReport};
use crate::instance::Instance;
use crate::server::external::External;
use crate::server::reports;
use crate::server::unix_socket::UnixSocket;

/// Pieces of a backup that wait for a slow reader.
const BACKUP_PIECES_MAX: usize = 4;
/// The bytes of one of them.
const BACKUP_PIECE_BYTES: usize = 256 << 10;

/// What the socket answers from; filled as the server starts. Clones share it.
#[derive(Clone)]
pub struct Control {
    data_dir: PathBuf,
    etcd_quota_bytes: u64,
    external: Option<External>,
    closing: CancellationToken,
    spaces: Arc<OnceLock<Vec<(Space, Store)>>>,
    api: Arc<OnceLock<ApiServer>>,
}

impl Control {
    /// Binds the socket and answers until shutdown.
    pub fn serve(
        tasks: &Tasks,
        instance: &Instance,
        etcd_quota_bytes: u64,
        external: Option<External>,
    ) -> anyhow::Result<Self> {
        let socket = UnixSocket::bind(&control::socket(instance))?;
        let data_dir = instance.data_dir().to_owned();
        let shutdown = tasks.shutdown();
        let closing = shutdown.clone();
        let (spaces, api) = (Arc::default(), Arc::default());
        let control = Self { data_dir, etcd_quota_bytes, external, closing, spaces, api };
        let router = control.router();
        tasks.supervise("listener/control", move || {
            let (listener, router, shutdown) = (socket.open(), router.clone(), shutdown.clone());
            async move {
                let listener = listener?;
                axum::serve(listener, router)
                    .with_graceful_shutdown(CancellationToken::cancelled_owned(shutdown))
                    .await
            }
        });
        Ok(control)
    }

    /// The stores are open.
    pub fn opened(&self, spaces: Vec<(Space, Store)>) {
        let first = self.spaces.set(spaces).is_ok();
        assert!(first, "the stores are opened once");
    }

    /// The API is up.
    pub fn serving(&self, api: ApiServer) {
        let first = self.api.set(api).is_ok();
        assert!(first, "the API is started once");
    }

    fn router(&self) -> Router {
        Router::new()
            .route(control::STORE_STATUS, get(store_status))
            .route(control::BACKUP, get(backup))
            .route(control::SECRETS, get(secrets))
            .route(control::ROTATE, post(rotate))
            .with_state(self.clone())
    }

    fn report(&self) -> StoreReport {
        let quota = |space| (space == Space::Etcd).then_some(self.etcd_quota_bytes);
        let spaces = self.spaces.get().into_iter().flatten();
        StoreReport {
            spaces: spaces
                .map(|(space, store)| reports::space(*space, store, quota(*space)))
                .collect(),
            external: self.external.as_ref().map(External::report),
        }
    }
}

async fn store_status(State(control): State<Control>) -> Json<StoreReport> {
    Json(control.report())
}

async fn secrets(State(control): State<Control>) -> Response {
    match control.api.get() {
        Some(api) => Json(api.secrets_report()).into_response(),
        None => not_up(),
    }
}

async fn rotate(State(control): State<Control>) -> Response {
    let Some(api) = control.api.get().cloned() else { return not_up() };
    // It goes on when whoever asked has gone.
    let rotated = tokio::spawn(async move { api.rotate_secrets_key().await }).await;
    match rotated {
        Ok(Ok(rotated)) => Json(rotated).into_response(),
        Ok(Err(error)) => {
            let text = crate::text::causes(&error);
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "it failed inside").into_response(),
    }
}

fn not_up() -> Response {
    let text = "its API is not up yet; try again in a moment";
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

async fn backup(State(control): State<Control>) -> Response {
    let Some(spaces) = control.spaces.get() else {
        let text = "its stores are not open yet; try again in a moment";
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    };
    let source = Source { data_dir: control.data_dir.clone(), spaces: spaces.clone() };
    let (sender, mut pieces) = mpsc::channel(BACKUP_PIECES_MAX);
    let closing = control.closing.clone().cancelled_owned();
    tokio::task::spawn_blocking(move || {
        let to = BufWriter::with_capacity(BACKUP_PIECE_BYTES, Pieces(sender));
        match write::write(&source, to) {
            Ok(contents) => tracing::info!(bytes = contents.bytes, "a backup was taken"),
            Err(error) => {
                let error = crate::text::causes(&error);
                tracing::warn!(error, "a backup was not finished");
            }
        }
    });
    // A server that ends does not wait for a slow reader, who then knows that there is no end.
    let pieces = futures::stream::poll_fn(move |context| pieces.poll_recv(context));
    let pieces = pieces.take_until(closing).map(Ok::<Bytes, io::Error>);
    Body::from_stream(pieces).into_response()
}

/// A writer whose pieces are the body of a reply.
struct Pieces(mpsc::Sender<Bytes>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Bytes::copy_from_slice(bytes));
        sent.map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "whoever asked has gone"))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
