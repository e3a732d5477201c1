//! A machine to try things on: network namespaces that stand for the box, its pods and the world, each
//! lived in by a thread of its own. The real machine's network is never touched.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{geteuid, gettid};

use crate::route::{RouteSocket, VethPair};
use crate::{Link, Network, NetworkConfig, Protocol, Service, Table};

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

type Job = Box<dyn FnOnce() + Send>;

/// A network namespace with a thread that lives in it. Dropping it ends both.
pub(crate) struct Place {
    pub(crate) netns: PathBuf,
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Place {
    pub(crate) fn new() -> Place {
        let (jobs, inbox) = channel::<Job>();
        let (ready, netns) = channel();
        let thread = thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).expect("tests of the network run as root");
            let path = format!("/proc/{}/task/{}/ns/net", std::process::id(), gettid());
            ready.send(PathBuf::from(path)).unwrap();
            inbox.into_iter().for_each(|job| job());
        });
        Place { netns: netns.recv().unwrap(), jobs: Some(jobs), thread: Some(thread) }
    }

    /// Runs something in the namespace and waits for it.
    pub(crate) fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (reply, result) = channel();
        let job =
            move || drop(reply.send(std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))));
        self.jobs.as_ref().unwrap().send(Box::new(job)).unwrap();
        result.recv().unwrap().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Starts a server that answers every connection and datagram with its own name.
    pub(crate) fn serve(&self, port: u16, name: &str) {
        let name = name.to_owned();
        self.run(move || serve(Ipv4Addr::UNSPECIFIED, port, &name));
    }

    /// Asks over TCP from here.
    pub(crate) fn ask(&self, at: &str) -> Result<String, std::io::ErrorKind> {
        let at = at.parse().unwrap();
        self.run(move || ask(at))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.jobs.take();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// Answers TCP connections and UDP datagrams at a port with `name|peer`, from threads that nobody waits for.
pub(crate) fn serve(address: Ipv4Addr, port: u16, name: &str) {
    let listener = TcpListener::bind((address, port)).unwrap();
    let socket = UdpSocket::bind((address, port)).unwrap();
    let (tcp_name, udp_name) = (name.to_owned(), name.to_owned());
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let name = tcp_name.clone();
            thread::spawn(move || {
                let peer = stream.peer_addr().unwrap().ip();
                let mut line = [0; 1];
                // One answer per byte: a connection may be used again.
                while stream.read_exact(&mut line).is_ok() {
                    if line == *b"q"
                        || stream.write_all(format!("{name}|{peer}\n").as_bytes()).is_err()
                    {
                        break;
                    }
                }
            });
        }
    });
    thread::spawn(move || {
        let mut buffer = [0; 64];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            if buffer[..length] == *b"q" {
                break;
            }
            let _ = socket.send_to(format!("{udp_name}|{}\n", peer.ip()).as_bytes(), peer);
        }
    });
}

/// One connection, one question: the answer, `name|address seen`.
pub(crate) fn ask(at: SocketAddr) -> Result<String, std::io::ErrorKind> {
    let mut stream = TcpStream::connect_timeout(&at, PATIENCE).map_err(|error| error.kind())?;
    ask_on(&mut stream)
}

/// Another question on a connection.
pub(crate) fn ask_on(stream: &mut TcpStream) -> Result<String, std::io::ErrorKind> {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"?").map_err(|error| error.kind())?;
    let mut answer = Vec::new();
    let mut byte = [0; 1];
    loop {
        stream.read_exact(&mut byte).map_err(|error| error.kind())?;
        if byte == *b"\n" {
            return Ok(String::from_utf8(answer).unwrap());
        }
        answer.extend_from_slice(&byte);
    }
}

/// One datagram on a connected socket and its answer.
pub(crate) fn ask_udp(socket: &UdpSocket) -> Result<String, std::io::ErrorKind> {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send(b"?").map_err(|error| error.kind())?;
    let mut buffer = [0; 128];
    let length = socket.recv(&mut buffer).map_err(|error| error.kind())?;
    Ok(String::from_utf8_lossy(&buffer[..length]).trim().to_owned())
}

