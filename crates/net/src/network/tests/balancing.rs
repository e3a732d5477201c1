//! Virtual addresses.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::lab::{
    Lab, Place, ask, ask_on, ask_udp, eventually, on_a_box, seen, service, table, who,
};
use crate::{Network, Protocol, Service};

/// Three pods at .2 to .4 named after their address, and one more to ask from.
async fn three_and_a_client(lab: &Lab, network: &Network, number: u8) -> (Vec<Place>, Place) {
    let mut pods = Vec::new();
    for last in 2..5 {
        let address = format!("10.{number}.0.{last}");
        pods.push(lab.pod(network, &address, &address).await);
    }
    let client = lab.pod(network, &format!("10.{number}.0.9"), "client").await;
    (pods, client)
}

fn answers(times: usize, mut one: impl FnMut() -> String) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for _ in 0..times {
        *counts.entry(who(&one()).to_owned()).or_default() += 1;
    }
    counts
}

#[test]
fn connections_are_spread_over_all_endpoints_from_pods_and_from_the_box() {
    on_a_box(|lab| async move {
        let network = Network::open(lab.config(90)).unwrap();
        let (_pods, client) = three_and_a_client(&lab, &network, 90).await;
        let web = service("web", "10.90.128.20", &["10.90.0.2", "10.90.0.3", "10.90.0.4"]);
        network.apply(&table(&[web])).await.unwrap();
        let from_pod = answers(150, || client.ask("10.90.128.20:80").unwrap());
        let from_box = answers(150, || ask("10.90.128.20:80".parse().unwrap()).unwrap());
        for counts in [from_pod, from_box] {
            assert_eq!(counts.len(), 3, "{counts:?}");
            assert!(counts.values().all(|&count| count > 20), "{counts:?}");
        }
        assert_eq!(seen(&client.ask("10.90.128.20:80").unwrap()), "10.90.0.9");
        assert_eq!(seen(&ask("10.90.128.20:80".parse().unwrap()).unwrap()), "10.90.0.1");
    });
}

#[test]
fn a_pod_reaches_itself_through_its_own_service() {
    on_a_box(|lab| async move {
        let network = Network::open(lab.config(91)).unwrap();
        let one = lab.pod(&network, "10.91.0.2", "one").await;
        network.apply(&table(&[service("web", "10.91.128.20", &["10.91.0.2"])])).await.unwrap();
        assert_eq!(one.ask("10.91.128.20:80").as_deref(), Ok("one|10.91.0.1"));
    });
}

#[test]
fn a_service_without_endpoints_refuses_at_once() {
    on_a_box(|lab| async move {
        let network = Network::open(lab.config(92)).unwrap();
        let one = lab.pod(&network, "10.92.0.2", "one").await;
        let udp = Service { protocol: Protocol::Udp, ..service("dns", "10.92.128.21", &[]) };
        network.apply(&table(&[service("web", "10.92.128.20", &[]), udp])).await.unwrap();
        let start = Instant::now();
        for address in ["10.92.128.20:80", "10.92.128.20:81", "10.92.128.99:80"] {
            assert_eq!(one.ask(address), Err(ErrorKind::ConnectionRefused), "{address}");
            assert_eq!(
                ask(address.parse().unwrap()),
                Err(ErrorKind::ConnectionRefused),
                "{address}"
            );
        }
        let refused = one.run(|| {
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            socket.connect("10.92.128.21:80").unwrap();
            ask_udp(&socket)
        });
        assert_eq!(refused, Err(ErrorKind::ConnectionRefused));
        assert!(start.elapsed() < Duration::from_secs(2));
    });
}

