//! /exec and /attach: a process's stdio over a WebSocket or over SPDY.

use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::Request;
use axum::response::{IntoResponse, Response};
use container::{AttachSpec, Error, Exec, ExecSpec, Pod, Size};

use super::session::{self, Ends, Purpose, SPDY_PROTOCOLS, WEB_SOCKET_PROTOCOLS};
use super::{Failure, Served, transport, upgrade};
use crate::pod::state::container_id;
use crate::shared::lock;

/// The size of a terminal until the client tells its own.
const SIZE: Size = Size { rows: 24, columns: 80 };
/// The longest message that a client may send over a WebSocket.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// What a client asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Wanted {
    command: Vec<String>,
    ends: Ends,
}

impl Wanted {
    /// Both the API's words and the kubelet's own are understood.
    fn parse(query: Vec<(String, String)>) -> Self {
        let mut wanted = Self::default();
        for (key, value) in query {
            let flag = matches!(value.as_str(), "true" | "1");
            match key.as_str() {
                "command" => wanted.command.push(value),
                "stdin" | "input" => wanted.ends.stdin = flag,
                "stdout" | "output" => wanted.ends.stdout = flag,
                "stderr" | "error" => wanted.ends.stderr = flag,
                "tty" => wanted.ends.tty = flag,
                _ => {}
            }
        }
        wanted
    }
}

type Target = Path<(String, String, String)>;

/// What a client is connected with.
enum Process {
    Exec(ExecSpec),
    Attach(AttachSpec),
}

impl Process {
    fn purpose(&self) -> Purpose {
        match self {
            Self::Exec(_) => Purpose::Exec,
            Self::Attach(_) => Purpose::Attach,
        }
    }

    async fn begin(self, pod: Pod) -> Result<Exec, Error> {
        match self {
            Self::Exec(spec) => pod.exec(spec).await,
            Self::Attach(spec) => pod.attach(spec).await,
        }
    }
}

pub(super) async fn exec(
    State(served): State<Served>,
    Path(target): Target,
    Query(query): Query<Vec<(String, String)>>,
    request: Request<Body>,
) -> Response {
    let Wanted { command, ends } = Wanted::parse(query);
    if command.is_empty() {
        return Failure::bad_request("you must specify at least 1 command for the container")
            .into_response();
    }
    let process = |container: String| {
        Process::Exec(ExecSpec {
            container,
            args: command,
            tty: ends.tty.then_some(SIZE),
            stdin: ends.stdin,
            stdout: ends.stdout,
            stderr: ends.stderr && !ends.tty,
            ..ExecSpec::default()
        })
    };
    answer(&served, &target, ends, process, request).await
}

pub(super) async fn attach(
    State(served): State<Served>,
    Path(target): Target,
    Query(query): Query<Vec<(String, String)>>,
    request: Request<Body>,
) -> Response {
    let Wanted { ends, .. } = Wanted::parse(query);
    let process = |container: String| {
        let stderr = ends.stderr && !ends.tty;
        let (stdin, stdout) = (ends.stdin, ends.stdout);
        Process::Attach(AttachSpec { container, stdin, stdout, stderr })
    };
    answer(&served, &target, ends, process, request).await
}

async fn answer(
    served: &Served,
    target: &(String, String, String),
    ends: Ends,
    process: impl FnOnce(String) -> Process,
    request: Request<Body>,
) -> Response {
    if !(ends.stdin || ends.stdout || ends.stderr) {
        let why = "you must specify at least one of stdin, stdout, stderr";
        return Failure::bad_request(why).into_response();
    }
    let (pod, id) = match running(served, target) {
        Ok(found) => found,
        Err(failure) => return failure.into_response(),
    };
    let process = process(id);
    match upgrade::asks_for(request.headers(), upgrade::SPDY) {
        true => over_spdy(pod, ends, process, request),
        false => over_web_socket(pod, process, request).await,
    }
}

fn over_spdy(pod: Pod, ends: Ends, process: Process, request: Request<Body>) -> Response {
    let protocol = match upgrade::negotiate(request.headers(), &SPDY_PROTOCOLS) {
        Ok(protocol) => protocol,
        Err(refusal) => return *refusal,
    };
    upgrade::to_spdy(request, protocol, async move |upgraded| {
        let (output, input) = transport::of_connection(upgraded);
        let purpose = process.purpose();
        session::over_spdy(input, output, protocol, ends, purpose, process.begin(pod)).await;
    })
}

async fn over_web_socket(pod: Pod, process: Process, request: Request<Body>) -> Response {
    let (mut parts, _) = request.into_parts();
    match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => {
            let upgrade = upgrade.protocols(WEB_SOCKET_PROTOCOLS);
            upgrade.max_message_size(MESSAGE_BYTES_MAX).on_upgrade(async move |socket| {
                let purpose = process.purpose();
                session::over_web_socket(socket, purpose, process.begin(pod).await).await;
            })
        }
        Err(rejection) => Failure::bad_request(format!(
            "unable to upgrade: a WebSocket ({}) or SPDY/3.1 is needed: {rejection}",
            WEB_SOCKET_PROTOCOLS.join(", ")
        ))
        .into_response(),
    }
}

/// The pod and the id of a container that runs now.
fn running(
    served: &Served,
    (namespace, pod, container): &(String, String, String),
) -> Result<(Pod, String), Failure> {
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
            ends: Ends { stdin: true, stdout: true, ..Ends::default() },
        };
        let command = [("command", "ls"), ("command", "-l")];
        check(&[&command[..], &[("stdin", "true"), ("stdout", "true")]].concat(), expected.clone());
        check(&[&command[..], &[("input", "1"), ("output", "1"), ("tty", "0")]].concat(), expected);
    }
}
