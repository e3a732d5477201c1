//! The ids of the cluster and its member: decided once, kept in the store.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use store::Store;

use super::StartError;

/// The record it is kept in.
const RECORD: &str = "etcd/member";
/// Three numbers.
const RECORD_BYTES: usize = 24;

/// Who a store is, to clients of etcd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) cluster_id: u64,
    pub(super) member_id: u64,
    /// Counts the starts, as etcd's term does for a cluster of one: the first is 2 there.
    pub(super) term: u64,
}

impl Identity {
    /// Who the store is, from this start on.
    pub(super) async fn claim(store: &Store) -> Result<Identity, StartError> {
        let identity = match store.record(RECORD) {
            Some(record) => Identity::decode(record).ok_or(StartError::Identity)?.restarted(),
            None => Identity { cluster_id: random(), member_id: random(), term: 2 },
        };
        store.put_record(RECORD, Some(identity.encode())).await.map_err(StartError::Ids)?;
        Ok(identity)
    }

    fn restarted(self) -> Identity {
        Identity { term: self.term.saturating_add(1), ..self }
    }

    fn encode(self) -> Bytes {
        let mut record = BytesMut::with_capacity(RECORD_BYTES);
        record.put_u64(self.cluster_id);
        record.put_u64(self.member_id);
        record.put_u64(self.term);
        record.freeze()
    }

    fn decode(mut record: Bytes) -> Option<Identity> {
        (record.len() == RECORD_BYTES).then(|| Identity {
            cluster_id: record.get_u64(),
            member_id: record.get_u64(),
            term: record.get_u64(),
        })
    }
}

/// A number that no other store is likely to have. 0 would mean that there is none.
fn random() -> u64 {
    rand::random::<u64>().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ids_stay_and_terms_grow() {
        let store = Store::in_memory();
        let first = Identity::claim(&store).await.expect("an identity");
        let second = Identity::claim(&store).await.expect("an identity");
        assert_eq!(second, Identity { term: first.term + 1, ..first });
        assert_ne!(first.cluster_id, first.member_id);
        let other = Identity::claim(&Store::in_memory()).await.expect("an identity");
        assert_ne!(other.cluster_id, first.cluster_id);
    }

    #[tokio::test]
    async fn a_damaged_record_is_not_taken_for_none() {
        let store = Store::in_memory();
        store.put_record(RECORD, Some("short".into())).await.expect("a record");
        let refused = Identity::claim(&store).await;
        assert!(matches!(refused, Err(StartError::Identity)), "{refused:?}");
    }
}
