//! `sampan backup` and `sampan restore`: there and back, and every way in which a file can be wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::boat::{Boat, SAMPAN, eventually, has, is_root, kubectl, skip, texts};
use crate::etcd::Etcdctl;

fn can_run(name: &str) -> bool {
    let can = is_root() && has("kubectl") && has("etcdctl");
    if !can {
        skip(name, "it needs root, kubectl and etcdctl");
    }
    can
}

/// A boat that has something to lose, and a folder for files.
fn laden(name: &str) -> Option<(Boat, tempfile::TempDir)> {
    if !can_run(name) {
        return None;
    }
    let boat = Boat::afloat(name);
    boat.kubectl_ok(&["create", "configmap", "treasure", "--from-literal=gold=12"]);
    Etcdctl::of(&boat).ok(&["put", "map", "island"]);
    Some((boat, tempfile::tempdir().expect("a folder")))
}

/// Backs a boat up. Returns the file.
fn backup(boat: &Boat, dir: &Path, name: &str) -> PathBuf {
    let file = dir.join(name);
    boat.sampan_ok(&["backup", file.to_str().expect("a path")]);
    file
}

fn restore_ok(boat: &Boat, file: &Path, more: &[&str]) -> String {
    let mut args = vec!["restore", file.to_str().expect("a path")];
    args.extend(more);
    boat.sampan_ok(&args)
}

fn restore_fails(boat: &Boat, file: &Path, parts: &[&str]) {
    let message = boat.sampan_fails(&["restore", file.to_str().expect("a path")]);
    for part in parts {
        assert!(message.contains(part), "no {part:?} in:\n{message}");
    }
}

/// Everything that was aboard is there.
fn check_laden(boat: &Boat) {
    assert_eq!(boat.field(&["configmap", "treasure"], ".data.gold"), "12");
    assert_eq!(Etcdctl::of(boat).value("map").as_deref(), Some("island"));
}

fn revision(boat: &Boat, object: &[&str]) -> u64 {
    boat.field(object, ".metadata.resourceVersion").parse().expect("a revision")
}

#[test]
fn a_backup_of_a_running_server_makes_another_instance_the_same() {
    let Some((mut old, files)) = laden("backup-new") else { return };
    let file = backup(&old, files.path(), "backup");
    // What comes later is not in it.
    old.kubectl_ok(&["create", "configmap", "later", "--from-literal=a=1"]);
    let before = revision(&old, &["configmap", "later"]);
    let kubeconfig = fs::read_to_string(old.data_dir().join("kubeconfig")).expect("a kubeconfig");
    old.sampan_ok(&["stop"]);
    old.wait_ended();
    let mut new = Boat::new("backup-new2");
    let said = restore_ok(&new, &file, &[]);
    assert!(said.contains("Kubernetes objects at revision") && said.contains("Images"), "{said}");
    new.start();
    check_laden(&new);
    assert!(!new.kubectl(&["get", "configmap", "later"]).status.success());
    new.kubectl_ok(&["create", "configmap", "newer", "--from-literal=a=1"]);
    assert!(revision(&new, &["configmap", "newer"]) > before, "revisions never go back");
    // The identity is the old one: a kubeconfig from before works, but for the port.
    let old_server = format!("127.0.0.1:{}", old.api_port);
    let new_server = format!("127.0.0.1:{}", new.api_port);
    let text = kubeconfig.replace(&old_server, &new_server);
    assert_ne!(text, kubeconfig);
    fs::write(files.path().join("kubeconfig"), text).expect("write it");
    let asked = kubectl(files.path(), &["get", "configmap", "treasure"], "");
    assert!(asked.status.success(), "{}", texts(&asked).1);
}

