//! Clients as programs are written with them: the Rust crate etcd-client and Python's etcd3.

use std::process::Command;

use crate::boat::{fixture, skip, texts, workspace};
use crate::etcd::afloat;

/// Runs a client to its end, which must be a good one.
#[track_caller]
fn all_well(command: &mut Command) {
    let output = command.output().expect("run the client");
    let (out, err) = texts(&output);
    assert!(output.status.success() && out.contains("all well"), "{command:?}: {out}{err}");
}

fn cargo(package: &str, target: &str) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--locked", "--package", package])
        .current_dir(fixture("etcd-client"))
        .env("CARGO_TARGET_DIR", target);
    cargo
}

fn succeeds(command: &mut Command) {
    let output = command.output().expect("run cargo");
    assert!(output.status.success(), "{command:?}: {}", texts(&output).1);
}

#[test]
fn the_rust_crate_etcd_client_works() {
    let Some((boat, _)) = afloat("lib-rust") else { return };
    let target = workspace().join("target/etcd-client");
    let target = target.to_str().expect("a path in UTF-8");
    succeeds(&mut cargo("protoc", target));
    succeeds(cargo("client", target).env("PROTOC", format!("{target}/debug/protoc")));
    all_well(Command::new(format!("{target}/debug/client")).arg(boat.etcd_url()));
}

/// A Python with etcd3, and with the old tenacity that its locks need: the one named, or the one of
/// the path.
fn python() -> Option<String> {
    let python = std::env::var("SAMPAN_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    let look = "import etcd3, importlib.metadata as m; assert m.version('tenacity') < '7'";
    let looked = Command::new(&python).args(["-c", look]).output();
    looked.is_ok_and(|output| output.status.success()).then_some(python)
}

#[test]
fn pythons_etcd3_works() {
    let Some(python) = python() else {
        let why = "it needs a Python with tests/fixtures/etcd-python/requirements.txt; \
                   SAMPAN_TEST_PYTHON may name it";
        return skip("pythons_etcd3", why);
    };
    let Some((boat, _)) = afloat("lib-python") else { return };
    let address = boat.etcd_address();
    let (host, port) = address.rsplit_once(':').expect("an address");
    let client = fixture("etcd-python").join("client.py");
    let snapshot = boat.data_dir().join("python-snapshot.db");
    all_well(Command::new(python).arg(client).args([host, port]).arg(snapshot));
}