#[test]
fn a_client_stays_with_its_endpoint_until_that_leaves() {
    on_a_box(|lab| async move {
        let network = Network::open(lab.config(93)).unwrap();
        let (_pods, client) = three_and_a_client(&lab, &network, 93).await;
        let all = ["10.93.0.2", "10.93.0.3", "10.93.0.4"];
        let affine = |endpoints: &[&str]| Service {
            affinity_seconds: Some(60),
            ..service("web", "10.93.128.20", endpoints)
        };
        network.apply(&table(&[affine(&all)])).await.unwrap();
        let ask_vip = || client.ask("10.93.128.20:80").unwrap();
        let first = answers(20, ask_vip);
        assert_eq!(first.len(), 1, "{first:?}");
        let chosen = first.into_keys().next().unwrap();
        let unrelated: Vec<&str> = vec![all.iter().find(|ip| **ip != chosen).unwrap(), &chosen];
        network.apply(&table(&[affine(&unrelated)])).await.unwrap();
        assert_eq!(answers(20, ask_vip), HashMap::from([(chosen.clone(), 20)]), "others left");
        let rest: Vec<&str> = all.into_iter().filter(|ip| *ip != chosen).collect();
        network.apply(&table(&[affine(&rest)])).await.unwrap();
        let after = answers(20, ask_vip);
        assert_eq!(after.len(), 1);
        assert!(!after.contains_key(&chosen));
        network.apply(&table(&[service("web", "10.93.128.20", &all)])).await.unwrap();
        assert_eq!(answers(100, ask_vip).len(), 3, "affinity can be switched off");
    });
}

#[test]
fn a_client_is_forgotten_after_it_was_silent() {
    on_a_box(|lab| async move {
        let network = Network::open(lab.config(94)).unwrap();
        let (_pods, client) = three_and_a_client(&lab, &network, 94).await;
        let web = Service {
            affinity_seconds: Some(1),
            ..service("web", "10.94.128.20", &["10.94.0.2", "10.94.0.3", "10.94.0.4"])
        };
        network.apply(&table(&[web])).await.unwrap();
        let first = client.ask("10.94.128.20:80").unwrap();
        // Each pause is longer than the client is remembered; the same endpoint again and again would be
        // one chance in forty million.
        let moved = (0..16).any(|_| {
            std::thread::sleep(Duration::from_millis(1200));
            client.ask("10.94.128.20:80").unwrap() != first
        });
        assert!(moved);
    });
}

#[test]
fn endpoints_may_be_on_the_box_or_out_in_the_world() {
    on_a_box(|lab| async move {
        let world = lab.world();
        world.serve(80, "world");
        let network = Network::open(lab.config(99)).unwrap();
        let one = lab.pod(&network, "10.99.0.2", "one").await;
        crate::lab::serve(network.node_address(), 6443, "box");
        let mut api = service("api", "10.99.128.1", &[]);
        api.endpoints.push("10.99.0.1:6443".parse().unwrap());
        let out = service("out", "10.99.128.2", &["198.51.100.2"]);
        network.apply(&table(&[api, out])).await.unwrap();
        assert_eq!(one.ask("10.99.128.1:80").as_deref(), Ok("box|10.99.0.2"));
        assert_eq!(ask("10.99.128.1:80".parse().unwrap()).as_deref().map(who), Ok("box"));
        assert_eq!(one.ask("10.99.128.2:80").as_deref(), Ok("world|198.51.100.1"));
        let from_box = ask("10.99.128.2:80".parse().unwrap());
        assert_eq!(from_box.as_deref(), Ok("world|198.51.100.1"));
    });
}

