//! Three members under load, killed and brought back.

use std::time::{Duration, Instant};

use store::{Range, Revision};

use crate::etcd_process::{Member, is_missing, start, urls};
use crate::load::{Load, check_history, collect, load};
use crate::support::{commit_again, open, put, soon, text};

/// What a kill may cost: an election, and the time until the next member is asked.
const OUTAGE_MAX: Duration = Duration::from_secs(8);

async fn kill_and_bring_back(members: &mut [Member], which: usize, load: &Load) {
    members[which].kill();
    let outage = load.goes_on(20).await;
    println!("member {which} killed: 20 more writes took {outage:?}");
    assert!(outage < OUTAGE_MAX, "{outage:?}");
    members[which].run();
    members[which].ready().await;
    load.goes_on(50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_write_is_lost_when_members_are_killed_one_by_one() {
    if is_missing("no_acknowledged_write_is_lost_when_members_are_killed_one_by_one") {
        return;
    }
    let mut members = start(3).await;
    let store = open(urls(&members)).await.store;
    let watching = tokio::spawn(collect(store.watch(Range::all(), Revision::NONE).unwrap()));
    let load = load(&store);
    load.goes_on(50).await;
    for which in [0, 1, 2, 0] {
        kill_and_bring_back(&mut members, which, &load).await;
    }
    let last = load.end().await;
    commit_again(&store, &put("end", "1")).await;
    let content = store.range(&Range::all(), None, 0).unwrap().entries;
    soon(store.close()).await;
    for (writer, last) in last.iter().enumerate() {
        let kv = content.iter().find(|kv| text(&kv.key) == format!("w{writer}")).unwrap();
        let found: u64 = text(&kv.value).parse().unwrap();
        assert!(found >= *last, "writer {writer}: {found} found, {last} acknowledged");
    }
    check_history(&soon(watching).await.unwrap());
    let again = open(urls(&members)).await.store;
    assert_eq!(again.range(&Range::all(), None, 0).unwrap().entries, content, "as etcd has it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_is_not_there_is_passed_over() {
    if is_missing("an_endpoint_that_is_not_there_is_passed_over") {
        return;
    }
    let mut members = start(3).await;
    members[0].kill();
    let begun = Instant::now();
    let store = open(urls(&members)).await.store;
    store.commit(put("a", "1")).await.unwrap();
    assert!(begun.elapsed() < OUTAGE_MAX, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_stops_under_load_is_passed_over() {
    if is_missing("a_member_that_stops_under_load_is_passed_over") {
        return;
    }
    let members = start(3).await;
    let store = open(urls(&members)).await.store;
    let watching = tokio::spawn(collect(store.watch(Range::all(), Revision::NONE).unwrap()));
    let load = load(&store);
    load.goes_on(50).await;
    // The first is the one that is asked and watched, and may be the leader of the three.
    members[0].signal("-STOP");
    let outage = load.goes_on(20).await;
    println!("member 0 stopped: 20 more writes took {outage:?}");
    assert!(outage < OUTAGE_MAX, "{outage:?}");
    load.goes_on(200).await;
    members[0].signal("-CONT");
    load.goes_on(200).await;
    load.end().await;
    soon(store.close()).await;
    check_history(&soon(watching).await.unwrap());
}
