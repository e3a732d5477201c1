use super::*;
use crate::{KeyValue, Op, Options, Range, ReadError, Store, Txn};

/// A store with a few thousand keys, and its export.
async fn exported() -> (Vec<KeyValue>, Vec<u8>) {
    let store = Store::in_memory();
    for part in 0..5 {
        let ops = (0..500).map(|n| Op::put(format!("{part}/{n}"), "x".repeat(n)));
        store.commit(Txn { success: ops.collect(), ..Txn::new() }).await.unwrap();
    }
    let mut export = store.export();
    let mut stream = Vec::new();
    while let Some(chunk) = export.next_chunk().unwrap() {
        stream.extend_from_slice(&chunk);
    }
    (store.range(&Range::all(), None, 0).unwrap().entries, stream)
}

#[tokio::test]
async fn an_imported_store_holds_what_was_exported_and_goes_on_from_there() {
    let (entries, stream) = exported().await;
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("store");
    assert_eq!(import(&dir, &stream[..], 1_000).unwrap(), Revision(1_006));
    let store = Store::open(&dir, Options::default()).unwrap();
    assert_eq!(store.range(&Range::all(), None, 0).unwrap().entries, entries);
    let old = store.range(&Range::all(), Some(Revision(6)), 0);
    assert_eq!(old, Err(ReadError::Compacted { compacted: Revision(1_006) }));
    let reply = store.commit(Txn::new().then(Op::put("new", "1"))).await.unwrap();
    assert_eq!(reply.revision, Revision(1_007));
    store.close().await;
    let store = Store::open(&dir, Options::default()).unwrap();
    assert_eq!(store.get(b"new").unwrap().mod_revision, Revision(1_007));
    let names: Vec<_> =
        fs::read_dir(temp.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["store"], "nothing else is left");
}

#[tokio::test]
async fn an_import_into_a_store_is_refused_and_leaves_it_alone() {
    let (_, stream) = exported().await;
    let temp = tempfile::tempdir().unwrap();
    let store = Store::open(temp.path(), Options::default()).unwrap();
    store.commit(Txn::new().then(Op::put("a", "1"))).await.unwrap();
    let refused = import(temp.path(), &stream[..], 0);
    assert!(matches!(refused, Err(ImportError::NotEmpty { .. })), "{refused:?}");
    assert!(store.get(b"a").is_some());
}

#[tokio::test]
async fn an_export_that_is_cut_or_damaged_anywhere_is_refused() {
    let (_, stream) = exported().await;
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("store");
    let check = |what: &str, bytes: &[u8]| {
        let refused = import(&dir, bytes, 0);
        let known =
            matches!(refused, Err(ImportError::Damaged { .. } | ImportError::Format { .. }));
        assert!(known, "{what}: {refused:?}");
        assert!(!dir.exists(), "{what}");
    };
    for len in (0..stream.len()).step_by(stream.len() / 40).chain([stream.len() - 1]) {
        check(&format!("cut at {len}"), &stream[..len]);
    }
    for at in (0..stream.len()).step_by(stream.len() / 40) {
        let mut bad = stream.clone();
        bad[at] ^= 4;
        check(&format!("bit flipped at {at}"), &bad);
    }
    check("longer", &[&stream[..], b"x"].concat());
    let refused = import(&dir, &stream[..], u64::MAX - 3);
    assert!(matches!(refused, Err(ImportError::Bump { .. })), "{refused:?}");
}

#[tokio::test]
async fn an_import_that_was_cut_off_is_done_over() {
    let (entries, stream) = exported().await;
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("store");
    import(&temp.path().join("store.importing"), &stream[..], 7).unwrap();
    import(&dir, &stream[..], 0).unwrap();
    let store = Store::open(&dir, Options::default()).unwrap();
    assert_eq!(
        (store.revision(), store.range(&Range::all(), None, 0).unwrap().count),
        (Revision(6), entries.len())
    );
}
