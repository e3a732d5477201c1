//! kubectl exec, attach, cp and run, over WebSockets and over SPDY; and the oldest WebSocket
//! protocols, which the conformance suite and other clients speak.

use std::fs;
use std::io::{Read, Write};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::boat::{Boat, texts};
use crate::forward::Running;
use crate::toolbox::afloat;
use crate::websocket::WebSocket;

/// Both transports of kubectl.
const TRANSPORTS: [&str; 2] = ["true", "false"];
const PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {terminationGracePeriodSeconds: 0, containers: [{name: web, image: 'box:1'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: talker}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: talker
    image: box:1
    command: [sh, -c, 'echo container is alive; while true; do echo tick; sleep 1; done']
";

fn with_pods(name: &str) -> Option<Boat> {
    let boat = afloat(name)?;
    boat.apply(PODS);
    boat.kubectl_ok(&["wait", "pod/web", "pod/talker", "--for=condition=Ready", "--timeout=60s"]);
    Some(boat)
}

fn start(boat: &Boat, websockets: &str, args: &[&str]) -> Child {
    Command::new("kubectl")
        .arg("--kubeconfig")
        .arg(boat.data_dir().join("kubeconfig"))
        .args(args)
        .env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", websockets)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("run kubectl")
}

/// Runs kubectl with this input.
fn run(boat: &Boat, websockets: &str, args: &[&str], input: Vec<u8>) -> Output {
    let mut child = start(boat, websockets, args);
    let mut stdin = child.stdin.take().expect("its input");
    // What is not read when it ends is lost.
    let writer = std::thread::spawn(move || stdin.write_all(&input).ok());
    let output = child.wait_with_output().expect("kubectl ends");
    writer.join().expect("the writer ends");
    output
}

/// Bytes that are all sorts of things.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

#[test]
fn exit_codes_and_both_outputs_come_through() {
    let Some(boat) = with_pods("exec_codes") else { return };
    for websockets in TRANSPORTS {
        let script = "echo out; echo err >&2; exit 7";
        let output = run(&boat, websockets, &["exec", "web", "--", "sh", "-c", script], Vec::new());
        assert_eq!(output.status.code(), Some(7), "websockets: {websockets}");
        let (out, err) = texts(&output);
        assert_eq!((out.as_str(), err.contains("err\n")), ("out\n", true), "{err}");
        let missing = run(&boat, websockets, &["exec", "web", "--", "/none"], Vec::new());
        assert!(texts(&missing).1.contains("no such file or directory"), "{missing:?}");
        // Input that has ended ends the program that reads it.
        let cat = run(&boat, websockets, &["exec", "-i", "web", "--", "cat"], b"a\nb\n".to_vec());
        assert_eq!((cat.status.success(), texts(&cat).0.as_str()), (true, "a\nb\n"));
    }
}

#[test]
fn much_data_flows_both_ways_at_once() {
    let Some(boat) = with_pods("exec_much") else { return };
    let data = noise(24 << 20);
    for websockets in TRANSPORTS {
        let echoed = run(&boat, websockets, &["exec", "-i", "web", "--", "cat"], data.clone());
        assert!(echoed.status.success(), "{}", texts(&echoed).1);
        assert!(echoed.stdout == data, "websockets: {websockets}: {} bytes", echoed.stdout.len());
    }
}

#[test]
fn a_slow_reader_gets_everything() {
    let Some(boat) = with_pods("exec_slow") else { return };
    for websockets in TRANSPORTS {
        // The program ends long before its output is read.
        let script = "dd if=/dev/zero bs=1M count=12 2>/dev/null; echo end";
        let mut child = start(&boat, websockets, &["exec", "web", "--", "sh", "-c", script]);
        drop(child.stdin.take());
        let mut stdout = child.stdout.take().expect("its output");
        let (mut all, mut piece) = (0, vec![0; 1 << 20]);
        let mut last = Vec::new();
        for turn in 0.. {
            let read = stdout.read(&mut piece).expect("output");
            if read == 0 {
                break;
            }
            all += read;
            last = piece[..read].to_vec();
            if turn < 3 {
                std::thread::sleep(Duration::from_millis(1500));
            }
        }
        assert_eq!(all, (12 << 20) + 4, "websockets: {websockets}");
        assert!(last.ends_with(b"end\n"));
        assert!(child.wait().expect("it ends").success());
    }
}

#[test]
fn files_are_copied_in_and_out() {
    let Some(boat) = with_pods("cp") else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let data = noise(50 << 20);
    let file = dir.path().join("data");
    fs::write(&file, &data).expect("a file");
    let sum = hex::encode(Sha256::digest(&data));
    for websockets in TRANSPORTS {
        let to = format!("web:/tmp/data-{websockets}");
        let copied =
            run(&boat, websockets, &["cp", file.to_str().expect("a path"), &to], Vec::new());
        assert!(copied.status.success(), "{}", texts(&copied).1);
        let inside = format!("/tmp/data-{websockets}");
        let found = boat.kubectl_ok(&["exec", "web", "--", "sha256sum", &inside]);
        assert!(found.starts_with(&sum), "{found}");
        let back = dir.path().join(format!("back-{websockets}"));
        let from = ["cp", &to, back.to_str().expect("a path")];
        let copied = run(&boat, websockets, &from, Vec::new());
        assert!(copied.status.success(), "{}", texts(&copied).1);
        assert!(fs::read(&back).expect("the copy") == data, "websockets: {websockets}");
    }
}

#[test]
fn attached_clients_see_and_speak() {
    let Some(boat) = with_pods("attach") else { return };
    for websockets in TRANSPORTS {
        let mut child = start(&boat, websockets, &["attach", "talker"]);
        let mut stdout = child.stdout.take().expect("its output");
        let mut seen = [0; 5];
        stdout.read_exact(&mut seen).expect("a line");
        assert_eq!(&seen, b"tick\n");
        child.kill().expect("it goes");
        child.wait().expect("it ends");
        // Input that ends ends the pod: stdinOnce, and then it is removed.
        let name = format!("once-{websockets}");
        let args = [
            "run",
            &name,
            "-i",
            "--rm",
            "-q",
            "--image=box:1",
            "--restart=Never",
            "--",
            "sh",
            "-c",
            "read line; echo got:$line; cat >/dev/null",
        ];
        let ran = run(&boat, websockets, &args, b"word\nmore\n".to_vec());
        let (out, err) = texts(&ran);
        assert!(ran.status.success() && out.contains("got:word"), "{out}{err}");
        assert!(boat.pod(&name).is_null());
    }
}

#[test]
fn a_terminal_has_the_size_of_the_clients() {
    let Some(boat) = with_pods("exec_tty") else { return };
    if !crate::boat::has("script") {
        return crate::boat::skip("exec_tty", "it needs script");
    }
    for websockets in TRANSPORTS {
        let config = boat.data_dir().join("kubeconfig");
        let inner = format!(
            "stty rows 31 cols 97; KUBECTL_REMOTE_COMMAND_WEBSOCKETS={websockets} kubectl --kubeconfig {} \
             exec -it web -- sh -c 'for n in 1 2 3 4 5 6 7 8 9; do stty size; sleep 0.2; done; exit 3'",
            config.display()
        );
        let output = Command::new("script")
            .args(["-qec", &inner, "/dev/null"])
            .stdin(Stdio::null())
            .output()
            .expect("run script");
        let (out, err) = texts(&output);
        assert!(out.contains("31 97"), "websockets: {websockets}: {out}{err}");
    }
}

#[test]
fn the_oldest_websocket_protocols_are_spoken() {
    let Some(boat) = with_pods("old_websockets") else { return };
    let proxy = Running::start(&boat, &["proxy", "--port=0", "--reject-paths=^$"], &[]);
    let exec =
        "/api/v1/namespaces/default/pods/web/exec?stdout=1&stderr=1&command=echo&command=hello";
    for (protocol, out, end) in [
        ("channel.k8s.io", &b"\x01hello\n"[..], None),
        ("base64.channel.k8s.io", b"1aGVsbG8K", None),
        (
            "v4.channel.k8s.io",
            b"\x01hello\n",
            Some(&b"\x03{\"metadata\":{},\"status\":\"Success\"}"[..]),
        ),
    ] {
        let mut socket = WebSocket::open(proxy.at, exec, protocol).expect("a WebSocket");
        assert_eq!(socket.protocol, protocol);
        let mut messages = Vec::new();
        while let Some(message) = socket.receive() {
            messages.push(message);
        }
        messages.retain(|message| message.len() > 1);
        assert_eq!(messages.first().map(Vec::as_slice), Some(out), "{protocol}");
        assert_eq!(messages.get(1).map(Vec::as_slice), end, "{protocol}");
    }
    let log = "/api/v1/namespaces/default/pods/talker/log?container=talker&limitBytes=19";
    let mut socket = WebSocket::open(proxy.at, log, "binary.k8s.io").expect("a WebSocket");
    let mut text = Vec::new();
    while let Some(message) = socket.receive() {
        text.extend(message);
    }
    assert_eq!(text, b"container is alive\n");
}

#[test]
fn ports_are_forwarded_over_channels() {
    let Some(boat) = with_pods("old_forward") else { return };
    boat.kubectl_ok(&["exec", "web", "--", "sh", "-c", "nc -l -p 4444 -e cat >/dev/null 2>&1 &"]);
    let proxy = Running::start(&boat, &["proxy", "--port=0", "--reject-paths=^$"], &[]);
    let path = "/api/v1/namespaces/default/pods/web/portforward?ports=4444&ports=1";
    let mut socket = WebSocket::open(proxy.at, path, "v4.channel.k8s.io").expect("a WebSocket");
    let (mut heads, mut complaint) = (Vec::new(), Vec::new());
    while heads.len() < 4 || complaint.is_empty() {
        let message = socket.receive().expect("a message");
        match message.len() {
            3 => heads.push(message),
            _ => complaint = message,
        }
    }
    heads.sort();
    assert_eq!(heads, [[0, 0x5c, 0x11], [1, 0x5c, 0x11], [2, 1, 0], [3, 1, 0]]);
    assert_eq!(complaint[0], 3);
    assert!(String::from_utf8_lossy(&complaint).contains("error forwarding port 1 to pod"));
    socket.send(b"\x00ping");
    assert_eq!(socket.receive().as_deref(), Some(&b"\x00ping"[..]));
}
