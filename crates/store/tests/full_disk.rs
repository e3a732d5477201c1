//! Disks without room: small file systems. Needs root; says so and passes when it has not.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use sampan_store::{Full, Op, Options, Range, Store, Txn, WriteError};

const DISK_BYTES: u64 = 24 << 20;
const VALUE_BYTES: usize = 32 << 10;
const SOON: Duration = Duration::from_secs(30);

/// A small file system, for as long as this lives.
struct SmallDisk {
    dir: tempfile::TempDir,
    /// The file that the file system is in, if it is in one.
    _image: Option<tempfile::NamedTempFile>,
}

fn run(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(args).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

impl SmallDisk {
    fn tmpfs() -> Option<SmallDisk> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let size = format!("size={DISK_BYTES}");
        let path = dir.path().to_str().expect("its name is text");
        let mounted = run("mount", &["-t", "tmpfs", "-o", &size, "sampan-store-test", path]);
        mounted.then_some(SmallDisk { dir, _image: None })
    }

    fn ext4() -> Option<SmallDisk> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let image = tempfile::NamedTempFile::new().expect("a temporary file");
        image.as_file().set_len(DISK_BYTES).expect("a file of that size");
        let path = |path: &Path| path.to_str().expect("its name is text").to_owned();
        let (file, target) = (path(image.path()), path(dir.path()));
        let made = run("mkfs.ext4", &["-q", "-m", "0", &file]);
        let mounted = made && run("mount", &["-o", "loop", &file, &target]);
        mounted.then_some(SmallDisk { dir, _image: Some(image) })
    }

    /// One of each kind that this machine has.
    fn all() -> Vec<SmallDisk> {
        let disks: Vec<_> = [SmallDisk::tmpfs(), SmallDisk::ext4()].into_iter().flatten().collect();
        if disks.is_empty() {
            eprintln!("skipped: this test mounts a file system, which needs root");
        }
        disks
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn store(&self) -> Store {
        Store::open(&self.path().join("store"), Options::default()).expect("the store opens")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let path = self.path().to_str().expect("its name is text");
        assert!(run("umount", &[path]), "unmount {path}");
    }
}

fn put(n: usize) -> Txn {
    Txn::new().then(Op::put(format!("k{n:05}"), vec![b'v'; VALUE_BYTES]))
}

fn delete(n: usize) -> Txn {
    Txn::new().then(Op::delete(format!("k{n:05}")))
}

/// Puts new keys until one is refused; how many were not.
async fn fill(store: &Store) -> usize {
    for n in 0.. {
        match store.commit(put(n)).await {
            Ok(_) => {}
            Err(error) => {
                assert_eq!((error, store.stats().full), (WriteError::Full, Some(Full::Disk)));
                return n;
            }
        }
    }
    unreachable!("no disk is endless")
}

fn count(store: &Store) -> usize {
    store.range(&Range::all(), None, 1).expect("reads go on").count
}

async fn recovers(store: &Store) {
    let wait = async {
        while store.stats().full.is_some() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, wait).await.expect("the store finds room by itself");
}

#[tokio::test]
async fn a_full_disk_refuses_puts_until_somebody_makes_room() {
    for disk in SmallDisk::all() {
        let ballast = disk.path().join("ballast");
        fs::write(&ballast, vec![1; 8 << 20]).expect("there is room at first");
        let store = disk.store();
        let written = fill(&store).await;
        assert!(written > 200, "{written}");
        for n in 0..100 {
            store.commit(delete(n)).await.expect("deletes go on");
            assert_eq!(store.commit(put(written)).await, Err(WriteError::Full));
        }
        store.compact(store.revision()).await.expect("compaction goes on");
        assert_eq!(count(&store), written - 100);

        fs::remove_file(ballast).expect("somebody makes room");
        store.commit(put(written)).await.expect("puts go on at once");
        assert_eq!((count(&store), store.stats().full), (written - 99, None));
        store.close().await;
        let store = disk.store();
        assert_eq!(count(&store), written - 99);
        store.close().await;
    }
}

#[tokio::test]
async fn a_disk_that_the_store_has_filled_itself_has_room_after_deletes() {
    for disk in SmallDisk::all() {
        let store = disk.store();
        let written = fill(&store).await;
        let left = 60;
        for n in left..written {
            store.commit(delete(n)).await.expect("deletes go on");
        }
        recovers(&store).await;
        store.commit(put(written)).await.expect("puts go on");
        assert_eq!(count(&store), left + 1);
        store.close().await;
        let store = disk.store();
        assert_eq!(count(&store), left + 1);
        store.close().await;
    }
}

#[tokio::test]
async fn history_gives_way_when_overwrites_fill_the_disk() {
    for disk in SmallDisk::all() {
        let store = disk.store();
        let mut refused = 0;
        for n in 0..2_000 {
            match store.commit(put(n % 40)).await {
                Ok(_) => {}
                Err(WriteError::Full) => {
                    refused += 1;
                    recovers(&store).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert!((1..20).contains(&refused), "{refused}: sixty megabytes on a disk of 24");
        assert_eq!(count(&store), 40);
        store.close().await;
        let store = disk.store();
        assert_eq!(count(&store), 40);
        store.close().await;
    }
}
