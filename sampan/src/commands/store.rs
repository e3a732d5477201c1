//! `sampan store status`: sizes, revisions, watchers, leases, and how long the disk takes.

use anyhow::{Context, bail};

use crate::cli::{Output, StoreStatusArgs};
use crate::control::{self, ExternalReport, SpaceReport, StoreReport};
use crate::instance::Instance;
use crate::output::{self, say};
use crate::text;

pub async fn status(instance: &Instance, args: StoreStatusArgs) -> anyhow::Result<()> {
    if instance.running()?.is_none() {
        bail!(
            "no server runs on {}\nstart one with 'sampan server', or with 'sampan up DIR'",
            instance.data_dir().display()
        );
    }
    let report = control::store_report(instance).await?;
    match args.output {
        Output::Table => output::text(&table(&report)),
        Output::Json => {
            say!("{}", serde_json::to_string_pretty(&report).context("encode the report")?);
        }
    }
    Ok(())
}

/// One column for each key space.
fn table(report: &StoreReport) -> String {
    let mut text = String::new();
    if report.spaces.is_empty() {
        text += "The stores are not open yet.\n";
    } else {
        let titles = report.spaces.iter().map(|space| space.name.title().to_uppercase());
        let header: Vec<String> = [String::new()].into_iter().chain(titles).collect();
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        text += &text::table(&header, &rows(&report.spaces));
    }
    if let Some(external) = &report.external {
        text += &external_lines(external);
    }
    text
}

fn rows(spaces: &[SpaceReport]) -> Vec<Vec<String>> {
    let row = |name: &str, cell: &dyn Fn(&SpaceReport) -> String| {
        [name.to_owned()].into_iter().chain(spaces.iter().map(cell)).collect::<Vec<_>>()
    };
    vec![
        row("state", &state),
        row("revision", &|s| s.revision.to_string()),
        row("compacted", &|s| s.compacted.to_string()),
        row("keys", &|s| format!("{} ({})", s.keys, text::size(s.live_bytes))),
        row("history", &|s| {
            format!("{} revisions ({})", s.history_revisions, text::size(s.history_bytes))
        }),
        row("on disk", &|s| {
            let snapshot = text::size(s.snapshot_bytes);
            let segments = match s.segments {
                1 => "1 segment".to_owned(),
                more => format!("{more} segments"),
            };
            format!("{} ({segments}, snapshot {snapshot})", text::size(s.disk_bytes))
        }),
        row("quota", &|s| s.quota_bytes.map_or_else(|| "none".into(), text::size)),
        row("watchers", &|s| s.watchers.to_string()),
        row("leases", &|s| s.leases.to_string()),
        row("fsyncs", &fsyncs),
    ]
}

fn state(space: &SpaceReport) -> String {
    match (&space.full, space.failed) {
        (_, true) => "FAILED: the disk failed; start the server again".into(),
        (Some(why), _) => format!("FULL ({why}): puts are refused"),
        (None, false) => "ok".into(),
    }
}

fn fsyncs(space: &SpaceReport) -> String {
    let millis = |seconds: f64| format!("{:.1} ms", seconds * 1000.0);
    match (space.fsync_p50_seconds, space.fsync_p99_seconds) {
        (Some(p50), Some(p99)) => {
            format!("{} (p50 under {}, p99 under {})", space.fsyncs, millis(p50), millis(p99))
        }
        _ => space.fsyncs.to_string(),
    }
}

/// The external etcd, in the form of `sampan status`.
pub fn external_lines(external: &ExternalReport) -> String {
    let leader = match (&external.leader, external.leading) {
        (_, true) => "this server".to_owned(),
        (Some(leader), false) => format!("{leader}; this server waits"),
        (None, false) => "nobody yet".to_owned(),
    };
    let mut text = format!("Store     etcd at {}\n", external.endpoints.join(", "));
    text += &format!("Prefix    {}\n", external.prefix);
    text += &format!("Leader    {leader}\n");
    text += &external.lease.iter().map(|lease| format!("Lease     {lease}\n")).collect::<String>();
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::Space;

    fn space(name: Space) -> SpaceReport {
        SpaceReport {
            name,
            revision: 812,
            compacted: 1,
            keys: 31,
            live_bytes: 12_000,
            history_revisions: 811,
            history_bytes: 400_000,
            disk_bytes: 500_000,
            segments: 1,
            snapshot_bytes: 0,
            quota_bytes: None,
            watchers: 9,
            leases: 0,
            fsyncs: 700,
            fsync_p50_seconds: Some(0.001),
            fsync_p99_seconds: Some(0.008),
            full: None,
            failed: false,
        }
    }

    #[test]
    fn key_spaces_stand_beside_each_other() {
        let etcd = SpaceReport {
            full: Some("quota".into()),
            quota_bytes: Some(2_000_000_000),
            fsyncs: 0,
            fsync_p50_seconds: None,
            ..space(Space::Etcd)
        };
        let report = StoreReport { spaces: vec![space(Space::Kubernetes), etcd], external: None };
        let text = table(&report);
        let cells = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).expect("a line");
            line.split("   ").map(str::trim).filter(|c| !c.is_empty()).collect::<Vec<_>>().join("|")
        };
        assert_eq!(cells("state"), "state|ok|FULL (quota): puts are refused");
        assert_eq!(cells("quota"), "quota|none|2.0 GB");
        assert_eq!(cells("fsyncs"), "fsyncs|700 (p50 under 1.0 ms, p99 under 8.0 ms)|0");
    }

    #[test]
    fn who_waits_is_told_who_leads() {
        let external = ExternalReport {
            endpoints: vec!["http://a:2379".into()],
            prefix: "/sampan/".into(),
            leader: Some("box".into()),
            ..ExternalReport::default()
        };
        let text = table(&StoreReport { spaces: vec![], external: Some(external) });
        assert!(text.contains("not open yet") && text.contains("box; this server waits"), "{text}");
    }
}
