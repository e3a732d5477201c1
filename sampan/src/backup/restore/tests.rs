use std::path::Path;

use store::{Op, Options, Store, Txn};

use super::*;
use crate::backup::write::{Source, write};

/// A store with one key.
async fn store(dir: &Path, key: &str) -> Store {
    let store = Store::open(dir, Options::default()).unwrap();
    store.commit(Txn::new().then(Op::put(key.to_owned(), "v"))).await.unwrap();
    store
}

/// A backup of an instance with a key in each key space and two files.
async fn backup() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let pki = dir.path().join(PKI);
    fs::create_dir(&pki).unwrap();
    fs::write(pki.join("ca.crt"), "a certificate").unwrap();
    fs::write(pki.join("ca.key"), "a key").unwrap();
    fs::write(pki.join("ca.tmp"), "half").unwrap();
    let spaces = vec![
        (Space::Kubernetes, store(&dir.path().join("store"), "pod").await),
        (Space::Etcd, store(&dir.path().join("etcd"), "key").await),
    ];
    let mut file = Vec::new();
    let source = Source { data_dir: dir.path().to_owned(), spaces };
    let contents = write(&source, &mut file).unwrap();
    assert_eq!(contents.bytes, file.len() as u64);
    assert_eq!(contents.parts.len(), 4, "{contents:?}");
    for (_, store) in source.spaces {
        store.close().await;
    }
    file
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap().flatten();
    let mut names: Vec<_> = entries.map(|e| e.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The instance has what was backed up.
fn check_restored(dir: &Path) {
    assert_eq!(fs::read_to_string(dir.join("pki/ca.crt")).unwrap(), "a certificate");
    assert_eq!(names(&dir.join(PKI)), ["ca.crt", "ca.key"]);
    for (folder, key) in [("store", "pod"), ("etcd", "key")] {
        let store = Store::open(&dir.join(folder), Options::default()).unwrap();
        assert_eq!(store.get(key.as_bytes()).unwrap().value, "v");
        assert!(store.revision().0 > REVISION_BUMP);
        assert_eq!(store.compacted(), store.revision());
    }
}

#[tokio::test]
async fn a_new_instance_gets_everything() {
    let (file, dir) = (backup().await, tempfile::tempdir().unwrap());
    assert!(!has_state(dir.path()));
    let staged = stage(dir.path(), file.as_slice()).unwrap();
    assert!(!has_state(dir.path()), "nothing has changed yet");
    assert_eq!(staged.revisions.len(), 2);
    commit(dir.path(), "before").unwrap();
    assert_eq!(names(dir.path()), ["etcd", "pki", "store"]);
    check_restored(dir.path());
}

#[tokio::test]
async fn the_old_state_is_kept_beside() {
    let (file, dir) = (backup().await, tempfile::tempdir().unwrap());
    fs::create_dir(dir.path().join("store")).unwrap();
    fs::write(dir.path().join("store/old"), "").unwrap();
    fs::write(dir.path().join(EXTERNAL_STORE), "").unwrap();
    stage(dir.path(), file.as_slice()).unwrap();
    commit(dir.path(), "before").unwrap();
    check_restored(dir.path());
    assert_eq!(names(&dir.path().join("before")), [EXTERNAL_STORE, "store"]);
    assert_eq!(names(&dir.path().join("before/store")), ["old"]);
}

#[tokio::test]
async fn what_was_interrupted_is_finished_by_the_next() {
    let file = backup().await;
    // After each number of moves that were made before the crash.
    for moves in 0..=5 {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path();
        for old in ["store", "etcd"] {
            fs::create_dir(data.join(old)).unwrap();
            fs::write(data.join(old).join("old"), "").unwrap();
        }
        stage(data, file.as_slice()).unwrap();
        let staging = data.join(STAGING);
        let plan = r#"{"before": "b", "old": ["store", "etcd"], "new": ["store", "etcd", "pki"]}"#;
        fs::write(staging.join(MARKER), plan).unwrap();
        fs::create_dir(data.join("b")).unwrap();
        let all = [
            (data.join("store"), data.join("b/store")),
            (data.join("etcd"), data.join("b/etcd")),
            (staging.join("store"), data.join("store")),
            (staging.join("etcd"), data.join("etcd")),
            (staging.join("pki"), data.join("pki")),
        ];
        for (from, to) in all.iter().take(moves) {
            fs::rename(from, to).unwrap();
        }
        assert!(finish(data).unwrap());
        check_restored(data);
        assert_eq!(names(&data.join("b")), ["etcd", "store"], "after {moves} moves");
        assert!(!finish(data).unwrap(), "it is over");
    }
}

#[tokio::test]
async fn a_backup_that_is_not_whole_changes_nothing() {
    let (file, dir) = (backup().await, tempfile::tempdir().unwrap());
    fs::write(dir.path().join("store"), "old").unwrap();
    let mut flipped = file.clone();
    flipped[file.len() / 2] ^= 1;
    for bad in [&file[..file.len() - 1], &file[..file.len() / 3], &flipped, b"nonsense"] {
        assert!(stage(dir.path(), bad).is_err());
        assert_eq!(names(dir.path()), ["store"]);
        assert!(!finish(dir.path()).unwrap());
    }
}

#[test]
fn only_files_of_its_own_are_written() {
    let dir = tempfile::tempdir().unwrap();
    for path in ["pki/../x", "/etc/passwd", "pki/a/b", "pki/..", "pki/", "pki", "server.lock"] {
        let written = write_file(dir.path(), path, b"x".as_slice());
        assert!(matches!(written, Err(RestoreError::UnknownFile(_))), "{path}");
    }
    assert!(names(dir.path()).is_empty());
}