#[test]
fn udp_flows_move_when_their_endpoint_leaves_and_tcp_connections_stay() {
    on_a_box(|lab| async move {
        let network = Network::open(lab.config(95)).unwrap();
        let (_pods, client) = three_and_a_client(&lab, &network, 95).await;
        let both = |endpoints: &[&str]| {
            let tcp = service("web", "10.95.128.20", endpoints);
            let udp = Service { protocol: Protocol::Udp, ..tcp.clone() };
            table(&[tcp, udp])
        };
        network.apply(&both(&["10.95.0.2"])).await.unwrap();
        let (socket, stream) = client.run(|| {
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            socket.connect("10.95.128.20:80").unwrap();
            assert_eq!(who(&ask_udp(&socket).unwrap()), "10.95.0.2");
            let mut stream = std::net::TcpStream::connect("10.95.128.20:80").unwrap();
            assert_eq!(who(&ask_on(&mut stream).unwrap()), "10.95.0.2");
            (socket, stream)
        });
        network.apply(&both(&["10.95.0.3"])).await.unwrap();
        client.run(move || {
            let mut stream = stream;
            assert_eq!(who(&ask_udp(&socket).unwrap()), "10.95.0.3");
            assert_eq!(who(&ask_on(&mut stream).unwrap()), "10.95.0.2");
        });
    });
}

#[test]
fn endpoints_come_and_go_under_load_without_a_lost_connection() {
    on_a_box(|lab| async move {
        let network = Network::open(lab.config(96)).unwrap();
        let (_pods, client) = three_and_a_client(&lab, &network, 96).await;
        let with = |endpoints: &[&str]| table(&[service("web", "10.96.128.20", endpoints)]);
        network.apply(&with(&["10.96.0.2", "10.96.0.3", "10.96.0.4"])).await.unwrap();
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let load = {
            let (stop, asked) = (stop.clone(), asked.clone());
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    client.ask("10.96.128.20:80").expect("no connection is lost");
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        for round in 0..100_usize {
            let ips = ["10.96.0.2", "10.96.0.3", "10.96.0.4"];
            let left = [ips[round % 3], ips[(round + 1) % 3]];
            network.apply(&with(if round % 2 == 0 { &left } else { &left[..1] })).await.unwrap();
            let before = asked.load(Ordering::Relaxed);
            assert!(
                eventually(|| asked.load(Ordering::Relaxed) > before + 3 || load.is_finished())
            );
        }
        stop.store(true, Ordering::Relaxed);
        load.join().unwrap();
    });
}

#[test]
fn the_dns_address_is_silent_and_not_refusing_while_nobody_listens() {
    on_a_box(|lab| async move {
        let network = Network::open(lab.config(97)).unwrap();
        let one = lab.pod(&network, "10.97.0.2", "one").await;
        let ask_dns = || {
            one.run(|| {
                let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
                socket.connect("10.97.128.10:53").unwrap();
                socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
                socket.send(b"?").unwrap();
                let mut buffer = [0; 64];
                socket.recv(&mut buffer).map(|n| String::from_utf8_lossy(&buffer[..n]).into_owned())
            })
        };
        assert_eq!(ask_dns().unwrap_err().kind(), ErrorKind::WouldBlock);
        crate::lab::serve("10.97.128.10".parse().unwrap(), 53, "dns");
        assert_eq!(who(&ask_dns().unwrap()), "dns");
    });
}

#[test]
fn a_thousand_services_load_at_once_and_one_changes_fast() {
    on_a_box(|lab| async move {
        let network = Network::open(lab.config(98)).unwrap();
        let one = lab.pod(&network, "10.98.0.2", "one").await;
        let endpoints = ["10.98.0.2", "10.98.0.3", "10.98.0.4"];
        let mut services: Vec<Service> = (0..1000)
            .map(|n| {
                let address = format!("10.98.{}.{}", 130 + n / 250, n % 250);
                service(&format!("service-{n}"), &address, &endpoints)
            })
            .collect();
        let start = Instant::now();
        network.apply(&table(&services)).await.unwrap();
        let all = start.elapsed();
        services[500].endpoints.truncate(1);
        let start = Instant::now();
        network.apply(&table(&services)).await.unwrap();
        let change = start.elapsed();
        println!("1,000 services: {all:?}; one change: {change:?}");
        assert!(all < Duration::from_secs(5) && change < Duration::from_secs(1));
        assert_eq!(one.ask("10.98.132.0:80").as_deref().map(who), Ok("one"));
    });
}
