use super::*;

#[test]
fn an_id_is_the_clients_where_it_is_usable() {
    let with = |value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_str(value).unwrap());
        id(&headers).to_str().unwrap().to_owned()
    };
    assert_eq!(with("mine"), "mine");
    assert_eq!(with(&"x".repeat(ID_BYTES_MAX + 1)).len(), 36);
    assert_ne!(id(&HeaderMap::new()), id(&HeaderMap::new()));
}

#[test]
fn nothing_is_noted_where_nothing_is_recorded() {
    annotate("a", "b");
    request_object(&json!({}));
}

#[test]
fn a_queue_that_is_full_loses_events_and_counts_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let file = AuditFile { path: path.clone(), bytes_max: 1 << 30, backups_max: 1, days_max: 0 };
    let sink = Sink::start(AuditTo::File(file)).unwrap();
    let line = vec![b'x'; 1 << 20];
    for _ in 0..200 {
        sink.take(line.clone());
    }
    assert!(sink.flush(Duration::from_secs(20)));
    let written = std::fs::metadata(&path).unwrap().len() >> 20;
    let metrics = sink.metrics();
    let lost = 200 - written;
    assert!(
        metrics.contains(&format!("apiserver_audit_error_total{{plugin=\"log\"}} {lost}\n")),
        "{metrics}"
    );
    assert!(metrics.contains("apiserver_audit_event_total 200\n"), "{metrics}");
}

#[test]
fn a_disk_that_is_full_loses_events_and_stops_nobody() {
    // A device that is always full.
    let file =
        AuditFile { path: "/dev/full".into(), bytes_max: 1 << 30, backups_max: 1, days_max: 0 };
    let sink = Sink::start(AuditTo::File(file)).unwrap();
    sink.take(b"a line\n".to_vec());
    assert!(sink.flush(Duration::from_secs(20)));
    assert!(sink.metrics().contains("apiserver_audit_error_total{plugin=\"log\"} 1\n"));
}
