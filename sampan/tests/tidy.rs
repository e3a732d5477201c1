//! The shape of the tree: which crate may use which, and a few habits worth holding.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each crate with those of ours it may use. Arrows point down only; the L3 crates
/// (apiserver, controllers, node) never use each other: they meet through the API.
const MAY_USE: [(&str, &[&str]); 13] = [
    ("cel", &[]),
    ("api", &["cel"]),
    ("kit", &[]),
    ("store", &[]),
    ("etcd", &["store"]),
    ("image", &[]),
    ("container", &[]),
    ("net", &[]),
    ("gateway", &[]),
    ("apiserver", &["api", "cel", "kit", "store"]),
    ("controllers", &["api", "kit"]),
    ("node", &["api", "kit", "image", "container", "net", "gateway"]),
    (
        "sampan",
        &[
            "api",
            "kit",
            "store",
            "etcd",
            "image",
            "container",
            "net",
            "gateway",
            "apiserver",
            "controllers",
            "node",
        ],
    ),
];
/// The crates that may hold `unsafe`, each use with a SAFETY note.
const MAY_BE_UNSAFE: [&str; 2] = ["container", "net"];
/// And the one file beside them: it has the allocator give back what is free.
const UNSAFE_FILE: &str = "sampan/src/memory.rs";
/// The engines, which know no Kubernetes word.
const ENGINES: [&str; 6] = ["store", "etcd", "image", "container", "net", "gateway"];
/// Words that would tell that an engine has learned Kubernetes.
const KUBERNETES_WORDS: [&str; 6] =
    ["kubernetes", "kubectl", "ReplicaSet", "ConfigMap", "EndpointSlice", "k8s_openapi"];
/// No file grows beyond this; most are far smaller.
const LINES_MAX: usize = 450;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn folder(name: &str) -> PathBuf {
    if name == "sampan" { root().join("sampan") } else { root().join("crates").join(name) }
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of ours") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("target") {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn crates() -> BTreeMap<&'static str, &'static [&'static str]> {
    MAY_USE.into_iter().collect()
}

/// Everything before the tests at the end of a file.
fn code(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

#[test]
fn every_crate_is_in_the_table() {
    let mut found: Vec<String> = fs::read_dir(root().join("crates"))
        .expect("crates/")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    found.push("sampan".into());
    found.sort();
    assert_eq!(found, crates().keys().map(|name| (*name).to_owned()).collect::<Vec<_>>());
}

#[test]
fn dependencies_point_down_only() {
    let table = crates();
    for (name, allowed) in &table {
        let manifest = fs::read_to_string(folder(name).join("Cargo.toml")).expect("Cargo.toml");
        let normal = manifest.split("[dev-dependencies]").next().expect("a first part");
        for other in table.keys() {
            let used = normal.lines().any(|line| line.starts_with(&format!("{other}.workspace")));
            assert!(!used || allowed.contains(other), "crate {name} must not use {other}");
        }
    }
}

#[test]
fn engines_know_no_kubernetes_word() {
    for name in ENGINES {
        for file in rust_files(&folder(name).join("src")) {
            let text = fs::read_to_string(&file).expect("a source file");
            for word in KUBERNETES_WORDS {
                assert!(!code(&text).contains(word), "{} says {word}", file.display());
            }
        }
    }
}

#[test]
fn unsafe_is_where_it_may_be_and_says_why_it_is_sound() {
    for name in crates().into_keys() {
        for file in rust_files(&folder(name).join("src")) {
            let text = fs::read_to_string(&file).expect("a source file");
            let uses = text.lines().filter(|line| {
                let line = line.trim();
                !line.starts_with("//") && (line.contains("unsafe {") || line.contains("unsafe fn"))
            });
            let count = uses.count();
            let may = MAY_BE_UNSAFE.contains(&name) || file.ends_with(UNSAFE_FILE);
            assert!(count == 0 || may, "{} is unsafe", file.display());
            let notes = text.matches("SAFETY:").count() + text.matches("# Safety").count();
            assert!(notes >= count, "{}: {count} unsafe, {notes} SAFETY notes", file.display());
        }
    }
}

#[test]
fn nothing_is_left_for_later() {
    for name in crates().into_keys() {
        for file in rust_files(&folder(name).join("src")) {
            let text = fs::read_to_string(&file).expect("a source file");
            for word in ["todo!(", "unimplemented!(", "dbg!("] {
                assert!(!text.contains(word), "{} has {word}", file.display());
            }
        }
    }
}

#[test]
fn files_stay_small_and_say_what_they_are_for() {
    for name in crates().into_keys() {
        for file in rust_files(&folder(name).join("src")) {
            let text = fs::read_to_string(&file).expect("a source file");
            // A file of tests is named for what it tests.
            let is_test = file.display().to_string().contains("tests");
            assert!(is_test || text.starts_with("//!"), "{} has no head", file.display());
            let lines = text.lines().count();
            assert!(lines <= LINES_MAX, "{} has {lines} lines", file.display());
        }
    }
}

#[test]
fn the_code_map_names_files_that_are_there() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let named = text.split('`').skip(1).step_by(2).filter(|quoted| quoted.contains("/src/"));
    let mut count = 0;
    for path in named {
        let there = root().join(path).exists() || root().join("crates").join(path).exists();
        assert!(there, "ARCHITECTURE.md names {path}");
        count += 1;
    }
    assert!(count > 10, "the map names only {count} files");
}
