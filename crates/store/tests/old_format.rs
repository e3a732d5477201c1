//! What an earlier version wrote opens, and goes on in the format of today.
//!
//! `data/format-1` was written by the version before leases: a snapshot at revision 37 and three
//! segments up to 61. Key `kNN` has been set by every twentieth write since it was deleted last.

use std::fs;
use std::path::Path;
use std::time::Duration;

use sampan_store::{LeaseId, Op, Options, Range, Revision, Store, Txn};

/// Key, value, creation, modification and version of some of the keys.
const KEYS: [(&str, &str, u64, u64, u64); 4] = [
    ("k02", "value 42", 4, 44, 3),
    ("k05", "value 45", 27, 47, 2),
    ("k06", "value 46", 48, 48, 1),
    ("k19", "value 59", 21, 61, 3),
];

fn copy_of_old() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/format-1");
    for entry in fs::read_dir(old).expect("the old files are there") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), dir.path().join(entry.file_name())).expect("a copy");
    }
    dir
}

fn check_keys(store: &Store) {
    for (key, value, create, modified, version) in KEYS {
        let kv = store.get(key.as_bytes()).expect("the key is there");
        let found = (kv.create_revision.0, kv.mod_revision.0, kv.version, kv.lease);
        assert_eq!((kv.value, found), (value.into(), (create, modified, version, LeaseId::NONE)));
    }
    assert_eq!(store.get(b"k00"), None);
}

#[tokio::test]
async fn a_store_of_format_1_opens_and_goes_on() {
    let dir = copy_of_old();
    let open = || Store::open(dir.path(), Options::default()).expect("it opens");
    let store = open();
    assert_eq!(store.revision(), Revision(61));
    assert_eq!(store.count(&Range::all(), None), Ok(18));
    assert_eq!(store.count(&Range::all(), Some(Revision(37))), Ok(20));
    check_keys(&store);

    let lease = store.grant_lease(LeaseId::NONE, Duration::from_secs(600)).await.expect("a lease");
    let txn = Txn::new().then(Op::put_leased("new", "1", lease.id));
    assert_eq!(store.commit(txn).await.expect("a write").revision, Revision(62));
    store.put_record("id", Some("2".into())).await.expect("a record");
    store.close().await;

    let store = open();
    check_keys(&store);
    assert_eq!(store.revision(), Revision(62));
    assert_eq!(store.lease_keys(lease.id), ["new"]);
    assert_eq!(store.record("id"), Some("2".into()));
    store.close().await;
}

#[tokio::test]
async fn segments_of_both_formats_are_not_mixed() {
    let dir = copy_of_old();
    let newest = dir.path().join("00000000000000000055.log");
    let before = fs::read(&newest).expect("it reads");
    let store = Store::open(dir.path(), Options::default()).expect("it opens");
    store.commit(Txn::new().then(Op::put("new", "1"))).await.expect("a write");
    store.close().await;
    assert_eq!(fs::read(&newest).expect("it reads"), before, "it belongs to the old format");
    assert!(dir.path().join("00000000000000000062.log").exists());
}
