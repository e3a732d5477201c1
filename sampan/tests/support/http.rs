//! A plain HTTP client, and a load that counts what failed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A reply: status code and body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub code: u16,
    pub body: String,
}

/// One request on a connection of its own.
pub fn request(
    at: SocketAddr,
    method: &str,
    host: &str,
    path: &str,
    body: &str,
) -> Result<Reply, String> {
    let mut stream = TcpStream::connect_timeout(&at, Duration::from_secs(5))
        .map_err(|e| format!("connect {at}: {e}"))?;
    stream.set_read_timeout(Some(Duration::from_secs(15))).map_err(|e| e.to_string())?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .map_err(|e| format!("send: {e}"))?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).map_err(|e| format!("read: {e}"))?;
    parse(&String::from_utf8_lossy(&reply))
}

pub fn get(at: SocketAddr, host: &str, path: &str) -> Result<Reply, String> {
    request(at, "GET", host, path, "")
}

fn parse(text: &str) -> Result<Reply, String> {
    let (head, body) = text.split_once("\r\n\r\n").ok_or(format!("cut off: {text:?}"))?;
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or("no status")?;
    let chunked = head.to_lowercase().contains("transfer-encoding: chunked");
    Ok(Reply { code, body: if chunked { unchunk(body) } else { body.to_owned() } })
}

fn unchunk(mut text: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 || size > rest.len() {
            break;
        }
        whole += &rest[..size];
        text = rest[size..].trim_start_matches("\r\n");
    }
    whole
}

/// Requests at a steady rate until it is stopped; each failure is kept.
pub struct Load {
    stop: Arc<AtomicBool>,
    good: Arc<AtomicU64>,
    workers: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    /// `per_second` requests from several threads, each on a new connection.
    pub fn start(at: SocketAddr, host: &str, path: &str, per_second: u32) -> Self {
        const WORKERS: u32 = 8;
        let stop = Arc::new(AtomicBool::new(false));
        let good = Arc::new(AtomicU64::new(0));
        let gap = Duration::from_secs(1) * WORKERS / per_second;
        let workers = (0..WORKERS).map(|_| {
            let (stop, good) = (stop.clone(), good.clone());
            let (host, path) = (host.to_owned(), path.to_owned());
            std::thread::spawn(move || work(at, &host, &path, gap, &stop, &good))
        });
        Self { workers: workers.collect(), stop, good }
    }

    /// Ends it. Returns how many went well, and what happened to the others.
    pub fn finish(self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::SeqCst);
        let failures = self.workers.into_iter().flat_map(|worker| worker.join().expect("a worker"));
        let failures = failures.collect();
        (self.good.load(Ordering::SeqCst), failures)
    }
}

fn work(
    at: SocketAddr,
    host: &str,
    path: &str,
    gap: Duration,
    stop: &AtomicBool,
    good: &AtomicU64,
) -> Vec<String> {
    let mut failures = Vec::new();
    let mut next = Instant::now();
    while !stop.load(Ordering::SeqCst) {
        match get(at, host, path) {
            Ok(Reply { code: 200, .. }) => {
                good.fetch_add(1, Ordering::SeqCst);
            }
            Ok(reply) => failures.push(format!("{} {}", reply.code, reply.body)),
            Err(error) => failures.push(error),
        }
        next += gap;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    failures
}
