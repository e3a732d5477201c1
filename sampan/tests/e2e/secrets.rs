//! Secrets are encrypted wherever the server keeps them, and a change of the key outlives every
//! kill.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::boat::{Boat, SAMPAN, eventually, has, is_root, skip};
use crate::etcd::RealEtcd;

/// As it is written, and as the API has it.
const WORDS: [&str; 2] = ["doubloons-of-the-captain", "ZG91Ymxvb25zLW9mLXRoZS1jYXB0YWlu"];

fn can_run(name: &str) -> bool {
    let can = is_root() && has("kubectl");
    if !can {
        skip(name, "it needs root and kubectl");
    }
    can
}

fn has_plain(bytes: &[u8]) -> bool {
    WORDS.iter().any(|word| bytes.windows(word.len()).any(|window| window == word.as_bytes()))
}

/// The files below a folder that hold the plain text.
fn leaks(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let (path, kind) = (entry.path(), entry.file_type().expect("its type"));
        if kind.is_dir() {
            found.extend(leaks(&path));
        } else if kind.is_file() && has_plain(&fs::read(&path).unwrap_or_default()) {
            found.push(path.display().to_string());
        }
    }
    found
}

fn make(boat: &Boat, name: &str) {
    let literal = format!("--from-literal=gold={}", WORDS[0]);
    boat.kubectl_ok(&["create", "secret", "generic", name, &literal]);
}

/// The Secret's own words.
fn check(boat: &Boat, name: &str) {
    assert!(boat.field(&["secret", name], ".data.gold").starts_with(WORDS[1]), "{name}");
}

fn status(boat: &Boat) -> serde_json::Value {
    let text = boat.sampan_ok(&["secrets", "status", "--output=json"]);
    serde_json::from_str(&text).expect("JSON")
}

/// The key that encrypts, as the file says.
fn first_key(boat: &Boat) -> String {
    let text = fs::read(boat.data_dir().join("pki/encryption-keys.json")).expect("the keys");
    let keys: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    keys["keys"][0]["id"].as_str().expect("an id").to_owned()
}

#[test]
fn nothing_on_disk_has_a_secret_in_plain() {
    if !can_run("secrets-plain") {
        return;
    }
    let mut boat = Boat::afloat("secrets-plain");
    make(&boat, "kept");
    make(&boat, "gone");
    boat.kubectl_ok(&["label", "secret", "kept", "a=b"]);
    boat.kubectl_ok(&["delete", "secret", "gone"]);
    let file = boat.data_dir().join("backup");
    boat.sampan_ok(&["backup", file.to_str().expect("a path")]);
    assert_eq!(leaks(boat.data_dir()), Vec::<String>::new());
    boat.kill_server();
    boat.start();
    check(&boat, "kept");
    boat.sampan_ok(&["stop"]);
    boat.wait_ended();
    assert_eq!(leaks(boat.data_dir()), Vec::<String>::new());
    // The backup brings its key.
    let mut other = Boat::new("secrets-plain2");
    other.sampan_ok(&["restore", file.to_str().expect("a path")]);
    other.start();
    check(&other, "kept");
}

#[test]
fn an_external_etcd_has_no_secret_in_plain() {
    if !can_run("secrets-etcd") || !has("etcd") || !has("etcdctl") {
        return skip("secrets-etcd", "it needs root, kubectl, etcd and etcdctl");
    }
    let etcd = RealEtcd::start();
    let mut boat = Boat::new("secrets-etcd");
    boat.with_flag(format!("--store={}", etcd.url));
    boat.start();
    make(&boat, "kept");
    let prefix = "/sampan/";
    let all = || etcd.ctl().run(&["get", "--prefix", prefix], "").stdout;
    assert!(!has_plain(&all()));
    let said = boat.sampan_ok(&["secrets", "rotate-key"]);
    assert!(said.contains("1 Secrets are encrypted with the new key"), "{said}");
    assert!(!has_plain(&all()));
    boat.kill_server();
    boat.start();
    check(&boat, "kept");
}

#[test]
fn a_rotation_outlives_kills_at_any_moment() {
    if !can_run("secrets-kill") {
        return;
    }
    let mut boat = Boat::afloat("secrets-kill");
    let list: Vec<String> = (0..200).map(|number| format!("s{number}")).collect();
    let yaml = list.iter().map(|name| {
        format!("---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\nstringData: {{gold: {}}}\n", WORDS[0])
    });
    boat.kubectl_ok_with(&["create", "-f", "-"], &yaml.collect::<String>());
    for delay_millis in [0, 5, 15, 40, 80] {
        let first = first_key(&boat);
        let mut rotation = Command::new(SAMPAN)
            .args(["secrets", "rotate-key", "--data-dir"])
            .arg(boat.data_dir())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("run sampan");
        // Once it has begun, each time a little later.
        eventually("the rotation began", || (first_key(&boat) != first).then_some(()));
        std::thread::sleep(Duration::from_millis(delay_millis));
        boat.kill_server();
        rotation.wait().expect("it ends");
        boat.start();
        eventually("the rotation ended", || {
            let status = status(&boat);
            let keys = status["keys"].as_array().expect("keys");
            (keys.len() == 1 && keys[0] != first.as_str()).then_some(())
        });
        let status = status(&boat);
        let key = status["keys"][0].as_str().expect("an id");
        assert_eq!(status["sealed"][key], 200, "{status}");
        check(&boat, "s0");
        check(&boat, "s199");
    }
    assert_eq!(leaks(&boat.data_dir().join("store")), Vec::<String>::new());
}

#[test]
fn a_server_without_its_key_says_what_is_missing() {
    if !can_run("secrets-key") {
        return;
    }
    let mut boat = Boat::afloat("secrets-key");
    make(&boat, "kept");
    boat.sampan_ok(&["stop"]);
    boat.wait_ended();
    let (file, away) =
        (boat.data_dir().join("pki/encryption-keys.json"), boat.data_dir().join("away"));
    fs::rename(&file, &away).expect("move it");
    boat.launch();
    assert!(!boat.wait_ended().success());
    let log = boat.server_log();
    for part in ["default/kept among them", "encryption-keys.json", "put back the file"] {
        assert!(log.contains(part), "{log}");
    }
    assert!(!file.exists());
    fs::rename(&away, &file).expect("move it back");
    boat.start();
    check(&boat, "kept");
    let table = boat.sampan_ok(&["secrets", "status"]);
    assert!(table.contains("encrypts"), "{table}");
}
