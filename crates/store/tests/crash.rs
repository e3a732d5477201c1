//! Files as crashes and bad disks leave them.

use std::fs;
use std::path::{Path, PathBuf};

use sampan_store::{Op, OpenError, Options, Range, Revision, Store, Txn};

fn options() -> Options {
    Options { history_revisions_max: 1_000, segment_bytes: 600, ..Options::default() }
}

fn with_snapshots() -> Options {
    Options { history_revisions_max: 8, snapshot_after_bytes: 1_200, ..options() }
}

fn open(dir: &Path) -> Result<Store, OpenError> {
    Store::open(dir, options())
}

/// Writes `k000` and so on, one each revision from 2 on, and closes the store.
async fn fill(dir: &Path, options: Options, writes: usize) {
    let store = Store::open(dir, options).expect("a new directory opens");
    for n in 0..writes {
        let txn = Txn::new().then(Op::put(format!("k{n:03}"), vec![b'v'; 40]));
        store.commit(txn).await.expect("a write");
    }
    store.close().await;
}

fn files(dir: &Path, suffix: &str) -> Vec<PathBuf> {
    let names = fs::read_dir(dir).expect("the directory lists");
    let mut files: Vec<_> = names.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.to_string_lossy().ends_with(suffix));
    files.sort();
    files
}

/// In memory, where there is such a place: hundreds of stores are opened here.
fn temporary() -> tempfile::TempDir {
    let made = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    made.expect("a temporary directory")
}

/// All but the reserve, which is large and holds nothing.
fn copy(from: &Path) -> tempfile::TempDir {
    let to = temporary();
    let mut all = files(from, "");
    all.retain(|file| !file.ends_with("reserve"));
    for file in all {
        let name = file.file_name().expect("a file has a name");
        fs::copy(&file, to.path().join(name)).expect("a copy");
    }
    to
}

async fn revision_after(dir: &Path) -> Result<Revision, OpenError> {
    let store = open(dir)?;
    let revision = store.revision();
    let count = store.range(&Range::all(), None, 0).expect("the head reads").count;
    assert_eq!(count as u64 + 1, revision.0, "every revision wrote one key");
    // What is opened can be written, and what is written then is there.
    let txn = Txn::new().then(Op::put(format!("k{count:03}"), "new"));
    assert_eq!(store.commit(txn).await.expect("a write").revision, revision.next());
    store.close().await;
    let store = open(dir)?;
    assert_eq!(store.revision(), revision.next());
    store.close().await;
    Ok(revision)
}

async fn size_of_a_begun_segment() -> u64 {
    let dir = temporary();
    fill(dir.path(), Options::default(), 0).await;
    let log = files(dir.path(), ".log").pop().expect("a segment");
    fs::metadata(&log).expect("its size").len()
}

/// Four writes in one segment, as they are after the machine crashed: the note of how far the log
/// was acknowledged did not get to the disk.
async fn four_writes() -> (tempfile::TempDir, u64) {
    let dir = temporary();
    fill(dir.path(), Options::default(), 4).await;
    let log = files(dir.path(), ".log").pop().expect("a segment");
    (dir, fs::metadata(&log).expect("its size").len())
}

fn cut_log(dir: &Path, len: u64) -> PathBuf {
    let log = files(dir, ".log").pop().expect("a segment");
    let file = fs::OpenOptions::new().write(true).open(&log).expect("it opens");
    file.set_len(len).expect("a cut");
    log
}

#[tokio::test]
async fn a_log_cut_at_any_byte_keeps_every_whole_record_before_the_cut() {
    let (original, whole) = four_writes().await;
    fs::remove_file(original.path().join("tail")).expect("it is there");
    let begun = size_of_a_begun_segment().await;
    let frame = (whole - begun) / 4;
    for len in begun..=whole {
        let dir = copy(original.path());
        cut_log(dir.path(), len);
        let expected = 1 + (len - begun) / frame;
        let found = revision_after(dir.path()).await.expect("a torn tail is no error");
        assert_eq!(found, Revision(expected), "cut to {len} of {whole}");
    }
}

