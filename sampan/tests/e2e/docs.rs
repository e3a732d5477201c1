//! The examples of the documents run as they stand there.

use std::path::Path;
use std::process::Command;

use crate::boat::{Boat, SAMPAN, texts, workspace};
use crate::etcd::afloat;

/// The indented commands of a document, up to this line; files in `/tmp` are in `folder`.
fn commands(document: &str, until: &str, folder: &Path) -> String {
    let path = workspace().join("docs").join(document);
    let text = std::fs::read_to_string(path).expect("the document");
    let ours = text.split(until).next().expect("a first part");
    let lines: Vec<_> = ours.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    lines.join("\n").replace("/tmp/", &format!("{}/", folder.display()))
}

/// Runs them; what they print has all of this.
fn check(boat: &Boat, commands: &str, expected: &[&str]) {
    let output = Command::new("bash")
        .args(["-euxc", &format!("sampan() {{ {SAMPAN} \"$@\"; }}\n{commands}")])
        .env("SAMPAN_DATA_DIR", boat.data_dir())
        .env("ETCDCTL_API", "3")
        .env("ETCDCTL_ENDPOINTS", boat.etcd_url())
        .output()
        .expect("run bash");
    let (out, err) = texts(&output);
    assert!(output.status.success(), "{out}{err}");
    for said in expected {
        assert!(out.contains(said), "no {said:?} in {out}");
    }
}

#[test]
fn the_examples_of_the_store_run() {
    let Some((boat, _)) = afloat("docs") else { return };
    let files = tempfile::tempdir().expect("a folder");
    let commands = commands("store.md", "## A real etcd instead", files.path());
    assert!(commands.lines().count() > 10, "{commands}");
    let said =
        ["SUCCESS", "keepalived with TTL(10)", "Authentication Enabled", "KUBERNETES OBJECTS"];
    check(&boat, &commands, &said);
    assert!(files.path().join("sampan.backup").exists());
}

#[test]
fn the_examples_of_security_run_and_their_policy_is_one() {
    let Some((mut boat, _)) = afloat("docs-security") else { return };
    let files = tempfile::tempdir().expect("a folder");
    let commands = commands("security.md", "\u{0}", files.path());
    check(&boat, &commands, &["encrypts", "are encrypted with the new key"]);
    assert!(files.path().join("kubeconfig").exists());
    boat.sampan_ok(&["stop"]);
    boat.wait_ended();
    let (policy, log) = (files.path().join("policy.yaml"), files.path().join("audit.log"));
    boat.with_flag(format!("--audit-policy-file={}", policy.display()));
    boat.with_flag(format!("--audit-log-path={}", log.display()));
    boat.start();
    boat.kubectl_ok(&["create", "configmap", "map"]);
    boat.sampan_ok(&["stop"]);
    boat.wait_ended();
    let text = std::fs::read_to_string(log).expect("the audit log");
    assert!(text.contains("\"name\":\"map\"") && !text.contains("RequestReceived\""), "{text}");
}
