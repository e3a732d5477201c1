//! One look at (or one word to) a container: HTTP, TCP, gRPC, exec. Used by probes and hooks.

mod exec;
mod grpc;
mod http;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, GRPCAction, HTTPGetAction, LifecycleHandler, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use tokio::net::TcpStream;

const USER_AGENT: &str = "kube-probe/1.36";

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Http { scheme: Scheme, target: SocketAddr, path: String, headers: Vec<(String, String)> },
    Tcp(SocketAddr),
    Grpc { target: SocketAddr, service: String },
    Exec(Vec<String>),
    Sleep(Duration),
}

/// What is spoken to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    /// Whatever certificate it shows is taken.
    Https,
}

impl std::fmt::Display for Scheme {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// Why an action cannot be had from its object.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum ActionError {
    #[error("port {0:?} is not a port of the container")]
    Port(String),
    #[error("host {0:?} is not an address")]
    Host(String),
    #[error("no action is given")]
    Nothing,
}

impl Action {
    pub(crate) fn of_probe(
        probe: &Probe,
        container: &Container,
        address: IpAddr,
    ) -> Result<Self, ActionError> {
        if let Some(http) = &probe.http_get {
            return http_action(http, container, address);
        }
        if let Some(tcp) = &probe.tcp_socket {
            let host = host(tcp.host.as_deref(), address)?;
            return Ok(Self::Tcp(SocketAddr::new(host, port(&tcp.port, container)?)));
        }
        if let Some(GRPCAction { port: number, service }) = &probe.grpc {
            let number =
                u16::try_from(*number).map_err(|_| ActionError::Port(number.to_string()))?;
            let service = service.clone().unwrap_or_default();
            return Ok(Self::Grpc { target: SocketAddr::new(address, number), service });
        }
        let exec = probe.exec.as_ref().and_then(|exec| exec.command.clone());
        exec.map(Self::Exec).ok_or(ActionError::Nothing)
    }

    pub(crate) fn of_hook(
        hook: &LifecycleHandler,
        container: &Container,
        address: IpAddr,
    ) -> Result<Self, ActionError> {
        if let Some(http) = &hook.http_get {
            return http_action(http, container, address);
        }
        if let Some(sleep) = &hook.sleep {
            let seconds = u64::try_from(sleep.seconds).unwrap_or(0);
            return Ok(Self::Sleep(Duration::from_secs(seconds)));
        }
        if let Some(tcp) = &hook.tcp_socket {
            let host = host(tcp.host.as_deref(), address)?;
            return Ok(Self::Tcp(SocketAddr::new(host, port(&tcp.port, container)?)));
        }
        let exec = hook.exec.as_ref().and_then(|exec| exec.command.clone());
        exec.map(Self::Exec).ok_or(ActionError::Nothing)
    }
}

fn http_action(
    http: &HTTPGetAction,
    container: &Container,
    address: IpAddr,
) -> Result<Action, ActionError> {
    let target =
        SocketAddr::new(host(http.host.as_deref(), address)?, port(&http.port, container)?);
    let path = http.path.as_deref().filter(|path| !path.is_empty()).unwrap_or("/");
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let headers = http.http_headers.iter().flatten();
    let headers = headers.map(|header| (header.name.clone(), header.value.clone())).collect();
    // Other words are refused by the API.
    let is_secure = http.scheme.as_deref() == Some("HTTPS");
    let scheme = if is_secure { Scheme::Https } else { Scheme::Http };
    Ok(Action::Http { scheme, target, path, headers })
}

fn host(given: Option<&str>, address: IpAddr) -> Result<IpAddr, ActionError> {
    match given.filter(|host| !host.is_empty()) {
        None => Ok(address),
        Some("localhost") => Ok(IpAddr::from([127, 0, 0, 1])),
        Some(host) => host.parse().map_err(|_| ActionError::Host(host.to_owned())),
    }
}

/// A port by number, or by its name among the container's ports.
fn port(port: &IntOrString, container: &Container) -> Result<u16, ActionError> {
    let number = match port {
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(name) => {
            let mut ports = container.ports.iter().flatten();
            let named = ports.find(|port| port.name.as_deref() == Some(name));
            named.map(|port| port.container_port).or_else(|| name.parse().ok())
        }
    };
    let text = || match port {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(name) => name.clone(),
    };
    number.and_then(|number| u16::try_from(number).ok()).ok_or_else(|| ActionError::Port(text()))
}

/// Where an exec goes.
pub(crate) struct Place<'a> {
    pub pod: &'a container::Pod,
    pub container: &'a str,
}

/// Does `action`, for at most `timeout`.
///
/// # Errors
/// What is wrong, in words for an event.
pub(crate) async fn run(
    action: &Action,
    place: Option<Place<'_>>,
    timeout: Duration,
) -> Result<(), String> {
    let late = || format!("command timed out: {} timed out after {timeout:?}", label(action));
    let work = async {
        match action {
            Action::Http { scheme, target, path, headers } => {
                http::get(*scheme, *target, path, headers).await
            }
            Action::Tcp(target) => connect(*target).await.map(drop),
            Action::Grpc { target, service } => grpc::check(*target, service).await,
            Action::Sleep(time) => {
                tokio::time::sleep(*time).await;
                Ok(())
            }
            Action::Exec(args) => match place {
                Some(place) => exec::run(place, args).await,
                None => Err("the container is not running".to_owned()),
            },
        }
    };
    tokio::time::timeout(timeout, work).await.unwrap_or_else(|_| Err(late()))
}

