//! Debian's etcdctl against the etcd API of the real binary, command by command.

use std::time::Duration;

use crate::boat::texts;
use crate::etcd::{afloat, until};

#[test]
fn keys_are_put_read_and_deleted() {
    let Some((_boat, ctl)) = afloat("ctl-keys") else { return };
    assert_eq!(ctl.ok(&["put", "a", "1"]), "OK\n");
    assert_eq!(ctl.ok(&["put", "--prev-kv", "a", "2"]), "OK\na\n1\n");
    ctl.ok(&["put", "b", "3"]);
    assert_eq!(ctl.ok(&["get", "a"]), "a\n2\n");
    assert_eq!(ctl.ok(&["get", "--prefix", "--keys-only", ""]), "a\n\nb\n\n");
    assert_eq!(
        ctl.ok(&["get", "a", "z", "--limit=1", "--order=DESCEND", "--sort-by=KEY"]),
        "b\n3\n"
    );
    assert_eq!(ctl.ok(&["get", "--from-key", "b"]), "b\n3\n");
    assert_eq!(ctl.ok(&["get", "--consistency=s", "a"]), "a\n2\n");
    let reply = ctl.json(&["get", "a"]);
    assert_eq!((&reply["kvs"][0]["version"], &reply["count"]), (&2.into(), &1.into()));
    let past = reply["kvs"][0]["create_revision"].to_string();
    assert_eq!(ctl.ok(&["get", "--rev", &past, "a"]), "a\n1\n");
    assert_eq!(ctl.ok(&["put", "--ignore-value", "a"]), "OK\n");
    assert_eq!(ctl.ok(&["del", "--prev-kv", "a"]), "1\na\n2\n");
    assert_eq!(ctl.ok(&["del", "--prefix", ""]), "1\n");
    assert_eq!(ctl.ok(&["del", "nothing"]), "0\n");
    let refused = ctl.fails(&["put", "--ignore-value", "a"]);
    assert!(refused.contains("etcdserver: key not found"), "{refused}");
}

#[test]
fn a_transaction_does_one_thing_or_the_other() {
    let Some((_boat, ctl)) = afloat("ctl-txn") else { return };
    ctl.ok(&["put", "user", "bad"]);
    let requests = "value(\"user\") = \"bad\"\n\nput user good\nget user\n\ndel user\n\n";
    let said = ctl.ok_with(&["txn", "-i"], requests);
    assert!(said.contains("SUCCESS\n\nOK\n\nuser\ngood"), "{said}");
    let said = ctl.ok_with(&["txn", "-i"], requests);
    assert!(said.contains("FAILURE\n\n1"), "{said}");
    let twice = ctl.run(&["txn"], "\nput a 1\nput a 2\n\n\n");
    assert!(texts(&twice).1.contains("duplicate key given in txn request"));
}

#[test]
fn watches_tell_what_was_and_what_comes() {
    let Some((_boat, ctl)) = afloat("ctl-watch") else { return };
    ctl.ok(&["put", "w/1", "a"]);
    let revision = ctl.json(&["get", "w/1"])["kvs"][0]["mod_revision"].to_string();
    let watch = ctl.start(&["watch", "--prefix", "--prev-kv", "--rev", &revision, "w/"]);
    assert_eq!([watch.line(), watch.line(), watch.line()], ["PUT", "w/1", "a"]);
    ctl.ok(&["put", "other", "x"]);
    ctl.ok(&["del", "w/1"]);
    let lines: Vec<_> = (0..5).map(|_| watch.line()).collect();
    assert_eq!(lines, ["DELETE", "w/1", "a", "w/1", ""]);
    // Interactive: several watches on one stream.
    let mut several = ctl.start(&["watch", "-i"]);
    several.say("watch one\nwatch two\nprogress\n");
    for _ in ["one", "two"] {
        assert!(several.line().starts_with("progress notify: "));
    }
    ctl.ok(&["put", "two", "2"]);
    assert_eq!([several.line(), several.line(), several.line()], ["PUT", "two", "2"]);
}

#[test]
fn history_is_compacted() {
    let Some((_boat, ctl)) = afloat("ctl-compaction") else { return };
    for value in ["1", "2", "3"] {
        ctl.ok(&["put", "k", value]);
    }
    let head = ctl.json(&["get", "k"])["kvs"][0]["mod_revision"].as_i64().expect("a revision");
    let before = (head - 1).to_string();
    assert_eq!(ctl.ok(&["compaction", &before]), format!("compacted revision {before}\n"));
    assert_eq!(ctl.ok(&["get", "--rev", &before, "k"]), "k\n2\n");
    let gone = (head - 2).to_string();
    let text = "etcdserver: mvcc: required revision has been compacted";
    for args in [["get", "--rev", &gone, "k"], ["compaction", &gone, "--physical", "--debug=false"]]
    {
        let refused = ctl.fails(&args);
        assert!(refused.contains(text), "{refused}");
    }
    let future = (head + 10).to_string();
    let refused = ctl.fails(&["get", "--rev", &future, "k"]);
    assert!(
        refused.contains("etcdserver: mvcc: required revision is a future revision"),
        "{refused}"
    );
}

