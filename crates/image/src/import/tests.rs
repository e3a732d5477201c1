use serde_json::json;

use super::*;
use crate::testing::{Tar, TestStore, config, descriptor, gzip};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

fn layer(text: &str) -> Vec<u8> {
    Tar::new().file("app", text).finish()
}

fn docker_archive(tags: &serde_json::Value) -> Vec<u8> {
    let (one, two) = (layer("one"), layer("two"));
    let manifest =
        json!([{"Config": "c.json", "RepoTags": tags, "Layers": ["1/layer.tar", "2/layer.tar"]}]);
    Tar::new()
        .file("c.json", config(&[&one, &two]))
        .file("1/layer.tar", &one)
        .file("blob", &two)
        .symlink("2/layer.tar", "../blob")
        .file("manifest.json", manifest.to_string())
        .finish()
}

fn blob(tar: Tar, bytes: &[u8]) -> Tar {
    tar.file(&format!("blobs/sha256/{}", Digest::of(bytes).hex()), bytes)
}

/// An OCI archive of one image; the descriptor in its index is what `entry` makes of it.
fn oci_archive(entry: impl Fn(serde_json::Value) -> Vec<serde_json::Value>) -> Vec<u8> {
    let plain = layer("oci");
    let (config, packed) = (config(&[&plain]), gzip(&plain));
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(CONFIG, &config),
        "layers": [descriptor(LAYER, &packed)],
    })
    .to_string();
    let index =
        json!({"schemaVersion": 2, "manifests": entry(descriptor(MANIFEST, manifest.as_bytes()))});
    let tar = Tar::new().file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    let tar = tar.file("index.json", index.to_string());
    blob(blob(blob(tar, &config), &packed), manifest.as_bytes()).finish()
}

fn with(
    mut descriptor: serde_json::Value,
    key: &str,
    value: serde_json::Value,
) -> serde_json::Value {
    descriptor[key] = value;
    descriptor
}

fn named(descriptor: serde_json::Value, key: &str, name: &str) -> serde_json::Value {
    with(descriptor, "annotations", json!({key: name}))
}

fn check(archive: &[u8], expected: &[&str]) -> TestStore {
    let test = TestStore::new();
    let path = test.file("shop.tar", archive);
    let names = test.store.import(path).unwrap();
    let shown: Vec<_> = names.iter().map(ToString::to_string).collect();
    assert_eq!(shown, expected);
    for name in names {
        let image = test.store.find(&name).unwrap().unwrap();
        assert!(image.references.contains(&name));
        assert_eq!(image.created(), Some("2026-01-02T03:04:05Z"));
    }
    test
}

fn check_refused(archive: &[u8], expected: &str) {
    let test = TestStore::new();
    let path = test.file("shop.tar", archive);
    let error = test.store.import(path).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
    assert_eq!(test.store.list().unwrap().len(), 0);
    assert_eq!(std::fs::read_dir(test.store.tmp()).unwrap().count(), 0);
}

#[test]
fn docker_archives_bring_every_tag_plain_or_compressed() {
    let archive = docker_archive(&json!(["orders:dev", "me/orders:1.0"]));
    check(&gzip(&archive), &["orders:dev", "me/orders:1.0"]);
    let test = check(&archive, &["orders:dev", "me/orders:1.0"]);
    let image = &test.store.list().unwrap()[0];
    assert_eq!(image.references.len(), 2);
    assert_eq!(image.layers.len(), 2);
    assert_eq!(image.layers[1].diff_id, Digest::of(&layer("two")));
}

#[test]
fn images_without_a_name_get_the_file_s() {
    check(&docker_archive(&json!(null)), &["shop:latest"]);
    check(&oci_archive(|d| vec![d]), &["shop:latest"]);
    check(&oci_archive(|d| vec![named(d, REF_NAME, "dev")]), &["shop:dev"]);
}

const REF_NAME: &str = "org.opencontainers.image.ref.name";
const FULL_NAME: &str = "io.containerd.image.name";

