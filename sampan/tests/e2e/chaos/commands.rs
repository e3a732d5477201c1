//! `sampan up`, `load` and `stop` are killed in the middle; run again, they do their work.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::{afloat, can_run, deployment};
use crate::boat::{Boat, SAMPAN, eventually};
use crate::http;
use crate::shop::copy_of_echo;
use crate::traces::{Traces, shims};

/// How often `sampan load` is killed, each time a little later.
const LOADS: u64 = 8;
/// How much later.
const LATER: Duration = Duration::from_millis(6);
/// Enough for a load to take a while.
const LAYER_BYTES: usize = 24 << 20;

/// A command of the binary whose end nobody waits for.
fn spawn(boat: &Boat, args: &[&str]) -> Child {
    let said = fs::File::create(boat.data_dir().join("said")).expect("a file");
    Command::new(SAMPAN)
        .args(args)
        .arg("--data-dir")
        .arg(boat.data_dir())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(said)
        .spawn()
        .expect("run sampan")
}

fn said(boat: &Boat) -> String {
    fs::read_to_string(boat.data_dir().join("said")).unwrap_or_default()
}

/// Kills a command as soon as `moment` has come, or takes its end when it was quicker.
fn kill_when(boat: &Boat, mut command: Child, what: &str, moment: impl Fn() -> bool) {
    eventually(what, || {
        let ended = command.try_wait().expect("its state");
        assert!(ended.is_none_or(|status| status.success()), "{what}: {}", said(boat));
        (ended.is_some() || moment()).then_some(())
    });
    command.kill().expect("kill it");
    command.wait().expect("it ends");
}

fn up(boat: &Boat, dir: &Path) -> Child {
    let flags = boat.server_flags();
    let mut args = vec!["up", dir.to_str().expect("a path in UTF-8")];
    args.extend(flags.iter().map(String::as_str));
    spawn(boat, &args)
}

#[test]
fn up_that_was_killed_does_its_work_when_it_is_run_again() {
    if !can_run("killed_up") {
        return;
    }
    let boat = Boat::new("killed_up");
    let app = copy_of_echo();
    let starting = || boat.data_dir().join("server.lock").exists();
    kill_when(&boat, up(&boat, app.path()), "the server starts", starting);
    kill_when(&boat, up(&boat, app.path()), "it builds", || said(&boat).contains("building"));
    kill_when(&boat, up(&boat, app.path()), "it applies", || {
        boat.kubectl(&["get", "deployment", "echo"]).status.success()
    });
    boat.up_ok(app.path());
    let gateway = SocketAddr::from(([127, 0, 0, 1], boat.gateway_port));
    assert_eq!(http::get(gateway, "any", "/").expect("an answer").code, 200);
    eventually("two pods and no more", || (shims(&boat).len() == 2).then_some(()));
    boat.sampan_ok(&["down", app.path().to_str().expect("a path")]);
    Traces::gone(&boat);
    boat.sampan_ok(&["stop"]);
    Traces::none(&boat);
}

#[test]
fn stop_that_was_killed_is_undone_by_a_start_and_finished_by_another_stop() {
    const PODS: usize = 6;
    let Some(mut boat) = afloat("killed_stop") else { return };
    boat.apply(&deployment("web", PODS, "1"));
    boat.kubectl_ok(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    let some_gone = || shims(&boat).len() < PODS;
    kill_when(&boat, spawn(&boat, &["stop"]), "a pod is stopped", some_gone);
    boat.kill_server();
    boat.start();
    eventually("all pods are back", || {
        let ready = boat.field(&["deployment", "web"], ".status.readyReplicas");
        (ready == PODS.to_string() && shims(&boat).len() == PODS).then_some(())
    });
    let all_gone = || shims(&boat).is_empty();
    kill_when(&boat, spawn(&boat, &["stop"]), "all pods are stopped", all_gone);
    boat.sampan_ok(&["stop"]);
    Traces::none(&boat);
}

#[test]
fn load_that_was_killed_leaves_a_whole_store() {
    let boat = Boat::new("killed_load");
    let dir = tempfile::tempdir().expect("a folder");
    let archive = archive(dir.path());
    let temporary = boat.data_dir().join("images/tmp");
    let busy = || fs::read_dir(&temporary).is_ok_and(|mut entries| entries.next().is_some());
    for round in 0..LOADS {
        let load = spawn(&boat, &["load", &archive]);
        kill_when(&boat, load, "an archive is loading", || {
            let busy = busy();
            std::thread::sleep(LATER * u32::from(busy) * u32::try_from(round).expect("a few"));
            busy
        });
        let images = boat.sampan_ok(&["images"]);
        assert!(!busy(), "what was killed has left nothing: {images}");
    }
    boat.sampan_ok(&["load", &archive]);
    let images = boat.sampan_ok(&["images"]);
    assert!(images.contains("heavy"), "{images}");
}

/// A docker-archive with one large layer.
fn archive(dir: &Path) -> String {
    let tar = |to: &str, what: &[&str]| {
        let status = Command::new("tar").current_dir(dir).args(["-cf", to]).args(what).status();
        assert!(status.expect("run tar").success());
    };
    let bytes: Vec<u8> = (0..LAYER_BYTES).map(|n| ((n * n) >> 7) as u8).collect();
    fs::write(dir.join("file"), bytes).expect("write it");
    tar("layer.tar", &["file"]);
    let layer = fs::read(dir.join("layer.tar")).expect("the layer");
    let config = json!({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/file"]},
        "rootfs": {"type": "layers", "diff_ids":
            [format!("sha256:{}", hex::encode(Sha256::digest(&layer)))]}});
    fs::write(dir.join("config.json"), config.to_string()).expect("write it");
    let manifest = json!([{"Config": "config.json", "RepoTags": ["heavy:1"],
        "Layers": ["layer.tar"]}]);
    fs::write(dir.join("manifest.json"), manifest.to_string()).expect("write it");
    tar("heavy.tar", &["manifest.json", "config.json", "layer.tar"]);
    dir.join("heavy.tar").to_str().expect("a path in UTF-8").to_owned()
}