#[test]
fn leases_are_granted_kept_told_and_revoked() {
    let Some((_boat, ctl)) = afloat("ctl-lease") else { return };
    let lease = ctl.grant(30);
    ctl.ok(&["put", "--lease", &lease, "l/1", "x"]);
    ctl.ok(&["put", "--lease", &lease, "l/2", "x"]);
    let told = ctl.ok(&["lease", "timetolive", "--keys", &lease]);
    assert!(told.contains("granted with TTL(30s)") && told.contains("[l/1 l/2]"), "{told}");
    assert!(ctl.ok(&["lease", "list"]).contains(&lease));
    let kept = ctl.ok(&["lease", "keep-alive", "--once", &lease]);
    assert!(kept.contains("keepalived with TTL(30)"), "{kept}");
    assert_eq!(ctl.ok(&["lease", "revoke", &lease]), format!("lease {lease} revoked\n"));
    assert_eq!(ctl.ok(&["get", "--prefix", "l/"]), "");
    let refused = ctl.fails(&["lease", "revoke", &lease]);
    assert!(refused.contains("etcdserver: requested lease not found"), "{refused}");
    let refused = ctl.fails(&["put", "--lease", &lease, "l/1", "x"]);
    assert!(refused.contains("etcdserver: requested lease not found"), "{refused}");
    assert!(ctl.ok(&["lease", "timetolive", &lease]).contains("already expired"));
}

#[test]
fn a_lock_has_one_holder_and_an_election_one_leader() {
    let Some((_boat, ctl)) = afloat("ctl-lock") else { return };
    let first = ctl.start(&["lock", "mutex"]);
    let key = first.line();
    assert!(key.starts_with("mutex/"), "{key}");
    let second = ctl.start(&["lock", "mutex"]);
    second.silent_for(Duration::from_millis(500));
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(first.pid()), nix::sys::signal::SIGTERM)
        .expect("end it");
    assert!(second.line().starts_with("mutex/"));
    assert_eq!(ctl.ok(&["lock", "other", "echo", "held"]).lines().last(), Some("held"));
    // Elections.
    let leader = ctl.start(&["elect", "post", "one"]);
    assert!(leader.line().starts_with("post/"));
    assert_eq!(leader.line(), "one");
    let observer = ctl.start(&["elect", "--listen", "post"]);
    assert!(observer.line().starts_with("post/"));
    assert_eq!(observer.line(), "one");
    let next = ctl.start(&["elect", "post", "two"]);
    next.silent_for(Duration::from_millis(300));
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(leader.pid()), nix::sys::signal::SIGTERM)
        .expect("end it");
    assert!(next.line().starts_with("post/"));
    assert_eq!((next.line(), observer.line().starts_with("post/")), ("two".into(), true));
    assert_eq!(observer.line(), "two");
}

#[test]
fn the_member_is_healthy_and_tells_its_state() {
    let Some((boat, ctl)) = afloat("ctl-member") else { return };
    ctl.ok(&["put", "a", "1"]);
    assert!(ctl.ok(&["endpoint", "health"]).contains("is healthy"));
    let status = ctl.json(&["endpoint", "status"]);
    let status = &status[0]["Status"];
    assert!(status["version"].as_str().is_some_and(|v| v.starts_with("3.")), "{status}");
    assert!(status["dbSize"].as_u64() > Some(0), "{status}");
    assert_eq!(status["leader"], status["header"]["member_id"], "{status}");
    let row = ctl.ok(&["endpoint", "status"]);
    assert!(row.contains(", true, false,"), "it leads: {row}");
    let members = ctl.json(&["member", "list"]);
    assert_eq!(members["members"].as_array().map(Vec::len), Some(1));
    assert_eq!(members["members"][0]["clientURLs"][0], boat.etcd_url());
    assert!(ctl.ok(&["defrag"]).contains("Finished defragmenting"));
    assert_eq!(ctl.ok(&["alarm", "list"]), "");
    assert_eq!(ctl.ok(&["alarm", "disarm"]), "");
    assert!(ctl.ok(&["endpoint", "hashkv"]).contains(&boat.etcd_address()));
    let refused = ctl.fails(&["member", "add", "two", "--peer-urls=http://127.0.0.1:1"]);
    assert!(refused.contains("Error: "), "{refused}");
}

