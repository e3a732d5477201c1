//! The API's certificate follows the machine's addresses, and the kubeconfig on disk stays good,
//! while the server runs.

use std::fs;
use std::process::Command;

use crate::boat::{Boat, eventually, has, is_root, skip, texts};

/// An address that the machine has for a while.
struct Address(&'static str);

impl Address {
    fn add(address: &'static str) -> Self {
        assert!(ip(&["addr", "add", &format!("{address}/32"), "dev", "lo"]), "add {address}");
        Self(address)
    }
}

impl Drop for Address {
    fn drop(&mut self) {
        ip(&["addr", "del", &format!("{}/32", self.0), "dev", "lo"]);
    }
}

fn ip(args: &[&str]) -> bool {
    Command::new("ip").args(args).status().is_ok_and(|status| status.success())
}

fn can_run(name: &str) -> bool {
    let can = is_root() && has("kubectl") && has("ip");
    if !can {
        skip(name, "it needs root, kubectl and ip");
    }
    can
}

/// Does kubectl, which checks the certificate, reach the API by this name?
fn reaches(boat: &Boat, host: &str) -> bool {
    let server = format!("--server=https://{host}:{}", boat.api_port);
    let asked = boat.kubectl(&[&server, "get", "namespace", "default"]);
    let (_, error) = texts(&asked);
    assert!(asked.status.success() || error.contains("certificate is valid for"), "{error}");
    asked.status.success()
}

#[test]
fn the_certificate_follows_the_addresses_of_the_machine() {
    if !can_run("certificates-addresses") {
        return;
    }
    let mut boat = Boat::new("certificates-addresses");
    boat.with_flag(format!("--listen=0.0.0.0:{}", boat.api_port));
    boat.start();
    assert!(reaches(&boat, "127.0.0.1"));
    let address = Address::add("10.251.77.3");
    eventually("the new address is in the certificate", || reaches(&boat, address.0).then_some(()));
    assert!(reaches(&boat, "127.0.0.1"));
}

#[test]
fn a_kubeconfig_that_is_no_longer_good_is_written_anew_by_the_running_server() {
    if !can_run("certificates-kubeconfig") {
        return;
    }
    let boat = Boat::afloat("certificates-kubeconfig");
    let path = boat.data_dir().join("kubeconfig");
    let first = fs::read_to_string(&path).expect("a kubeconfig");
    fs::write(&path, first.replace("127.0.0.1", "127.0.0.9")).expect("write it");
    eventually("it is good again", || {
        let text = fs::read_to_string(&path).expect("a whole kubeconfig");
        (text.contains("127.0.0.1") && text != first).then_some(())
    });
    boat.kubectl_ok(&["get", "namespaces"]);
}

#[test]
fn a_name_that_is_given_is_in_the_certificate() {
    if !can_run("certificates-san") {
        return;
    }
    let mut boat = Boat::new("certificates-san");
    boat.with_flag("--tls-san=boat.example,127.0.0.7");
    boat.start();
    let check = |name: &str, expected: bool| {
        let name = format!("--tls-server-name={name}");
        let asked = boat.kubectl(&[&name, "get", "namespace", "default"]);
        assert_eq!(asked.status.success(), expected, "{name}: {}", texts(&asked).1);
    };
    check("boat.example", true);
    check("127.0.0.7", true);
    check("localhost", true);
    check("other.example", false);
}