#[tokio::test]
async fn a_log_that_is_known_to_have_been_longer_is_refused() {
    let (original, whole) = four_writes().await;
    for len in 0..whole {
        let dir = copy(original.path());
        let log = cut_log(dir.path(), len);
        let refused = check_damaged(dir.path());
        assert_eq!(refused, log, "cut to {len} of {whole}");
    }
}

#[tokio::test]
async fn a_hole_in_what_was_acknowledged_is_no_torn_write() {
    let original = temporary();
    let store = open(original.path()).expect("a new directory opens");
    let txn = Txn::new().then(Op::put("k000", vec![b'v'; 3_000]));
    store.commit(txn).await.expect("a write");
    store.close().await;
    let log = files(original.path(), ".log").pop().expect("a segment");
    let mut content = fs::read(&log).expect("it reads");
    content[1_024..2_048].fill(0);
    fs::write(&log, content).expect("it writes");
    assert_eq!(check_damaged(original.path()), log);
    // Where nothing says that the write was acknowledged, it looks like one that was not.
    fs::remove_file(original.path().join("tail")).expect("it is there");
    assert_eq!(revision_after(original.path()).await.expect("a torn tail"), Revision(1));
}

/// The file that keeps a store from being opened.
fn check_damaged(dir: &Path) -> PathBuf {
    match open(dir).map(drop) {
        Err(OpenError::Damaged { path, .. }) => path,
        other => panic!("{other:?}"),
    }
}

