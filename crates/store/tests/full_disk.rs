//! A disk without room: a small tmpfs. Needs root; says so and passes when it has not.

use std::fs;
use std::path::Path;
use std::process::Command;

use sampan_store::{Op, Options, Range, Store, Txn, WriteError};

/// A file system of one mebibyte, for as long as this lives.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<SmallDisk> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m", "sampan-store-test"]).arg(dir.path());
        let mounted = mount.status().is_ok_and(|status| status.success());
        mounted.then_some(SmallDisk(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "unmount {:?}", self.path());
    }
}

#[tokio::test]
async fn a_full_disk_refuses_writes_until_there_is_room() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("skipped: this test mounts a tmpfs, which needs root");
        return;
    };
    let ballast = disk.path().join("ballast");
    fs::write(&ballast, vec![1; 512 << 10]).expect("there is room at first");
    let dir = disk.path().join("store");
    let store = Store::open(&dir, Options::default()).expect("a new directory opens");
    let put = |n: usize| Txn::new().then(Op::put(format!("k{n:04}"), vec![b'v'; 4 << 10]));
    let mut written = 0;
    let refused = loop {
        match store.commit(put(written)).await {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, WriteError::Full);
    assert!(written > 50, "{written}");
    let count = || store.range(&Range::all(), None, 1).expect("reads go on").count;
    assert_eq!(count(), written);

    fs::remove_file(ballast).expect("someone makes room");
    store.commit(put(written)).await.expect("writes go on by themselves");
    assert_eq!(count(), written + 1);
    store.close().await;
    let store = Store::open(&dir, Options::default()).expect("the log is whole");
    assert_eq!(store.range(&Range::all(), None, 1).expect("it reads").count, written + 1);
    store.close().await;
}