#[test]
fn oci_archives_are_named_by_either_annotation() {
    check(&oci_archive(|d| vec![named(d, REF_NAME, "orders:dev")]), &["orders:dev"]);
    check(&oci_archive(|d| vec![named(d, FULL_NAME, "ghcr.io/a/b:1")]), &["ghcr.io/a/b:1"]);
    let both = oci_archive(|d| {
        vec![named(d.clone(), FULL_NAME, "a:1"), named(d, FULL_NAME, "docker.io/library/a:2")]
    });
    check(&both, &["a:1", "a:2"]);
}

#[test]
fn an_index_is_searched_for_this_platform() {
    let foreign = json!({"os": "linux", "architecture": "s390x"});
    let own = json!({"os": "linux", "architecture": oci_spec::image::Arch::default().to_string()});
    let unknown = json!({"os": "unknown", "architecture": "unknown"});
    let several = oci_archive(|d| {
        vec![
            with(d.clone(), "platform", foreign.clone()),
            named(with(d.clone(), "platform", own.clone()), FULL_NAME, "a:1"),
            with(d, "platform", unknown.clone()),
        ]
    });
    check(&several, &["a:1"]);
    check_refused(
        &oci_archive(|d| vec![with(d, "platform", foreign.clone())]),
        "has no image for linux/",
    );
}

#[test]
fn a_nested_index_names_the_image_it_leads_to() {
    let inner = oci_archive(|d| vec![d]);
    let mut archive = tar::Archive::new(&inner[..]);
    let mut files = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        files.push((name, bytes));
    }
    let index = files.iter().find(|(name, _)| name == "index.json").unwrap().1.clone();
    let outer = json!({"schemaVersion": 2,
        "manifests": [named(descriptor(INDEX, &index), FULL_NAME, "nested:1")]});
    let tar = Tar::new().file("index.json", outer.to_string());
    let tar = files
        .iter()
        .filter(|(name, _)| name != "index.json")
        .fold(tar, |tar, (n, b)| tar.file(n, b));
    check(&blob(tar, &index).finish(), &["nested:1"]);
}

#[test]
fn files_that_are_no_images_are_met_with_help() {
    check_refused(b"#!/bin/sh\necho hello\n", "is not an image archive");
    check_refused(b"", "is not an image archive: it is empty");
    check_refused(&Tar::new().file("a", "b").finish(), "neither an index.json nor a manifest.json");
    check_refused(&Tar::new().file("manifest.json", "{").finish(), "manifest.json: invalid type");
    check_refused(&docker_archive(&json!(["Bad Name"])), "names an image wrongly");
    let missing = json!([{"Config": "c.json", "RepoTags": ["a"], "Layers": []}]).to_string();
    check_refused(&Tar::new().file("manifest.json", missing).finish(), "c.json is missing");
}

#[test]
fn content_that_is_not_what_its_digest_says_is_refused() {
    let wrong = oci_archive(|d| vec![with(d, "size", json!(7))]);
    check_refused(&wrong, "the content of blobs/sha256/");
    let (one, other) = (layer("one"), layer("other"));
    let manifest = json!([{"Config": "c.json", "RepoTags": ["a"], "Layers": ["l.tar"]}]);
    let archive = Tar::new()
        .file("c.json", config(&[&one]))
        .file("l.tar", other)
        .file("manifest.json", manifest.to_string());
    check_refused(&archive.finish(), "layer l.tar is sha256:");
}

#[test]
fn a_cut_archive_is_an_error_and_leaves_nothing_behind() {
    let archive = gzip(&docker_archive(&json!(["a"])));
    check_refused(&archive[..archive.len() / 2], "read image archive");
}

#[test]
fn concurrent_imports_all_arrive() {
    let test = TestStore::new();
    let paths: Vec<_> = (0..6)
        .map(|n| test.file(&format!("{n}.tar"), &docker_archive(&json!([format!("image{n}")]))))
        .collect();
    let images = test.dir.path().join("images");
    std::thread::scope(|scope| {
        for path in &paths {
            // Each as a process of its own would: with its own handle on the directory.
            let store = ImageStore::open(&images).unwrap();
            scope.spawn(move || store.import(path).unwrap());
        }
    });
    let images = test.store.list().unwrap();
    assert_eq!(images.len(), 1);
    assert_eq!(images[0].references.len(), 6);
    assert_eq!(std::fs::read_dir(test.store.tmp()).unwrap().count(), 0);
}