#[test]
fn a_watch_from_before_a_restore_is_told_to_list_anew() {
    let Some((mut boat, files)) = laden("backup-watch") else { return };
    let file = backup(&boat, files.path(), "backup");
    for number in 0..3 {
        let name = format!("lost{number}");
        boat.kubectl_ok(&["create", "configmap", &name, "--from-literal=a=1"]);
    }
    let seen = revision(&boat, &["configmap", "lost2"]);
    let etcd_seen =
        Etcdctl::of(&boat).json(&["put", "lost", "1"])["header"]["revision"].to_string();
    boat.sampan_ok(&["stop"]);
    boat.wait_ended();
    let said = restore_ok(&boat, &file, &["--force"]);
    assert!(said.contains("before-restore-"), "{said}");
    boat.start();
    check_laden(&boat);
    let path = format!("/api/v1/configmaps?watch=1&timeoutSeconds=2&resourceVersion={seen}");
    let told = boat.kubectl(&["get", "--raw", &path]);
    let (out, err) = texts(&told);
    assert!(out.contains("\"code\":410") || err.contains("too old"), "{out}{err}");
    let watch = Etcdctl::of(&boat).run(&["watch", "--rev", &etcd_seen, "lost"], "");
    assert!(texts(&watch).1.contains("required revision has been compacted"), "{watch:?}");
}

#[test]
fn what_was_there_is_kept_beside_and_only_replaced_when_asked() {
    let Some((mut boat, files)) = laden("backup-force") else { return };
    let file = backup(&boat, files.path(), "backup");
    restore_fails(&boat, &file, &["a server (pid ", "sampan stop"]);
    boat.kubectl_ok(&["delete", "configmap", "treasure"]);
    boat.sampan_ok(&["stop"]);
    boat.wait_ended();
    restore_fails(&boat, &file, &["has state already", "--force"]);
    restore_ok(&boat, &file, &["--force"]);
    let kept = fs::read_dir(boat.data_dir()).expect("the data directory").flatten();
    let kept: Vec<_> = kept
        .map(|entry| entry.path())
        .filter(|path| path.display().to_string().contains("before-restore-"))
        .collect();
    assert_eq!(kept.len(), 1);
    for name in ["store", "etcd", "pki"] {
        assert!(kept[0].join(name).is_dir(), "{name}");
    }
    boat.start();
    check_laden(&boat);
}

#[test]
fn running_pods_are_not_left_behind() {
    let Some((mut boat, files)) = laden("backup-pods") else { return };
    boat.load_echo();
    boat.apply(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: echo}\n\
         spec: {containers: [{name: echo, image: \"echo:1\"}]}\n",
    );
    boat.kubectl_ok(&["wait", "pod", "echo", "--for=condition=Ready", "--timeout=60s"]);
    let file = backup(&boat, files.path(), "backup");
    boat.kill_server();
    restore_fails(&boat, &file, &["1 pods of", "still run", "sampan stop"]);
    boat.sampan_ok(&["stop"]);
    restore_ok(&boat, &file, &["--force"]);
    // The pod is in the backup, and its image is still here.
    boat.start();
    boat.kubectl_ok(&["wait", "pod", "echo", "--for=condition=Ready", "--timeout=60s"]);
}

#[test]
fn a_stopped_server_is_backed_up_the_same() {
    let Some((mut boat, files)) = laden("backup-stopped") else { return };
    boat.kill_server();
    let file = backup(&boat, files.path(), "backup");
    let mut new = Boat::new("backup-stopped2");
    restore_ok(&new, &file, &[]);
    new.start();
    check_laden(&new);
    boat.start();
    check_laden(&boat);
}

#[test]
fn a_backup_goes_through_a_pipe() {
    let Some((boat, _files)) = laden("backup-pipe") else { return };
    let mut new = Boat::new("backup-pipe2");
    let mut from = Command::new(SAMPAN)
        .args(["backup", "-", "--data-dir"])
        .arg(boat.data_dir())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("run it");
    let pipe = from.stdout.take().expect("its output");
    let to = Command::new(SAMPAN)
        .args(["restore", "-", "--data-dir"])
        .arg(new.data_dir())
        .stdin(pipe)
        .output()
        .expect("run it");
    assert!(from.wait().expect("it ends").success() && to.status.success(), "{}", texts(&to).1);
    new.start();
    check_laden(&new);
}

#[test]
fn a_backup_is_consistent_while_everything_changes() {
    let Some((boat, files)) = laden("backup-load") else { return };
    let ctl = Etcdctl::of(&boat);
    // Both halves are written in one transaction, so a backup has both or none of each.
    let stop = std::sync::atomic::AtomicBool::new(false);
    let taken = std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0.. {
                if stop.load(std::sync::atomic::Ordering::SeqCst) {
                    return;
                }
                let ops = format!("\nput left {number}\nput right {number}\n\n\n");
                ctl.ok_with(&["txn"], &ops);
            }
        });
        eventually("it writes", || ctl.value("right"));
        let taken: Vec<_> =
            (0..5).map(|number| backup(&boat, files.path(), &number.to_string())).collect();
        stop.store(true, std::sync::atomic::Ordering::SeqCst);
        taken
    });
    let mut new = Boat::new("backup-load2");
    restore_ok(&new, &taken[4], &[]);
    new.start();
    let ctl = Etcdctl::of(&new);
    assert_eq!(ctl.value("left"), ctl.value("right"));
    assert!(ctl.value("left").is_some());
}

