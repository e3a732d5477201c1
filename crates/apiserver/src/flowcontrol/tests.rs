use serde_json::json;

use super::*;
use crate::user::UserInfo;

fn asked<'a>(user: &'a UserInfo) -> Attributes<'a> {
    Attributes {
        user,
        verb: "get",
        group: "",
        resource: "pods",
        subresource: "",
        namespace: "default",
        name: "",
        path: "",
        fields: &[],
    }
}

/// One seat and one place to wait, for the people of `crowd`.
fn narrow(wait_max: Duration) -> Arc<FlowControl> {
    let control = Arc::new(FlowControl { wait_max, ..FlowControl::new(1) });
    let schema = json!({"metadata": {"name": "crowd", "uid": "s"}, "spec": {
        "priorityLevelConfiguration": {"name": "narrow"}, "matchingPrecedence": 7,
        "distinguisherMethod": {"type": "ByUser"},
        "rules": [{"subjects": [{"kind": "Group", "group": {"name": "crowd"}}],
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"],
                "namespaces": ["*"]}]}]}});
    let level = json!({"metadata": {"name": "narrow", "uid": "l"}, "spec": {"type": "Limited",
        "limited": {"nominalConcurrencyShares": 1000, "limitResponse": {"type": "Queue",
            "queuing": {"queues": 1, "handSize": 1, "queueLengthLimit": 1}}}}});
    control.configure(&[schema], &[level]);
    control
}

#[tokio::test]
async fn a_request_waits_for_its_seat_and_the_next_one_is_refused() {
    let control = narrow(WAIT_MAX);
    let amy = UserInfo::new("amy", ["crowd"]);
    let first = control.admit(&asked(&amy), 1).await.ok().unwrap();
    let waiting = tokio::spawn({
        let (control, amy) = (control.clone(), amy.clone());
        async move { control.admit(&asked(&amy), 1).await.map(|seat| seat.class.clone()) }
    });
    while control.seats().levels().all(|level| level.queues.waiting() == 0) {
        tokio::task::yield_now().await;
    }
    let refused = control.admit(&asked(&amy), 1).await.err().unwrap().into_response();
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()[RETRY_AFTER], "1");
    assert_eq!(refused.headers()[SCHEMA_UID], "s");
    assert_eq!(refused.headers()[LEVEL_UID], "l");
    drop(first);
    let class = waiting.await.unwrap().unwrap();
    assert_eq!(class, Class { schema: "s".into(), level: "l".into() });
    assert!(control.admit(&asked(&amy), 1).await.is_ok(), "all seats are free again");
}

#[tokio::test]
async fn who_waits_too_long_is_refused_and_gone_from_the_queue() {
    let control = narrow(Duration::from_millis(20));
    let amy = UserInfo::new("amy", ["crowd"]);
    let _first = control.admit(&asked(&amy), 1).await.ok().unwrap();
    for _ in 0..3 {
        assert!(control.admit(&asked(&amy), 1).await.is_err());
        assert!(control.seats().levels().all(|level| level.queues.waiting() == 0));
    }
    let expected = "apiserver_flowcontrol_rejected_requests_total{flow_schema=\"crowd\",\
                    priority_level=\"narrow\",reason=\"time-out\"} 3\n";
    assert!(control.metrics().contains(expected), "{}", control.metrics());
}

#[tokio::test]
async fn a_request_that_is_given_up_frees_its_place() {
    let control = narrow(WAIT_MAX);
    let amy = UserInfo::new("amy", ["crowd"]);
    let _first = control.admit(&asked(&amy), 1).await.ok().unwrap();
    for _ in 0..10 {
        let asked = asked(&amy);
        let waiting = control.admit(&asked, 1);
        assert!(futures::poll!(std::pin::pin!(waiting)).is_pending(), "the place is free");
    }
}

#[tokio::test]
async fn masters_are_exempt_and_whoever_fits_nothing_is_caught() {
    let control = narrow(WAIT_MAX);
    let amy = UserInfo::new("amy", ["crowd"]);
    let _first = control.admit(&asked(&amy), 1).await.ok().unwrap();
    let admin = UserInfo::new("admin", ["system:masters"]);
    let seats: Vec<_> = futures::future::join_all(
        (0..100).map(|_| async { control.admit(&asked(&admin), 1).await.ok().unwrap() }),
    )
    .await;
    assert_eq!(seats.len(), 100);
    let stranger = UserInfo { groups: Vec::new(), ..UserInfo::anonymous() };
    let schemas = control.schemas.load();
    assert!(!schemas.iter().any(|schema| schema.fits(&asked(&stranger))));
    assert_eq!(&*schemas.last().unwrap().name, "catch-all");
}

/// Measured, so that nobody makes it slow unseen: far below what a request takes.
#[tokio::test]
async fn a_seat_costs_little() {
    const ROUNDS: u32 = 10_000;
    let control = narrow(WAIT_MAX);
    let admin = UserInfo::new("admin", ["system:masters"]);
    let began = Instant::now();
    for _ in 0..ROUNDS {
        drop(control.admit(&asked(&admin), 1).await.ok().unwrap());
    }
    let each = began.elapsed() / ROUNDS;
    assert!(each < Duration::from_micros(100), "{each:?}");
}
