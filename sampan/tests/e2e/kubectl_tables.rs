//! `kubectl get -o wide` of every kind, compared with what upstream's printers show of the same
//! objects.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::boat::{Boat, PATIENCE, has, is_root, skip};

/// Nobody makes these: they are computed, or told by the machine that the test runs on.
const NOT_MADE: [&str; 4] =
    ["componentstatuses", "nodes", "nodes.metrics.k8s.io", "pods.metrics.k8s.io"];

/// An object of the kind that is defined among the others.
const RING: &str = "apiVersion: gold.example.com/v1\nkind: Ring\n\
                    metadata: {name: gold, namespace: golden}\nspec: {carat: 18, stone: ruby}\n";

/// Statuses that controllers would write: kind, and the patch.
const STATUSES: &[(&str, &str)] = &[
    (
        "hpa",
        r#"{"status":{"currentReplicas":3,"desiredReplicas":3,"currentMetrics":[{"type":"Resource","resource":{"name":"cpu","current":{"averageUtilization":12,"averageValue":"10m"}}}]}}"#,
    ),
    (
        "ingress",
        r#"{"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.8"},{"hostname":"a-long-name.example.com"}]}}}"#,
    ),
];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/every_kind").join(name)
}

#[test]
fn every_kind_is_listed_as_upstream_lists_it() {
    if !is_root() || !has("kubectl") {
        return skip("kubectl_tables", "it needs root and kubectl");
    }
    let boat = Boat::afloat("kubectl_tables");
    make_all(&boat);
    let golden = fs::read_to_string(fixture("get_wide.txt")).expect("the golden file");
    let kinds = kinds(&boat);
    let (started, mut shown) = (Instant::now(), String::new());
    // Controllers have a word in what some kinds show.
    while started.elapsed() < PATIENCE {
        shown = kinds.iter().map(|(kind, which)| table(&boat, kind, which)).collect();
        if shown == golden {
            return;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    let surprises: Vec<&str> = shown.lines().filter(|line| !golden.contains(line)).collect();
    panic!("not in the golden file:\n{}\n\nall of it:\n{shown}", surprises.join("\n"));
}

fn make_all(boat: &Boat) {
    let objects = fixture("objects.yaml");
    boat.kubectl_ok(&["create", "-f", objects.to_str().expect("a path in UTF-8")]);
    boat.kubectl_ok(&["wait", "--for=condition=Established", "crd/rings.gold.example.com"]);
    boat.kubectl_ok_with(&["create", "-f", "-"], RING);
    for (kind, patch) in STATUSES {
        let status = ["--subresource=status", "--type=merge", "-p", patch];
        boat.kubectl_ok(&[&["patch", kind, "gold", "-n", "golden"], &status[..]].concat());
    }
}

/// Every kind, and the flags that choose our objects of it.
fn kinds(boat: &Boat) -> Vec<(String, [&'static str; 2])> {
    let of = |namespaced: &str, which: [&'static str; 2]| {
        let flag = format!("--namespaced={namespaced}");
        let all = boat.kubectl_ok(&["api-resources", "--verbs=list", &flag, "-o", "name"]);
        let all: Vec<_> = all.lines().map(|kind| (kind.to_owned(), which)).collect();
        all
    };
    let inside = of("true", ["--namespace=golden", "--field-selector=metadata.name=gold"]);
    let outside = of("false", ["--selector=golden=yes", "--show-labels=false"]);
    let mut all = [inside, outside].concat();
    all.retain(|(kind, _)| !NOT_MADE.contains(&kind.as_str()));
    all.sort();
    all
}

/// What is shown of a kind, under its name.
fn table(boat: &Boat, kind: &str, which: &[&str]) -> String {
    let shown = boat.kubectl_ok(&[&["get", kind, "-o", "wide"], which].concat());
    format!("# {kind}\n{}\n", settled(&shown))
}

/// Without what is another at each run: ages and times, and how wide they make a column.
fn settled(shown: &str) -> String {
    let line = |line: &str| {
        let cells = line.split("  ").filter(|cell| !cell.is_empty()).map(str::trim);
        let cells = cells.map(|cell| match cell {
            age if is_age(age) => "AGO",
            time if time.starts_with("20") && time.ends_with('Z') => "WHEN",
            cell => cell,
        });
        cells.collect::<Vec<_>>().join(" | ") + "\n"
    };
    shown.lines().map(line).collect()
}

/// `5s`, `3m20s`, `6y334d`.
fn is_age(cell: &str) -> bool {
    let unit = |c: char| matches!(c, 's' | 'm' | 'h' | 'd' | 'y');
    cell.starts_with(|c: char| c.is_ascii_digit())
        && cell.ends_with(unit)
        && cell.chars().all(|c| c.is_ascii_digit() || unit(c))
}
