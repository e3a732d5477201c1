use super::*;
use crate::{Op, Options, Store, Txn};

async fn filled(keys: usize) -> Store {
    let store = Store::in_memory();
    for from in (0..keys).step_by(500) {
        let ops = (from..keys.min(from + 500)).map(|n| Op::put(format!("k{n:05}"), format!("{n}")));
        store.commit(Txn { success: ops.collect(), ..Txn::new() }).await.unwrap();
    }
    store
}

fn read_all(export: &mut Export) -> Vec<KeyValue> {
    let mut all = Vec::new();
    while let Some(page) = export.next_page().unwrap() {
        all.extend(page);
    }
    all
}

#[tokio::test]
async fn an_export_shows_the_revision_at_which_it_began() {
    let store = filled(2_500).await;
    let before = store.range(&Range::all(), None, 0).unwrap().entries;
    let mut export = store.export();
    assert_eq!(export.revision(), store.revision());
    let first = export.next_page().unwrap().unwrap();
    store.commit(Txn::new().then(Op::delete_range(Range::all()))).await.unwrap();
    store.commit(Txn::new().then(Op::put("k02000", "new"))).await.unwrap();
    store.compact(store.revision()).await.unwrap();
    let all = [first, read_all(&mut export)].concat();
    assert_eq!(all, before);
}

#[tokio::test]
async fn what_an_export_held_is_let_go_with_it() {
    let store = filled(10).await;
    let (one, other) = (store.export(), store.export());
    store.commit(Txn::new().then(Op::delete_range(Range::all()))).await.unwrap();
    store.compact(store.revision()).await.unwrap();
    drop(one);
    assert_eq!(store.shared.read().batches_from(Revision::NONE).count(), 2);
    drop(other);
    assert_eq!(store.shared.read().batches_from(Revision::NONE).count(), 1);
}

#[tokio::test]
async fn an_export_that_holds_back_too_much_is_given_up() {
    let (store, mirror) = Store::mirrored(Options::default());
    let entry = |revision: u64| KeyValue {
        key: "k".into(),
        value: vec![0; 1_000].into(),
        create_revision: Revision(2),
        mod_revision: Revision(revision),
        version: revision,
        ..crate::mirror::tests::blank()
    };
    mirror.reset(vec![entry(5)], Revision(5));
    store.shared.write().set_held_bytes_max(10_000);
    let mut export = store.export();
    for revision in 6..30 {
        let event = crate::Event { kind: crate::EventKind::Put, kv: entry(revision), prev: None };
        mirror.apply(crate::Batch { revision: Revision(revision), events: vec![event] });
        mirror.compact(Revision(revision));
    }
    assert_eq!(export.next_page(), Err(ExportError::TooSlow { revision: Revision(5) }));
    assert_eq!(store.shared.read().batches_from(Revision::NONE).count(), 1);
}

#[tokio::test]
async fn large_values_come_in_pieces_of_bounded_size() {
    let store = Store::in_memory();
    for n in 0..20 {
        store.commit(Txn::new().then(Op::put(format!("{n}"), vec![0; 200_000]))).await.unwrap();
    }
    let mut export = store.export();
    let mut pieces = Vec::new();
    while let Some(piece) = export.next_chunk().unwrap() {
        pieces.push(piece.len());
    }
    assert!(pieces.len() >= 10, "{pieces:?}");
    assert!(pieces.iter().all(|len| *len < 2 * CHUNK_BYTES), "{pieces:?}");
}
