//! Who can talk to whom, and as whom.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use crate::Network;
use crate::lab::{Place, ask, on_a_box, seen, service, table, who};
use crate::route::RouteSocket;

#[test]
fn pods_talk_to_each_other_and_to_the_box_with_their_own_addresses() {
    on_a_box(|lab| async move {
        let network = Network::open(lab.config(80)).unwrap();
        let one = lab.pod(&network, "10.80.0.2", "one").await;
        let two = lab.pod(&network, "10.80.0.3", "two").await;
        assert_eq!(one.ask("10.80.0.3:80").as_deref(), Ok("two|10.80.0.2"));
        assert_eq!(two.ask("10.80.0.2:80").as_deref(), Ok("one|10.80.0.3"));
        assert_eq!(ask("10.80.0.2:80".parse().unwrap()).as_deref(), Ok("one|10.80.0.1"));
        crate::lab::serve("10.80.0.1".parse().unwrap(), 6443, "box");
        assert_eq!(one.ask("10.80.0.1:6443").as_deref(), Ok("box|10.80.0.2"));
    });
}

#[test]
fn a_pod_that_is_gone_is_unreachable_at_once() {
    on_a_box(|lab| async move {
        let network = Network::open(lab.config(81)).unwrap();
        let _world = lab.world();
        let one = lab.pod(&network, "10.81.0.2", "one").await;
        for address in ["10.81.0.99:80", "10.81.7.7:80"] {
            let start = Instant::now();
            let error = one.ask(address).unwrap_err();
            assert_eq!(error, ErrorKind::HostUnreachable);
            assert_eq!(ask(address.parse().unwrap()).unwrap_err(), ErrorKind::HostUnreachable);
            assert!(start.elapsed() < Duration::from_secs(1));
        }
    });
}

#[test]
fn pods_reach_the_world_with_the_address_of_the_box() {
    on_a_box(|lab| async move {
        let world = lab.world();
        world.serve(80, "world");
        let network = Network::open(lab.config(82)).unwrap();
        let one = lab.pod(&network, "10.82.0.2", "one").await;
        assert_eq!(one.ask("198.51.100.2:80").as_deref(), Ok("world|198.51.100.1"));
    });
}

/// Whether a datagram from a pod, with this source, gets to a socket of the box at `at`.
fn arrives(pod: &Place, source: &'static str, at: &'static str) -> bool {
    let receiver = UdpSocket::bind(at).unwrap();
    receiver.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    pod.run(move || {
        let socket = UdpSocket::bind((source, 0)).unwrap();
        socket.send_to(b"?", at).unwrap();
    });
    receiver.recv(&mut [0; 64]).is_ok()
}

#[test]
fn a_pod_cannot_send_with_the_address_of_another() {
    on_a_box(|lab| async move {
        let network = Network::open(lab.config(83)).unwrap();
        let one = lab.pod(&network, "10.83.0.2", "one").await;
        let _two = lab.pod(&network, "10.83.0.3", "two").await;
        one.run(|| {
            let mut route = RouteSocket::open().unwrap();
            let index = route.link("eth0").unwrap().unwrap().index;
            route.add_address(index, "10.83.0.3".parse().unwrap()).unwrap();
        });
        assert!(arrives(&one, "10.83.0.2", "10.83.0.1:7777"));
        assert!(!arrives(&one, "10.83.0.3", "10.83.0.1:7777"));
    });
}

#[test]
fn a_pod_cannot_reach_what_listens_on_the_loopback_of_the_box() {
    on_a_box(|lab| async move {
        let network = Network::open(lab.config(86)).unwrap();
        let one = lab.pod(&network, "10.86.0.2", "one").await;
        one.run(|| {
            RouteSocket::open().unwrap().delete_loopback_address().unwrap();
            std::fs::write("/proc/sys/net/ipv4/conf/eth0/route_localnet", "1").unwrap();
        });
        assert!(arrives(&one, "10.86.0.2", "10.86.0.1:7777"));
        assert!(!arrives(&one, "10.86.0.2", "127.0.0.1:7777"));
    });
}

#[test]
fn a_port_of_a_service_is_open_on_every_address_of_the_box() {
    on_a_box(|lab| async move {
        let world = lab.world();
        let network = Network::open(lab.config(84)).unwrap();
        let one = lab.pod(&network, "10.84.0.2", "one").await;
        let mut web = service("web", "10.84.128.20", &["10.84.0.2"]);
        web.node_port = Some(30080);
        network.apply(&table(&[web])).await.unwrap();
        for local in ["127.0.0.1:30080", "127.1.2.3:30080", "198.51.100.1:30080", "10.84.0.1:30080"]
        {
            let answer = ask(local.parse().unwrap());
            assert_eq!(answer.as_deref().map(who), Ok("one"), "{local}");
        }
        world.run(|| {
            let answer = ask("198.51.100.1:30080".parse().unwrap()).unwrap();
            assert_eq!((who(&answer), seen(&answer)), ("one", "198.51.100.2"));
        });
        assert_eq!(one.ask("198.51.100.1:30080").as_deref().map(who), Ok("one"), "hairpin");
        network.apply(&table(&[])).await.unwrap();
        assert_eq!(ask("127.0.0.1:30080".parse().unwrap()), Err(ErrorKind::ConnectionRefused));
    });
}

#[test]
fn a_host_port_leads_to_its_pod() {
    on_a_box(|lab| async move {
        let world = lab.world();
        let network = Network::open(lab.config(85)).unwrap();
        let _one = lab.pod(&network, "10.85.0.2", "one").await;
        let port = |address: Option<&str>, port| crate::HostPort {
            address: address.map(|text| text.parse().unwrap()),
            port,
            protocol: crate::Protocol::Tcp,
            endpoint: "10.85.0.2:80".parse().unwrap(),
        };
        let host_ports = vec![port(None, 8080), port(Some("198.51.100.1"), 8081)];
        network.apply(&crate::Table { services: vec![], host_ports }).await.unwrap();
        for open in ["127.0.0.1:8080", "198.51.100.1:8080", "198.51.100.1:8081"] {
            assert_eq!(ask(open.parse().unwrap()).as_deref().map(who), Ok("one"), "{open}");
        }
        assert_eq!(ask("127.0.0.1:8081".parse().unwrap()), Err(ErrorKind::ConnectionRefused));
        assert_eq!(world.ask("198.51.100.1:8081").as_deref().map(who), Ok("one"));
    });
}
