//! A store's own figures, as `sampan store status` tells them.

use store::{Full, Store};

use crate::backup::Space;
use crate::control::SpaceReport;

/// How a key space is now.
pub fn space(name: Space, store: &Store, quota_bytes: Option<u64>) -> SpaceReport {
    let stats = store.stats();
    let quantile = |part| stats.fsyncs.quantile(part).map(|time| time.as_secs_f64());
    SpaceReport {
        name,
        revision: stats.revision.0,
        compacted: stats.compacted.0,
        keys: stats.keys as u64,
        live_bytes: stats.live_bytes,
        history_revisions: stats.history_revisions as u64,
        history_bytes: stats.history_bytes,
        disk_bytes: stats.disk_bytes,
        segments: stats.segments as u64,
        snapshot_bytes: stats.snapshot_bytes,
        quota_bytes,
        watchers: stats.watchers as u64,
        leases: stats.leases as u64,
        fsyncs: stats.fsyncs.count(),
        fsync_p50_seconds: quantile(0.5),
        fsync_p99_seconds: quantile(0.99),
        full: stats.full.map(|full| match full {
            Full::Disk => "disk".into(),
            Full::Quota => "quota".into(),
        }),
        failed: stats.failed,
    }
}

#[cfg(test)]
mod tests {
    use store::{Op, Txn};

    use super::*;

    #[tokio::test]
    async fn a_store_tells_its_figures() {
        let store = Store::in_memory();
        store.commit(Txn::new().then(Op::put("k", "value"))).await.unwrap();
        let report = space(Space::Etcd, &store, Some(1 << 20));
        assert_eq!((report.keys, report.revision), (1, store.revision().0));
        assert_eq!(report.quota_bytes, Some(1 << 20));
        assert!(report.fsyncs > 0 && report.full.is_none() && !report.failed, "{report:?}");
    }
}
