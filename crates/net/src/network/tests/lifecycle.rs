//! Made, found again, removed.

use std::collections::BTreeMap;
use std::fs;

use crate::lab::{Place, ask, eventually, on_a_box, service, table, who};
use crate::netlink::{Family, Message, Socket, find, text};
use crate::route::RouteSocket;
use crate::{Link, Network, NetworkError};

/// All that an instance may change, in words.
fn dump() -> BTreeMap<String, String> {
    let mut route = RouteSocket::open().unwrap();
    let mut found = BTreeMap::new();
    for link in route.links().unwrap() {
        found.insert(format!("link {}", link.name), format!("{link:?}"));
    }
    for address in route.addresses().unwrap() {
        found.insert(format!("address {address:?}"), String::new());
    }
    for route in route.routes().unwrap() {
        found.insert(format!("route {route:?}"), String::new());
    }
    for table in tables() {
        found.insert(format!("table {table}"), String::new());
    }
    for switch in ["ip_forward", "conf/all/accept_redirects", "conf/default/forwarding"] {
        let value = fs::read_to_string(format!("/proc/sys/net/ipv4/{switch}")).unwrap();
        found.insert(switch.to_owned(), value);
    }
    found
}

fn tables() -> Vec<String> {
    let message = Message::new("list tables", 10 << 8 | 1, 0, &[0; 4]);
    let mut socket = Socket::open(Family::Netfilter).unwrap();
    socket.dump(message, |body| Some(text(find(&body[4..], 1)?).to_owned())).unwrap()
}

#[test]
fn destroy_leaves_the_box_as_it_was() {
    on_a_box(|lab| async move {
        let _world = lab.world();
        let before = dump();
        let config = lab.config(100);
        let network = Network::open(config.clone()).unwrap();
        let _one = lab.pod(&network, "10.100.0.2", "one").await;
        network.apply(&table(&[service("web", "10.100.128.20", &["10.100.0.2"])])).await.unwrap();
        assert_eq!(ask("10.100.128.20:80".parse().unwrap()).as_deref().map(who), Ok("one"));
        assert_ne!(dump(), before);
        drop(network);
        Network::destroy(&config).await.unwrap();
        assert_eq!(dump(), before);
        Network::destroy(&config).await.unwrap();
        assert_eq!(dump(), before, "destroying twice is fine");
    });
}

#[test]
fn a_box_that_forwards_already_goes_on_forwarding() {
    on_a_box(|lab| async move {
        fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
        let before = dump();
        let config = lab.config(101);
        Network::open(config.clone()).unwrap();
        Network::destroy(&config).await.unwrap();
        assert_eq!(dump(), before);
    });
}

#[test]
fn instances_live_side_by_side_and_the_last_one_restores() {
    on_a_box(|lab| async move {
        let before = dump();
        let (first, second) = (lab.config(102), lab.config(103));
        let one = Network::open(first.clone()).unwrap();
        let two = Network::open(second.clone()).unwrap();
        let _pod_one = lab.pod(&one, "10.102.0.2", "one").await;
        let pod_two = lab.pod(&two, "10.103.0.2", "two").await;
        one.apply(&table(&[service("web", "10.102.128.20", &["10.102.0.2"])])).await.unwrap();
        two.apply(&table(&[service("web", "10.103.128.20", &["10.103.0.2"])])).await.unwrap();
        for (vip, name) in [("10.102.128.20:80", "one"), ("10.103.128.20:80", "two")] {
            assert_eq!(ask(vip.parse().unwrap()).as_deref().map(who), Ok(name));
            assert_eq!(pod_two.ask(vip).as_deref().map(who), Ok(name));
        }
        assert_eq!(one.links().await.unwrap().len(), 1);
        Network::destroy(&first).await.unwrap();
        assert_eq!(ask("10.103.128.20:80".parse().unwrap()).as_deref().map(who), Ok("two"));
        Network::destroy(&second).await.unwrap();
        assert_eq!(dump(), before);
    });
}

#[test]
fn a_range_that_another_instance_has_is_refused_with_advice() {
    on_a_box(|lab| async move {
        let first = lab.config(104);
        let _network = Network::open(first.clone()).unwrap();
        let before = dump();
        let mut second = lab.config(105);
        second.pod_range = first.pod_range;
        let error = Network::open(second).unwrap_err();
        assert!(matches!(error, NetworkError::RangeInUse { .. }));
        assert!(error.to_string().contains("10.104.0.0/17"), "{error}");
        assert_eq!(dump(), before);
    });
}

