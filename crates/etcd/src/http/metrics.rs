//! All numbers, under the names that etcd has for them: its dashboards and alerts work here.

use std::sync::atomic::Ordering::Relaxed;

use store::Stats;
use tonic::Code;

use super::process;
use super::text::Text;
use crate::maintenance::in_use;
use crate::member::{Member, VERSION};

/// What the store says of itself, for Prometheus. `quota_bytes` is how large it may grow.
pub fn metrics_text(stats: &Stats, quota_bytes: u64) -> String {
    let mut text = Text::default();
    sizes(&mut text, stats, quota_bytes);
    revisions(&mut text, stats);
    writes(&mut text, stats);
    fsyncs(&mut text, stats);
    text.finish()
}

/// The metrics of a member: its store's, its own, and those of the process.
pub(super) fn of_member(member: &Member) -> String {
    let mut text = Text::default();
    server(&mut text, member);
    reads_and_watches(&mut text, member);
    leases(&mut text, member);
    calls(&mut text, member);
    process::add(&mut text);
    metrics_text(&member.store.stats(), member.quota_bytes) + &text.finish()
}

fn sizes(text: &mut Text, stats: &Stats, quota_bytes: u64) {
    text.gauge(
        "etcd_mvcc_db_total_size_in_bytes",
        "Total size of the underlying database physically allocated in bytes.",
        stats.disk_bytes,
    );
    text.gauge(
        "etcd_mvcc_db_total_size_in_use_in_bytes",
        "Total size of the underlying database logically in use in bytes.",
        in_use(stats),
    );
    text.gauge(
        "etcd_server_quota_backend_bytes",
        "Current backend storage quota size in bytes.",
        quota_bytes,
    );
}

fn revisions(text: &mut Text, stats: &Stats) {
    text.gauge("etcd_debugging_mvcc_keys_total", "Total number of keys.", stats.keys);
    text.gauge(
        "etcd_debugging_mvcc_current_revision",
        "The current revision of store.",
        stats.revision,
    );
    text.gauge(
        "etcd_debugging_mvcc_compact_revision",
        "The revision of the last compaction in store.",
        stats.compacted,
    );
    text.gauge("etcd_debugging_mvcc_watcher_total", "Total number of watchers.", stats.watchers);
}

fn writes(text: &mut Text, stats: &Stats) {
    let counts = [
        ("put", stats.puts, "Total number of puts seen by this member."),
        ("delete", stats.deletes, "Total number of deletes seen by this member."),
        ("txn", stats.txns, "Total number of txns seen by this member."),
    ];
    // etcd has them under both names since 3.4.
    for family in ["etcd_mvcc", "etcd_debugging_mvcc"] {
        for (name, count, help) in counts {
            text.counter(&format!("{family}_{name}_total"), help, count);
        }
    }
}

fn fsyncs(text: &mut Text, stats: &Stats) {
    let name = "etcd_disk_wal_fsync_duration_seconds";
    let help = "The latency distributions of fsync called by WAL.";
    text.family(name, "histogram", help);
    let (bucket, count) = (format!("{name}_bucket"), stats.fsyncs.count());
    for (bound, below) in stats.fsyncs.buckets() {
        text.sample(&bucket, &[("le", &bound.as_secs_f64().to_string())], below);
    }
    text.sample(&bucket, &[("le", "+Inf")], count);
    text.sample(&format!("{name}_sum"), &[], stats.fsyncs.sum().as_secs_f64());
    text.sample(&format!("{name}_count"), &[], count);
}

fn server(text: &mut Text, member: &Member) {
    text.gauge("etcd_server_has_leader", "Whether or not a leader exists. 1 is existence.", 1);
    text.gauge("etcd_server_is_leader", "Whether or not this member is a leader. 1 if is.", 1);
    text.counter("etcd_server_leader_changes_seen_total", "The number of leader changes seen.", 1);
    text.info(
        "etcd_server_id",
        "Server or member ID in hexadecimal format. 1 for 'server_id' label with current ID.",
        ("server_id", &format!("{:x}", member.member_id)),
    );
    text.info(
        "etcd_server_version",
        "Which version is running. 1 for 'server_version' label with current version.",
        ("server_version", VERSION),
    );
    text.info(
        "etcd_cluster_version",
        "Which version is running. 1 for 'cluster_version' label with current cluster version",
        ("cluster_version", "3.5"),
    );
}

