//! The Kubernetes client of Python, used as its own examples use it.

use std::process::Command;

use crate::boat::{Boat, fixture, is_root, skip, texts};

/// A Python with the client: the one named, or the one of the path.
fn python() -> Option<String> {
    let named = std::env::var("SAMPAN_TEST_KUBERNETES_PYTHON");
    let python = named.unwrap_or_else(|_| "python3".into());
    let looked = Command::new(&python).args(["-c", "import kubernetes, yaml"]).output();
    looked.is_ok_and(|output| output.status.success()).then_some(python)
}

#[test]
fn pythons_client_does_what_its_examples_do() {
    let name = "pythons_client_does_what_its_examples_do";
    let Some(python) = python().filter(|_| is_root()) else {
        let why = "it needs root and a Python with tests/fixtures/kubernetes-python/requirements.txt; \
                   SAMPAN_TEST_KUBERNETES_PYTHON may name it";
        return skip(name, why);
    };
    let boat = Boat::afloat("python");
    let client = fixture("kubernetes-python").join("client.py");
    let output = Command::new(python)
        .arg(client)
        .arg(boat.data_dir().join("kubeconfig"))
        .output()
        .expect("run the client");
    let (out, err) = texts(&output);
    assert!(out.contains("all well"), "{out}{err}\n{}", boat.server_log());
}