fn check_missing(dir: &Path) -> PathBuf {
    match open(dir).map(drop) {
        Err(OpenError::Missing { path }) => path,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_missing_newest_segment_or_manifest_is_refused() {
    let original = temporary();
    fill(original.path(), options(), 30).await;
    for name in [files(original.path(), ".log").pop().expect("a segment"), "manifest".into()] {
        let dir = copy(original.path());
        let file = dir.path().join(name.file_name().expect("a name"));
        fs::remove_file(&file).expect("a removal");
        assert_eq!(check_missing(dir.path()), file);
    }
    let dir = copy(original.path());
    for file in files(dir.path(), ".log") {
        fs::remove_file(file).expect("a removal");
    }
    check_missing(dir.path());
}

#[tokio::test]
async fn a_damaged_manifest_is_refused_and_a_damaged_note_is_not_believed() {
    let original = temporary();
    fill(original.path(), options(), 5).await;
    for at in 0..32 {
        for (name, is_refused) in [("manifest", true), ("tail", false)] {
            let dir = copy(original.path());
            let file = dir.path().join(name);
            let mut content = fs::read(&file).expect("it reads");
            content[at] ^= 1 << (at % 8);
            fs::write(&file, content).expect("it writes");
            assert_eq!(open(dir.path()).is_err(), is_refused, "byte {at} of {name}");
        }
    }
}

#[tokio::test]
async fn a_flipped_bit_is_refused_by_file_and_offset() {
    let original = temporary();
    fill(original.path(), options(), 24).await;
    let segments = files(original.path(), ".log").len();
    assert!(segments >= 3, "{segments}");
    for index in 0..segments {
        let size = fs::metadata(&files(original.path(), ".log")[index]).expect("its size").len();
        for at in 0..size as usize {
            let dir = copy(original.path());
            let log = files(dir.path(), ".log").remove(index);
            let mut content = fs::read(&log).expect("it reads");
            content[at] ^= 1 << (at % 8);
            fs::write(&log, content).expect("it writes");
            match open(dir.path()).map(drop) {
                Err(OpenError::Damaged { path, offset, .. }) => {
                    assert_eq!(path, log);
                    assert!(offset as usize <= at, "{offset} for {at}");
                }
                other => panic!("byte {at} of segment {index}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_missing_segment_is_refused() {
    let original = temporary();
    fill(original.path(), options(), 30).await;
    let segments = files(original.path(), ".log").len();
    for index in 0..segments - 1 {
        let dir = copy(original.path());
        fs::remove_file(files(dir.path(), ".log").remove(index)).expect("a removal");
        match open(dir.path()).map(drop) {
            Err(OpenError::Gap { .. }) => {}
            other => panic!("segment {index} missing: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_cut_segment_before_the_last_is_refused() {
    let dir = temporary();
    fill(dir.path(), options(), 30).await;
    let log = files(dir.path(), ".log").remove(1);
    let file = fs::OpenOptions::new().write(true).open(&log).expect("it opens");
    file.set_len(fs::metadata(&log).expect("its size").len() - 3).expect("a cut");
    match open(dir.path()).map(drop) {
        Err(OpenError::Damaged { path, .. }) => assert_eq!(path, log),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_segment_that_was_just_being_created_is_begun_again() {
    for leftover in [&b""[..], &b"sampan"[..], &[0; 64][..]] {
        let dir = temporary();
        fill(dir.path(), options(), 30).await;
        fs::write(dir.path().join(format!("{:020}.log", 32)), leftover).expect("it writes");
        let found = revision_after(dir.path()).await.expect("nothing was in it");
        assert_eq!(found, Revision(31));
    }
}

/// A directory with a snapshot and the segments after it.
async fn snapshotted() -> tempfile::TempDir {
    let dir = temporary();
    let mut writes = 0;
    while files(dir.path(), ".snapshot").is_empty() {
        assert!(writes < 10_000, "no snapshot was taken");
        let store = Store::open(dir.path(), with_snapshots()).expect("it opens");
        for _ in 0..40 {
            let txn = Txn::new().then(Op::put(format!("k{:03}", writes % 999), vec![b'v'; 40]));
            store.commit(txn).await.expect("a write");
            writes += 1;
        }
        store.close().await;
    }
    dir
}

#[tokio::test]
async fn a_damaged_or_missing_snapshot_is_refused() {
    let original = snapshotted().await;
    let size = fs::metadata(&files(original.path(), ".snapshot")[0]).expect("its size").len();
    for at in (0..size as usize).step_by(7) {
        let dir = copy(original.path());
        let snapshot = files(dir.path(), ".snapshot").pop().expect("a snapshot");
        let mut content = fs::read(&snapshot).expect("it reads");
        content[at] ^= 4;
        fs::write(&snapshot, content).expect("it writes");
        match open(dir.path()).map(drop) {
            Err(OpenError::Damaged { path, .. }) => assert_eq!(path, snapshot),
            other => panic!("byte {at}: {other:?}"),
        }
    }
    let dir = copy(original.path());
    let snapshot = files(dir.path(), ".snapshot").pop().expect("a snapshot");
    let file = fs::OpenOptions::new().write(true).open(&snapshot).expect("it opens");
    file.set_len(size - 12).expect("a cut");
    assert!(matches!(open(dir.path()).map(drop), Err(OpenError::Damaged { .. })));
    fs::remove_file(&snapshot).expect("a removal");
    assert_eq!(check_missing(dir.path()), snapshot);
}

#[tokio::test]
async fn leftovers_of_a_snapshot_are_cleared_away() {
    let dir = snapshotted().await;
    let snapshot = files(dir.path(), ".snapshot").pop().expect("a snapshot");
    let unfinished = dir.path().join("00000000000000000099.snapshot.tmp");
    fs::write(&unfinished, "half of").expect("it writes");
    fs::write(dir.path().join("notes.txt"), "not ours").expect("it writes");
    let before = open(dir.path()).expect("leftovers are no error");
    let revision = before.revision();
    before.close().await;
    assert!(!unfinished.exists());
    assert!(dir.path().join("notes.txt").exists());
    assert!(snapshot.exists());
    assert_eq!(open(dir.path()).expect("it opens").revision(), revision);
}

#[tokio::test]
async fn a_message_names_file_and_offset() {
    let dir = temporary();
    fill(dir.path(), Options::default(), 3).await;
    let log = files(dir.path(), ".log").pop().expect("a segment");
    let mut content = fs::read(&log).expect("it reads");
    content[40] ^= 1;
    fs::write(&log, content).expect("it writes");
    let error = open(dir.path()).map(drop).expect_err("it is damaged");
    let expected = format!("{} is damaged at byte 24: a frame has a wrong checksum", log.display());
    assert_eq!(error.to_string(), expected);
}