#[test]
fn reopening_after_a_crash_keeps_traffic_and_links() {
    on_a_box(|lab| async move {
        let config = lab.config(106);
        let network = Network::open(config.clone()).unwrap();
        let one = lab.pod(&network, "10.106.0.2", "one").await;
        let two = lab.pod(&network, "10.106.0.3", "two").await;
        let with = |endpoint: &str| table(&[service("web", "10.106.128.20", &[endpoint])]);
        network.apply(&with("10.106.0.2")).await.unwrap();
        let links = network.links().await.unwrap();
        drop(network);

        let network = Network::open(config).unwrap();
        assert_eq!(two.ask("10.106.128.20:80").as_deref().map(who), Ok("one"), "before any apply");
        let mut found = network.links().await.unwrap();
        found.sort_by_key(|link| link.address);
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|link| links.contains(link)));
        for link in &found {
            network.attach(link).await.unwrap();
        }
        network.apply(&with("10.106.0.3")).await.unwrap();
        assert_eq!(one.ask("10.106.128.20:80").as_deref().map(who), Ok("two"));
        assert_eq!(one.ask("10.106.0.3:80").as_deref().map(who), Ok("two"));
    });
}

#[test]
fn reopening_repairs_what_somebody_removed() {
    on_a_box(|lab| async move {
        let config = lab.config(107);
        let network = Network::open(config.clone()).unwrap();
        let whole = dump();
        let mut route = RouteSocket::open().unwrap();
        route.delete_unreachable(&config.pod_range).unwrap();
        route.delete_link(&network.node_link()).unwrap();
        drop(network);
        Network::open(config.clone()).unwrap();
        let names = |dump: BTreeMap<String, String>| -> Vec<String> {
            // The link has another index now.
            let known = |key: &String| !key.starts_with("route") && !key.starts_with("address");
            dump.into_keys().filter(known).collect()
        };
        let again = dump();
        assert_eq!(again.len(), whole.len());
        assert_eq!(names(again), names(whole));
    });
}

#[test]
fn rules_that_somebody_flushed_come_back_with_the_next_apply() {
    on_a_box(|lab| async move {
        let config = lab.config(108);
        let network = Network::open(config.clone()).unwrap();
        let _one = lab.pod(&network, "10.108.0.2", "one").await;
        let wanted = table(&[service("web", "10.108.128.20", &["10.108.0.2"])]);
        network.apply(&wanted).await.unwrap();
        crate::nft::Ruleset::delete(&format!("sampan-{}", config.instance)).unwrap();
        network.apply(&wanted).await.unwrap();
        assert_eq!(ask("10.108.128.20:80".parse().unwrap()).as_deref().map(who), Ok("one"));
    });
}

#[test]
fn a_link_vanishes_with_its_pod_and_detach_does_not_mind() {
    on_a_box(|lab| async move {
        let network = Network::open(lab.config(109)).unwrap();
        let link = |place: &Place| Link {
            id: "a pod".to_owned(),
            netns: place.netns.clone(),
            address: "10.109.0.2".parse().unwrap(),
        };
        let place = Place::new();
        network.attach(&link(&place)).await.unwrap();
        assert_eq!(network.links().await.unwrap(), [link(&place)]);
        drop(place);
        let mut route = RouteSocket::open().unwrap();
        assert!(eventually(|| !route.links().unwrap().iter().any(|link| link.alias.is_some())));
        network.detach("a pod").await.unwrap();
        let place = Place::new();
        network.attach(&link(&place)).await.unwrap();
        network.detach("a pod").await.unwrap();
        network.detach("a pod").await.unwrap();
        assert_eq!(network.links().await.unwrap(), []);
    });
}

#[test]
fn attaching_a_pod_that_is_gone_says_so_and_leaves_nothing() {
    on_a_box(|lab| async move {
        let network = Network::open(lab.config(110)).unwrap();
        let before = dump();
        let link = Link {
            id: "gone".to_owned(),
            netns: "/proc/0/ns/net".into(),
            address: "10.110.0.2".parse().unwrap(),
        };
        let error = network.attach(&link).await.unwrap_err();
        assert!(matches!(error, NetworkError::Namespace { .. }), "{error}");
        assert_eq!(dump(), before);
    });
}

#[test]
fn attach_takes_milliseconds() {
    on_a_box(|lab| async move {
        let network = Network::open(lab.config(111)).unwrap();
        let places: Vec<Place> = (0..30).map(|_| Place::new()).collect();
        let start = std::time::Instant::now();
        for (n, place) in (2..).zip(&places) {
            let address = std::net::Ipv4Addr::new(10, 111, 0, n);
            let link = Link { id: format!("pod-{n}"), netns: place.netns.clone(), address };
            network.attach(&link).await.unwrap();
        }
        let each = start.elapsed() / places.len() as u32;
        println!("attach: {each:?} each");
        assert!(each < std::time::Duration::from_millis(100));
    });
}
