//! /exec and /attach: a process's stdio over a WebSocket of Kubernetes channels.

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use container::{AttachSpec, ExecSpec, Size};

use super::session::{self, PROTOCOLS, Purpose};
use super::{Failure, Served};
use crate::pod::state::container_id;
use crate::shared::lock;

/// The size of a terminal until the client tells its own.
const SIZE: Size = Size { rows: 24, columns: 80 };

/// What a client asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Wanted {
    command: Vec<String>,
    stdin: bool,
    stdout: bool,
    stderr: bool,
    tty: bool,
}

impl Wanted {
    /// Both the API's words and the kubelet's own are understood.
    fn parse(query: Vec<(String, String)>) -> Self {
        let mut wanted = Self::default();
        for (key, value) in query {
            let flag = matches!(value.as_str(), "true" | "1");
            match key.as_str() {
                "command" => wanted.command.push(value),
                "stdin" | "input" => wanted.stdin = flag,
                "stdout" | "output" => wanted.stdout = flag,
                "stderr" | "error" => wanted.stderr = flag,
                "tty" => wanted.tty = flag,
                _ => {}
            }
        }
        wanted
    }
}

type Target = Path<(String, String, String)>;
type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

pub(super) async fn exec(
    State(served): State<Served>,
    Path(target): Target,
    Query(query): Query<Vec<(String, String)>>,
    upgrade: Upgrade,
) -> Response {
    let wanted = Wanted::parse(query);
    if wanted.command.is_empty() {
        return Failure::bad_request("you must specify at least 1 command for the container")
            .into_response();
    }
    let (pod, id) = match running(&served, &target) {
        Ok(found) => found,
        Err(failure) => return failure.into_response(),
    };
    let upgrade = match upgraded(upgrade) {
        Ok(upgrade) => upgrade,
        Err(failure) => return failure.into_response(),
    };
    let spec = ExecSpec {
        container: id,
        args: wanted.command,
        tty: wanted.tty.then_some(SIZE),
        stdin: wanted.stdin,
        stdout: wanted.stdout,
        stderr: wanted.stderr && !wanted.tty,
        ..ExecSpec::default()
    };
    upgrade.on_upgrade(async move |socket| {
        session::run(socket, Purpose::Exec, pod.exec(spec).await).await
    })
}

pub(super) async fn attach(
    State(served): State<Served>,
    Path(target): Target,
    Query(query): Query<Vec<(String, String)>>,
    upgrade: Upgrade,
) -> Response {
    let wanted = Wanted::parse(query);
    let (pod, id) = match running(&served, &target) {
        Ok(found) => found,
        Err(failure) => return failure.into_response(),
    };
    let upgrade = match upgraded(upgrade) {
        Ok(upgrade) => upgrade,
        Err(failure) => return failure.into_response(),
    };
    let spec = AttachSpec {
        container: id,
        stdin: wanted.stdin,
        stdout: wanted.stdout,
        stderr: wanted.stderr && !wanted.tty,
    };
    upgrade.on_upgrade(async move |socket| {
        session::run(socket, Purpose::Attach, pod.attach(spec).await).await
    })
}

/// The pod and the id of a container that runs now.
fn running(
    served: &Served,
    (namespace, pod, container): &(String, String, String),
) -> Result<(container::Pod, String), Failure> {
    let (_, live) = served.pod(namespace, pod)?;
    let live = lock(&live);
    let found = live.pod.clone().zip(live.containers.get(container).copied());
    match found {
        Some((sandbox, (attempt, true))) => Ok((sandbox, container_id(container, attempt))),
        _ => {
            let message = format!("container {container:?} in pod {pod:?} is not running");
            Err(Failure::internal(message))
        }
    }
}

fn upgraded(upgrade: Upgrade) -> Result<WebSocketUpgrade, Failure> {
    match upgrade {
        Ok(upgrade) => Ok(upgrade.protocols(PROTOCOLS)),
        Err(rejection) => Err(Failure::bad_request(format!(
            "a WebSocket is needed ({}): {rejection}",
            PROTOCOLS.join(", ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &[(&str, &str)], expected: Wanted) {
        let query = query.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!(Wanted::parse(query), expected);
    }

    #[test]
    fn the_words_of_api_and_kubelet_are_understood() {
        let expected = Wanted {
            command: vec!["ls".into(), "-l".into()],
            stdin: true,
            stdout: true,
            ..Wanted::default()
        };
        let command = [("command", "ls"), ("command", "-l")];
        check(&[&command[..], &[("stdin", "true"), ("stdout", "true")]].concat(), expected.clone());
        check(&[&command[..], &[("input", "1"), ("output", "1"), ("tty", "0")]].concat(), expected);
    }
}