fn reads_and_watches(text: &mut Text, member: &Member) {
    let (calls, counts) = (&member.calls, &member.counts);
    let ranges = calls.method("/etcdserverpb.KV/Range").map_or(0, |method| method.succeeded());
    for family in ["etcd_mvcc", "etcd_debugging_mvcc"] {
        let name = format!("{family}_range_total");
        text.counter(&name, "Total number of ranges seen by this member.", ranges);
    }
    let streams = calls.method("/etcdserverpb.Watch/Watch").map_or(0, |method| method.active());
    text.gauge("etcd_debugging_mvcc_watch_stream_total", "Total number of watch streams.", streams);
    text.counter(
        "etcd_debugging_mvcc_events_total",
        "Total number of events sent by this member.",
        counts.watch_events.load(Relaxed),
    );
}

fn leases(text: &mut Text, member: &Member) {
    let succeeded = |path| member.calls.method(path).map_or(0, |method| method.succeeded());
    text.counter(
        "etcd_debugging_lease_granted_total",
        "The total number of granted leases.",
        succeeded("/etcdserverpb.Lease/LeaseGrant"),
    );
    text.counter(
        "etcd_debugging_lease_revoked_total",
        "The total number of revoked leases.",
        succeeded("/etcdserverpb.Lease/LeaseRevoke"),
    );
    text.counter(
        "etcd_debugging_lease_renewed_total",
        "The number of renewed leases seen by the leader.",
        member.counts.leases_renewed.load(Relaxed),
    );
}

fn calls(text: &mut Text, member: &Member) {
    let started = "grpc_server_started_total";
    text.family(started, "counter", "Total number of RPCs started on the server.");
    for method in member.calls.methods().filter(|method| method.started() > 0) {
        text.sample(started, &labels(method.name, method.service, method.kind), method.started());
    }
    let handled = "grpc_server_handled_total";
    let help = "Total number of RPCs completed on the server, regardless of success or failure.";
    text.family(handled, "counter", help);
    for method in member.calls.methods() {
        for (code, count) in method.handled() {
            let [name, service, kind] = labels(method.name, method.service, method.kind);
            text.sample(handled, &[("grpc_code", code_name(code)), name, service, kind], count);
        }
    }
}

fn labels<'a>(name: &'a str, service: &'a str, kind: &'a str) -> [(&'static str, &'a str); 3] {
    [("grpc_method", name), ("grpc_service", service), ("grpc_type", kind)]
}

/// A code as gRPC's metrics have it.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}

#[cfg(test)]
mod tests {
    use store::Revision;

    use super::*;

    #[test]
    fn a_stores_numbers_have_etcds_names() {
        let stats = Stats {
            revision: Revision(9),
            compacted: Revision(4),
            keys: 3,
            disk_bytes: 4096,
            live_bytes: 100,
            history_bytes: 50,
            puts: 7,
            ..Stats::default()
        };
        let text = metrics_text(&stats, 1 << 31);
        for line in [
            "etcd_mvcc_db_total_size_in_bytes 4096",
            "etcd_mvcc_db_total_size_in_use_in_bytes 150",
            "etcd_server_quota_backend_bytes 2147483648",
            "etcd_debugging_mvcc_keys_total 3",
            "etcd_debugging_mvcc_current_revision 9",
            "etcd_debugging_mvcc_compact_revision 4",
            "etcd_mvcc_put_total 7",
            "etcd_debugging_mvcc_put_total 7",
            "# TYPE etcd_disk_wal_fsync_duration_seconds histogram",
            "etcd_disk_wal_fsync_duration_seconds_bucket{le=\"0.001\"} 0",
            "etcd_disk_wal_fsync_duration_seconds_bucket{le=\"8.192\"} 0",
            "etcd_disk_wal_fsync_duration_seconds_bucket{le=\"+Inf\"} 0",
            "etcd_disk_wal_fsync_duration_seconds_count 0",
        ] {
            assert!(text.lines().any(|one| one == line), "{line} in {text}");
        }
    }
}