/// Runs a test in a namespace that stands for the box, on a runtime whose threads are all in it.
pub(crate) fn on_a_box<F: Future<Output = ()>>(test: impl FnOnce(Lab) -> F + Send + 'static) {
    assert!(geteuid().is_root(), "tests of the network run as root");
    let thread = thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        RouteSocket::open().unwrap().set_loopback_up().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(test(Lab::new()));
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// The box's run directory and names.
pub(crate) struct Lab {
    dir: tempfile::TempDir,
    next: AtomicU32,
}

impl Lab {
    fn new() -> Lab {
        Lab { dir: tempfile::tempdir().unwrap(), next: AtomicU32::new(0) }
    }

    /// An instance's configuration: `10.<number>.0.0/17` for pods, the upper half for services.
    pub(crate) fn config(&self, number: u8) -> NetworkConfig {
        let instance = format!("lab{number:03}");
        NetworkConfig {
            run_dir: self.dir.path().join(&instance),
            instance,
            pod_range: format!("10.{number}.0.0/17").parse().unwrap(),
            service_range: format!("10.{number}.128.0/17").parse().unwrap(),
            addresses_on_dummy: vec![Ipv4Addr::new(10, number, 128, 10)],
        }
    }

    /// Makes a pod with this address and a server on port 80 that answers with its name.
    pub(crate) async fn pod(&self, network: &Network, address: &str, name: &str) -> Place {
        let place = Place::new();
        let id = format!("pod-{}", self.next.fetch_add(1, Ordering::Relaxed));
        let link = Link { id, netns: place.netns.clone(), address: address.parse().unwrap() };
        network.attach(&link).await.unwrap();
        place.serve(80, name);
        place
    }

    /// The world beyond: a namespace with address 198.51.100.2 that knows no way back to pods; the box
    /// is 198.51.100.1 on `up0` and has its default route there.
    pub(crate) fn world(&self) -> Place {
        let world = Place::new();
        let netns = std::fs::File::open(&world.netns).unwrap();
        let mut route = RouteSocket::open().unwrap();
        let pair = VethPair {
            name: "up0",
            mac: [2, 0, 0, 0, 0, 1],
            mtu: 1400,
            peer_name: "up1",
            peer_mac: [2, 0, 0, 0, 0, 2],
            peer_netns: netns.as_fd(),
        };
        route.add_veth(&pair).unwrap();
        let (inside, outside) = (Ipv4Addr::new(198, 51, 100, 1), Ipv4Addr::new(198, 51, 100, 2));
        let index = route.link("up0").unwrap().unwrap().index;
        route.add_address(index, inside).unwrap();
        route.add_link_route(outside, 32, index, inside).unwrap();
        route.add_default_route(index, outside).unwrap();
        world.run(move || {
            let mut route = RouteSocket::open().unwrap();
            route.set_loopback_up().unwrap();
            let index = route.link("up1").unwrap().unwrap().index;
            route.set_up(index).unwrap();
            route.add_address(index, outside).unwrap();
            route.add_link_route(inside, 32, index, outside).unwrap();
        });
        world
    }
}

/// A TCP service at this virtual address, port 80, with endpoints on port 80.
pub(crate) fn service(name: &str, address: &str, endpoints: &[&str]) -> Service {
    let endpoint = |text: &&str| SocketAddrV4::new(text.parse().unwrap(), 80);
    Service {
        name: name.to_owned(),
        address: address.parse().unwrap(),
        port: 80,
        protocol: Protocol::Tcp,
        node_port: None,
        endpoints: endpoints.iter().map(endpoint).collect(),
        affinity_seconds: None,
    }
}

/// A table of services only.
pub(crate) fn table(services: &[Service]) -> Table {
    Table { services: services.to_vec(), host_ports: Vec::new() }
}

/// Calls until it is true, up to the bound.
pub(crate) fn eventually(mut condition: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if condition() {
            return true;
        }
        thread::sleep(Duration::from_millis(5));
    }
    false
}

/// The name in an answer.
pub(crate) fn who(answer: &str) -> &str {
    answer.split('|').next().unwrap()
}

/// The address that the answering side saw.
pub(crate) fn seen(answer: &str) -> &str {
    answer.split('|').nth(1).unwrap()
}