fn label(action: &Action) -> String {
    match action {
        Action::Http { scheme, target, path, .. } => {
            format!("Get \"{scheme}://{target}{path}\"")
        }
        Action::Tcp(target) => format!("dial tcp {target}"),
        Action::Grpc { target, .. } => format!("grpc health check of {target}"),
        Action::Exec(args) => format!("{args:?}"),
        Action::Sleep(_) => "sleep".to_owned(),
    }
}

async fn connect(target: SocketAddr) -> Result<TcpStream, String> {
    let dialed = TcpStream::connect(target).await;
    dialed.map_err(|error| format!("dial tcp {target}: connect: {}", plain(&error)))
}

/// An I/O error without the number in brackets.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// Runs a connection for as long as `exchange` needs it.
async fn drive<T>(
    connection: impl Future<Output = hyper::Result<()>>,
    exchange: impl Future<Output = Result<T, String>>,
) -> Result<T, String> {
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        biased;
        done = &mut exchange => done,
        ended = connection => match ended {
            Ok(()) => exchange.await,
            Err(error) => Err(error.to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    fn container() -> Container {
        serde_json::from_value(
            json!({"name": "c", "ports": [{"name": "http", "containerPort": 8080}]}),
        )
        .unwrap()
    }

    fn check(probe: Value, expected: Result<Action, ActionError>) {
        let probe = serde_json::from_value(probe).unwrap();
        let address = IpAddr::from([10, 42, 0, 9]);
        assert_eq!(Action::of_probe(&probe, &container(), address), expected);
    }

    #[test]
    fn actions_are_read_from_probes() {
        let at = |port| SocketAddr::from(([10, 42, 0, 9], port));
        let get = |scheme, path: &str| Action::Http {
            scheme,
            target: at(8080),
            path: path.into(),
            headers: vec![],
        };
        let named = json!({"httpGet": {"port": "http", "path": "ready"}});
        check(named, Ok(get(Scheme::Http, "/ready")));
        check(json!({"httpGet": {"port": 8080}}), Ok(get(Scheme::Http, "/")));
        let secured = json!({"httpGet": {"port": 8080, "scheme": "HTTPS"}});
        check(secured, Ok(get(Scheme::Https, "/")));
        check(json!({"tcpSocket": {"port": 9}}), Ok(Action::Tcp(at(9))));
        check(
            json!({"grpc": {"port": 9, "service": "a"}}),
            Ok(Action::Grpc { target: at(9), service: "a".into() }),
        );
        check(json!({"exec": {"command": ["ls"]}}), Ok(Action::Exec(vec!["ls".into()])));
    }

    #[test]
    fn a_port_that_is_not_there_is_named() {
        check(json!({"httpGet": {"port": "admin"}}), Err(ActionError::Port("admin".into())));
        check(json!({"tcpSocket": {"port": 70000}}), Err(ActionError::Port("70000".into())));
        check(json!({}), Err(ActionError::Nothing));
    }

    async fn check_http(answer: &'static str, expected: Result<(), &str>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 1024];
            let read = stream.read(&mut head).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&head[..read]).into_owned()
        });
        let headers = vec![("Host".to_owned(), "shop.example".to_owned())];
        let action = Action::Http { scheme: Scheme::Http, target, path: "/ready".into(), headers };
        let found = run(&action, None, Duration::from_secs(5)).await;
        assert_eq!(found.as_ref().copied().map_err(String::as_str), expected);
        let head = server.await.unwrap().to_lowercase();
        assert!(head.starts_with("get /ready http/1.1\r\n"), "{head}");
        assert!(head.contains("host: shop.example\r\n"), "{head}");
    }

    #[tokio::test]
    async fn https_takes_a_certificate_of_the_containers_own_making() {
        let own = rcgen::generate_simple_self_signed(["somebody".to_owned()]).unwrap();
        let key = own.signing_key.serialize_der().try_into().unwrap();
        let ring = rustls::crypto::ring::default_provider();
        let config = rustls::ServerConfig::builder_with_provider(ring.into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
            let mut stream = acceptor.accept(stream).await.unwrap();
            let mut head = [0; 1024];
            let read = stream.read(&mut head).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            String::from_utf8_lossy(&head[..read]).into_owned()
        });
        let path = "/readyz".to_owned();
        let action = Action::Http { scheme: Scheme::Https, target, path, headers: Vec::new() };
        run(&action, None, Duration::from_secs(5)).await.unwrap();
        assert!(server.await.unwrap().starts_with("GET /readyz HTTP/1.1\r\n"));
    }

    #[tokio::test]
    async fn http_succeeds_from_200_to_399() {
        check_http("HTTP/1.1 204 No Content\r\n\r\n", Ok(())).await;
        check_http("HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n", Ok(())).await;
        let expected = Err("HTTP probe failed with statuscode: 503 (no)");
        check_http("HTTP/1.1 503 X\r\ncontent-length: 2\r\n\r\nno", expected).await;
    }

    #[tokio::test]
    async fn a_refused_connection_is_told_in_words() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap();
        drop(listener);
        let found = run(&Action::Tcp(target), None, Duration::from_secs(5)).await;
        assert_eq!(found, Err(format!("dial tcp {target}: connect: connection refused")));
    }
}
