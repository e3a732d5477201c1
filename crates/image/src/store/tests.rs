use std::collections::HashSet;
use std::time::Duration;

use super::*;
use crate::testing::{Tar, TestStore, config};

fn name(text: &str) -> Reference {
    Reference::parse(text).unwrap()
}

fn add(store: &ImageStore, text: &str, names: &[&str]) -> Image {
    let archive = Tar::new().file("app", text).finish();
    add_layers(store, &[&archive], names)
}

fn add_layers(store: &ImageStore, archives: &[&[u8]], names: &[&str]) -> Image {
    let layers: Vec<_> = archives
        .iter()
        .map(|archive| {
            let blob = store.write_layer(*archive).unwrap();
            NewLayer { blob, compression: Compression::Plain }
        })
        .collect();
    let names: Vec<_> = names.iter().map(|text| name(text)).collect();
    store.add(&config(archives), &layers, &names).unwrap()
}

fn collect(store: &ImageStore, in_use: &[Digest]) -> crate::Report {
    let in_use: HashSet<_> = in_use.iter().copied().collect();
    store.collect_garbage(&in_use, Duration::ZERO).unwrap()
}

#[test]
fn images_are_found_by_tag_and_by_digest() {
    let test = TestStore::new();
    let image = add(&test.store, "one", &["orders:dev"]);
    assert_eq!(image.references, [name("orders:dev")]);
    let found = |text: &str| test.store.find(&name(text)).unwrap().map(|image| image.digest);
    assert_eq!(found("docker.io/library/orders:dev"), Some(image.digest));
    assert_eq!(found(&format!("orders@{}", image.digest)), Some(image.digest));
    assert_eq!(found(&format!("orders:other@{}", image.digest)), Some(image.digest));
    assert_eq!(found(&format!("products@{}", image.digest)), None);
    assert_eq!(found("orders"), None);
}

#[test]
fn a_name_moves_to_the_newest_image() {
    let test = TestStore::new();
    let first = add(&test.store, "one", &["orders:dev", "orders:1"]);
    let second = add(&test.store, "two", &["orders:dev"]);
    let list = test.store.list().unwrap();
    let shown: Vec<_> = list.iter().map(|i| (i.digest, i.references.len())).collect();
    assert_eq!(shown, [(first.digest, 1), (second.digest, 1)]);
    assert!(test.store.remove(&name("orders:1")).unwrap());
    assert!(!test.store.remove(&name("orders:1")).unwrap());
    assert_eq!(test.store.list().unwrap().len(), 1);
}

#[test]
fn the_size_is_that_of_all_stored_bytes() {
    let test = TestStore::new();
    let image = add(&test.store, "one", &["orders:dev"]);
    let blobs = fs::read_dir(test.store.blobs().dir()).unwrap();
    let stored: u64 = blobs.map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    assert_eq!(image.size, stored);
}

#[test]
fn layers_are_unpacked_once_top_first_and_never_stacked_twice() {
    let test = TestStore::new();
    let (a, b) = (Tar::new().file("a", "1").finish(), Tar::new().file("b", "2").finish());
    let image = add_layers(&test.store, &[&a, &b, &a], &["x"]);
    let lower = test.store.rootfs(&image).unwrap();
    assert_eq!(lower.len(), 2);
    assert!(lower[0].join("a").exists() && lower[1].join("b").exists());
    let before = fs::metadata(&lower[0]).unwrap().modified().unwrap();
    assert_eq!(test.store.rootfs(&image).unwrap(), lower);
    assert_eq!(fs::metadata(&lower[0]).unwrap().modified().unwrap(), before);
}

#[test]
fn concurrent_unpackers_agree_on_one_directory() {
    let test = TestStore::new();
    let image = add(&test.store, "one", &["x"]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let other = ImageStore::open(test.dir.path().join("images")).unwrap();
                let lower = other.rootfs(&image).unwrap();
                assert_eq!(fs::read_to_string(lower[0].join("app")).unwrap(), "one");
            });
        }
    });
    assert_eq!(fs::read_dir(test.store.tmp()).unwrap().count(), 0);
}

#[test]
fn a_damaged_image_says_so_and_spoils_no_list() {
    let test = TestStore::new();
    let bad = add(&test.store, "one", &["bad"]);
    add(&test.store, "two", &["good"]);
    fs::write(test.store.blobs().path(&bad.config_digest), "damaged").unwrap();
    let error = test.store.find(&name("bad")).unwrap_err().to_string();
    assert!(error.contains("import or build the image again"), "{error}");
    assert_eq!(test.store.list().unwrap().len(), 1);
}

#[test]
fn garbage_is_what_no_name_and_no_user_needs() {
    let test = TestStore::new();
    let (kept, used, lost) = (
        add(&test.store, "kept", &["kept"]),
        add(&test.store, "used", &["used"]),
        add(&test.store, "lost", &["lost"]),
    );
    for image in [&kept, &used, &lost] {
        test.store.rootfs(image).unwrap();
    }
    for gone in ["used", "lost"] {
        test.store.remove(&name(gone)).unwrap();
    }
    let report = collect(&test.store, &[used.digest]);
    assert_eq!((report.blobs, report.layers, report.bytes), (3, 1, lost.size));
    assert!(test.store.get(&lost.digest).unwrap().is_none());
    for image in [&kept, &used] {
        assert!(test.store.rootfs(image).unwrap()[0].join("app").exists());
    }
    assert_eq!(collect(&test.store, &[used.digest]), crate::Report::default());
}

#[test]
fn garbage_younger_than_the_bound_stays() {
    let test = TestStore::new();
    let image = add(&test.store, "one", &["x"]);
    test.store.rootfs(&image).unwrap();
    test.store.remove(&name("x")).unwrap();
    let report = test.store.collect_garbage(&HashSet::new(), Duration::from_secs(3600)).unwrap();
    assert_eq!(report, crate::Report::default());
    assert!(test.store.get(&image.digest).unwrap().is_some());
}

#[test]
fn the_collector_waits_for_writers() {
    let test = TestStore::new();
    let writing = test.store.writing().unwrap();
    assert!(collect(&test.store, &[]).busy);
    drop(writing);
    assert!(!collect(&test.store, &[]).busy);
}

#[test]
fn opening_clears_what_a_crash_left_and_keeps_the_rest() {
    let test = TestStore::new();
    let image = add(&test.store, "one", &["x"]);
    fs::create_dir(test.store.tmp().join("99-0")).unwrap();
    fs::write(test.store.tmp().join("99-0/blob"), "half").unwrap();
    let again = ImageStore::open(test.dir.path().join("images")).unwrap();
    assert_eq!(fs::read_dir(again.tmp()).unwrap().count(), 0);
    assert_eq!(again.find(&name("x")).unwrap().unwrap().digest, image.digest);
}
