//! The examples of the documents run as they stand there.

use std::process::Command;

use crate::boat::{SAMPAN, texts, workspace};
use crate::etcd::afloat;

/// The indented commands of docs/store.md, up to the part that is about another etcd.
fn commands() -> String {
    let path = workspace().join("docs/store.md");
    let text = std::fs::read_to_string(path).expect("the document");
    let ours = text.split("## A real etcd instead").next().expect("a first part");
    ours.lines().filter_map(|line| line.strip_prefix("    ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_examples_of_the_store_run() {
    let Some((boat, _)) = afloat("docs") else { return };
    let files = tempfile::tempdir().expect("a folder");
    let folder = files.path().to_str().expect("a path");
    let commands = commands().replace("/tmp/", &format!("{folder}/"));
    assert!(commands.lines().count() > 10, "{commands}");
    let output = Command::new("bash")
        .args(["-euxc", &format!("sampan() {{ {SAMPAN} \"$@\"; }}\n{commands}")])
        .env("SAMPAN_DATA_DIR", boat.data_dir())
        .env("ETCDCTL_API", "3")
        .env("ETCDCTL_ENDPOINTS", boat.etcd_url())
        .output()
        .expect("run bash");
    let (out, err) = texts(&output);
    assert!(output.status.success(), "{out}{err}");
    for said in
        ["SUCCESS", "keepalived with TTL(10)", "Authentication Enabled", "KUBERNETES OBJECTS"]
    {
        assert!(out.contains(said), "no {said:?} in {out}");
    }
    assert!(files.path().join("sampan.backup").exists());
}