#[test]
fn a_snapshot_is_one_that_etcd_itself_restores() {
    let Some((_boat, ctl)) = afloat("ctl-snapshot") else { return };
    for number in 0..100 {
        ctl.ok(&["put", &format!("k{number}"), &format!("v{number}")]);
    }
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("snapshot.db");
    let file = file.to_str().expect("a path");
    ctl.ok(&["snapshot", "save", file]);
    let status = ctl.json(&["snapshot", "status", file]);
    // It counts what etcd needs beside the keys too.
    assert!(status["totalKey"].as_u64() >= Some(100), "{status}");
    let restored = dir.path().join("member");
    ctl.ok(&["snapshot", "restore", file, "--data-dir", restored.to_str().expect("a path")]);
    assert!(restored.join("member/snap/db").exists());
}

#[test]
fn users_see_what_their_roles_let_them() {
    let Some((_boat, ctl)) = afloat("ctl-auth") else { return };
    ctl.ok(&["user", "add", "root:secret"]);
    ctl.ok(&["user", "grant-role", "root", "root"]);
    ctl.ok(&["user", "add", "reader:pass"]);
    ctl.ok(&["role", "add", "reading"]);
    ctl.ok(&["role", "grant-permission", "reading", "--prefix=true", "read", "app/"]);
    ctl.ok(&["user", "grant-role", "reader", "reading"]);
    assert!(ctl.ok(&["role", "get", "reading"]).contains("[app/, app0)"));
    assert_eq!(ctl.ok(&["user", "list"]), "reader\nroot\n");
    assert_eq!(ctl.ok(&["role", "list"]), "reading\n");
    ctl.ok(&["put", "app/a", "1"]);
    assert_eq!(ctl.ok(&["auth", "enable"]), "Authentication Enabled\n");
    let refused = ctl.fails(&["get", "app/a"]);
    assert!(refused.contains("etcdserver: user name is empty"), "{refused}");
    let reader = ctl.with("--user=reader:pass");
    assert_eq!(reader.ok(&["get", "app/a"]), "app/a\n1\n");
    for denied in [&["put", "app/a", "2"][..], &["get", "b"], &["user", "list"]] {
        let refused = reader.fails(denied);
        assert!(refused.contains("etcdserver: permission denied"), "{refused}");
    }
    let wrong = ctl.with("--user=reader:no").fails(&["get", "app/a"]);
    assert!(wrong.contains("authentication failed, invalid user ID or password"), "{wrong}");
    let root = ctl.with("--user=root:secret");
    root.ok_with(&["user", "passwd", "reader", "--interactive=false"], "new\n");
    reader.fails(&["get", "app/a"]);
    root.ok(&["user", "revoke-role", "reader", "reading"]);
    root.ok(&["role", "revoke-permission", "reading", "--prefix=true", "app/"]);
    root.ok(&["role", "delete", "reading"]);
    root.ok(&["user", "delete", "reader"]);
    assert_eq!(root.ok(&["auth", "disable"]), "Authentication Disabled\n");
    assert_eq!(ctl.ok(&["get", "app/a"]), "app/a\n1\n");
}

#[test]
fn users_are_still_there_after_a_restart() {
    let Some((mut boat, ctl)) = afloat("ctl-auth-kept") else { return };
    ctl.ok(&["user", "add", "root:secret"]);
    ctl.ok(&["user", "grant-role", "root", "root"]);
    ctl.ok(&["auth", "enable"]);
    boat.kill_server();
    boat.start();
    let ctl = crate::etcd::Etcdctl::of(&boat);
    assert!(ctl.fails(&["get", "a"]).contains("user name is empty"));
    ctl.with("--user=root:secret").ok(&["get", "a"]);
}

/// It writes for a minute at a set rate, and judges.
#[test]
fn its_own_performance_check_passes() {
    let Some((_boat, ctl)) = afloat("ctl-perf") else { return };
    let took = until("the check ends", || {
        let said = ctl.run(&["check", "perf", "--load=s", "--auto-compact", "--auto-defrag"], "");
        let (out, err) = texts(&said);
        let said = out.split('\r').next_back().unwrap_or_default().to_owned() + &err;
        assert!(said.contains("PASS: Slowest request took"), "{said}");
        assert!(said.contains("PASS: Stddev is"), "{said}");
        Some(())
    });
    assert!(took > Duration::from_secs(50), "{took:?}");
}