#[test]
fn a_file_that_is_there_is_not_replaced_unasked() {
    let Some((boat, files)) = laden("backup-there") else { return };
    let file = files.path().join("backup");
    fs::write(&file, "precious").expect("write it");
    let name = file.to_str().expect("a path");
    let message = boat.sampan_fails(&["backup", name]);
    assert!(message.contains("is there already") && message.contains("--force"), "{message}");
    assert_eq!(fs::read_to_string(&file).expect("the file"), "precious");
    boat.sampan_ok(&["backup", name, "--force"]);
    assert_ne!(fs::read(&file).expect("the file"), b"precious");
    let nowhere = boat.sampan_fails(&["backup", "/no/such/folder/backup"]);
    assert!(nowhere.contains("create /no/such/folder/backup.tmp"), "{nowhere}");
    let left = fs::read_dir(files.path()).expect("the folder").count();
    assert_eq!(left, 1, "nothing unfinished is left");
}

#[test]
fn damaged_cut_foreign_and_newer_files_are_told() {
    let Some((boat, files)) = laden("backup-bad") else { return };
    let whole = fs::read(backup(&boat, files.path(), "whole")).expect("the backup");
    let new = Boat::new("backup-bad2");
    let bad = |name: &str, bytes: &[u8]| {
        let file = files.path().join(name);
        fs::write(&file, bytes).expect("write it");
        file
    };
    let unchanged = "nothing has been changed";
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 4;
    let damaged = ["damaged", unchanged, "is damaged at byte"];
    restore_fails(&new, &bad("damaged", &flipped), &damaged);
    let cut = &whole[..whole.len() - 10];
    restore_fails(&new, &bad("cut", cut), &["cut", unchanged, "is cut off at byte"]);
    restore_fails(&new, &bad("foreign", b"PK\x03\x04 not ours"), &["foreign", "this is no backup"]);
    let mut newer = whole.clone();
    newer[8] = 9;
    restore_fails(&new, &bad("newer", &newer), &["newer", "format version 9", "version 1"]);
    restore_fails(&new, Path::new("/no/such/file"), &["open the backup /no/such/file"]);
    let left: Vec<_> = fs::read_dir(new.data_dir())
        .expect("the data directory")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .filter(|name| name != "server.lock")
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn there_is_nothing_to_back_up_in_an_empty_instance() {
    if !can_run("backup-empty") {
        return;
    }
    let boat = Boat::new("backup-empty");
    let file = boat.data_dir().join("backup");
    let message = boat.sampan_fails(&["backup", file.to_str().expect("a path")]);
    assert!(message.contains("nothing to back up"), "{message}");
    assert!(!file.exists());
}
