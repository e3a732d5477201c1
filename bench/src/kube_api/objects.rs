//! What the loads are about: ConfigMaps in a namespace for each purpose.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use serde_json::json;

use super::client::{Ask, Connection, Server};

/// Where objects are created and left.
pub const CREATED: &str = "bench-created";
/// A thousand objects that are read.
pub const READ: &str = "bench-read";
/// Objects that are changed.
pub const CHANGED: &str = "bench-changed";
/// Ten thousand objects that take memory.
pub const MANY: &str = "bench-many";
/// One object that is watched.
pub const WATCHED: &str = "bench-watched";
const NAMESPACES: [&str; 5] = [CREATED, READ, CHANGED, MANY, WATCHED];

/// Objects that are read.
pub const READ_COUNT: usize = 1_000;
/// Objects that are changed: some for each client, so that none waits for another.
pub const CHANGED_COUNT: usize = 512;
/// The data of an object in the loads.
pub const BYTES: usize = 1024;
/// Connections that fill a namespace.
const FILLERS: usize = 8;
/// How long memory is left alone before it is read.
const SETTLE: Duration = Duration::from_secs(3);

/// The objects of a namespace.
pub fn path(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/configmaps")
}

/// The name of an object by its number.
pub fn name(index: usize) -> String {
    format!("object-{index:06}")
}

/// An object as a client sends it.
pub fn object(name: &str, bytes: usize) -> String {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {"app": "bench"}},
        "data": {"text": "x".repeat(bytes)},
    })
    .to_string()
}

/// All that must be there.
pub async fn prepare(server: &Server) -> anyhow::Result<()> {
    let mut connection = server.connect().await?;
    for namespace in NAMESPACES {
        let body = json!({"metadata": {"name": namespace}}).to_string();
        connection.ask(Ask::post("/api/v1/namespaces", body)).await?;
    }
    fill(server, READ, READ_COUNT, BYTES).await?;
    fill(server, CHANGED, CHANGED_COUNT, BYTES).await?;
    fill(server, WATCHED, 1, BYTES).await
}

/// Makes so many objects.
pub async fn fill(
    server: &Server,
    namespace: &'static str,
    count: usize,
    bytes: usize,
) -> anyhow::Result<()> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for _ in 0..FILLERS.min(count) {
        let (mut connection, next) = (server.connect().await?, next.clone());
        tasks.push(tokio::spawn(async move {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    return anyhow::Ok(());
                }
                let body = object(&name(index), bytes);
                connection.ask(Ask::post(&path(namespace), body)).await?;
            }
        }));
    }
    for task in tasks {
        task.await.context("a filler panicked")??;
    }
    Ok(())
}

/// Removes the objects of a namespace.
pub async fn empty(server: &Server, namespace: &str) -> anyhow::Result<()> {
    delete(&mut server.connect().await?, &path(namespace)).await
}

/// Memory is read when what was begun is over.
pub async fn settle() {
    tokio::time::sleep(SETTLE).await;
}

/// Leaves nothing behind, for a server that lives on.
pub async fn remove(server: &Server) -> anyhow::Result<()> {
    let mut connection = server.connect().await?;
    for namespace in NAMESPACES {
        delete(&mut connection, &format!("/api/v1/namespaces/{namespace}")).await?;
    }
    Ok(())
}

/// Removes an object or a collection.
pub async fn delete(connection: &mut Connection, path: &str) -> anyhow::Result<()> {
    let ask = Ask { method: "DELETE", ..Ask::get(path) };
    connection.ask(ask).await.map(drop)
}
