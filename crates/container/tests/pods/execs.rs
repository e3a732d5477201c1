//! Further processes, attached clients, terminals.

use std::time::Duration;

use sampan_container::{AttachSpec, Error, Exec, ExecSpec, Size, StdioReader, StdioWriter, User};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{World, soon};
use crate::{Test, tests};

pub const TESTS: &[Test] = tests![
    an_exec_has_its_own_stdio_and_exit,
    an_exec_reads_its_input_to_the_end,
    an_exec_can_be_another_user_elsewhere,
    an_exec_that_cannot_run_says_why,
    an_exec_has_a_terminal_with_a_size,
    many_execs_leave_nothing_in_the_run_directory,
    an_exec_ends_with_its_container,
    attached_clients_see_output_and_give_input,
    stdin_once_ends_with_the_first_client,
    a_container_can_have_a_terminal,
    a_client_that_does_not_read_is_cut_off,
];

fn exec(args: &[&str]) -> ExecSpec {
    let mut all = vec!["helper".to_owned()];
    all.extend(args.iter().map(|arg| (*arg).to_owned()));
    ExecSpec { container: "c".into(), args: all, stdout: true, stderr: true, ..ExecSpec::default() }
}

async fn read_all(reader: &mut Option<StdioReader>) -> String {
    let mut text = String::new();
    let reader = reader.as_mut().expect("it was wanted");
    soon("the output ends", reader.read_to_string(&mut text)).await.unwrap();
    text
}

/// Reads until this text has come.
async fn read_until(reader: &mut Option<StdioReader>, wanted: &str) -> String {
    let reader = reader.as_mut().expect("it was wanted");
    let mut text = String::new();
    soon(&format!("{wanted:?} comes"), async {
        let mut bytes = [0; 256];
        while !text.contains(wanted) {
            let length = reader.read(&mut bytes).await.unwrap();
            assert!(length > 0, "the output ended after {text:?}");
            text.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
    })
    .await;
    text
}

async fn write(writer: &mut Option<StdioWriter>, text: &str) {
    let writer = writer.as_mut().expect("it was wanted");
    soon("the input is taken", writer.write_all(text.as_bytes())).await.unwrap();
}

async fn code(exec: &mut Exec) -> i32 {
    soon("it ends", exec.wait()).await.unwrap().code
}

async fn an_exec_has_its_own_stdio_and_exit(world: &World) {
    let pod = world.pod("a").await;
    world.start(&pod, world.container("c", &["sleep", "1000"]), "asleep").await;
    let mut both = pod.exec(exec(&["both"])).await.unwrap();
    assert_eq!(read_all(&mut both.stdout).await, "to stdout\n");
    assert_eq!(read_all(&mut both.stderr).await, "to stderr\n");
    assert_eq!(code(&mut both).await, 0);
    assert_eq!(code(&mut both).await, 0);
    let mut failing = pod.exec(exec(&["exit", "3"])).await.unwrap();
    assert_eq!(code(&mut failing).await, 3);
    assert_eq!(world.lines("c"), ["stdout F asleep"], "an exec's output is not the container's");
}

async fn an_exec_reads_its_input_to_the_end(world: &World) {
    let pod = world.pod("a").await;
    world.start(&pod, world.container("c", &["sleep", "1000"]), "asleep").await;
    let mut cat = pod.exec(ExecSpec { stdin: true, ..exec(&["cat"]) }).await.unwrap();
    write(&mut cat.stdin, "hello\n").await;
    assert_eq!(read_until(&mut cat.stdout, "hello\n").await, "hello\n");
    drop(cat.stdin.take());
    assert_eq!(read_all(&mut cat.stdout).await, "end of input\n");
    assert_eq!(code(&mut cat).await, 0);
    let mut without = pod.exec(exec(&["cat"])).await.unwrap();
    assert_eq!(read_all(&mut without.stdout).await, "end of input\n");
}

async fn an_exec_can_be_another_user_elsewhere(world: &World) {
    let pod = world.pod("a").await;
    let mut spec = world.container("c", &["sleep", "1000"]);
    spec.env.push(("COLOUR".into(), "blue".into()));
    world.start(&pod, spec, "asleep").await;
    let user = Some(User::parse("app"));
    let mut ids = pod.exec(ExecSpec { user, ..exec(&["ids"]) }).await.unwrap();
    assert_eq!(read_all(&mut ids.stdout).await, "1234:1235 77\n");
    let cwd = Some("/data".to_owned());
    let mut place = pod.exec(ExecSpec { cwd, ..exec(&["cwd"]) }).await.unwrap();
    assert_eq!(read_all(&mut place.stdout).await, "/data\n");
    let mut inherited = pod.exec(exec(&["env", "COLOUR"])).await.unwrap();
    assert_eq!(read_all(&mut inherited.stdout).await, "COLOUR=blue\n");
    let env = vec![("COLOUR".to_owned(), "red".to_owned())];
    let mut own = pod.exec(ExecSpec { env, ..exec(&["env", "COLOUR"]) }).await.unwrap();
    assert_eq!(read_all(&mut own.stdout).await, "COLOUR=red\n");
}

async fn an_exec_that_cannot_run_says_why(world: &World) {
    let pod = world.pod("a").await;
    world.start(&pod, world.container("c", &["trap"]), "trapping").await;
    let cases = [
        ("/x", "exec: \"/x\": stat /x: no such file or directory"),
        ("nope", "exec: \"nope\": executable file not found in $PATH"),
        ("/etc/plain", "exec: \"/etc/plain\": permission denied"),
    ];
    let open = || std::fs::read_dir(format!("/proc/{}/fd", pod.shim_pid())).unwrap().count();
    for (program, message) in cases {
        let before = open();
        let spec = ExecSpec { args: vec![program.to_owned()], ..exec(&[]) };
        match pod.exec(spec).await {
            Err(Error::NotExecutable(text)) => assert_eq!(text, message),
            other => panic!("{program}: {other:?}"),
        }
        // The connection of the exec may be seen to close a moment later.
        crate::world::wait_for("descriptors are closed", || open() <= before).await;
    }
    assert!(matches!(
        pod.exec(ExecSpec { container: "ghost".into(), ..exec(&["both"]) }).await,
        Err(Error::NoSuchContainer(_))
    ));
    // A failed exec that nobody reaped would hold up the container's own end.
    let mut exits = pod.exits();
    pod.signal("c", 15, false).await.unwrap();
    assert_eq!(soon("it ends", exits.next()).await.unwrap().status.code, 42);
    assert!(matches!(pod.exec(exec(&["both"])).await, Err(Error::WrongState { .. })));
}

async fn an_exec_has_a_terminal_with_a_size(world: &World) {
    let pod = world.pod("a").await;
    world.start(&pod, world.container("c", &["sleep", "1000"]), "asleep").await;
    let tty = Some(Size { rows: 33, columns: 101 });
    let mut size = pod.exec(ExecSpec { tty, stdin: true, ..exec(&["size"]) }).await.unwrap();
    read_until(&mut size.stdout, "size 33x101").await;
    size.resize(Size { rows: 5, columns: 6 }).unwrap();
    read_until(&mut size.stdout, "size 5x6").await;
    write(&mut size.stdin, "\n").await;
    assert_eq!(code(&mut size).await, 0);
    read_all(&mut size.stdout).await;
    let mut tty = pod.exec(ExecSpec { tty, ..exec(&["tty"]) }).await.unwrap();
    assert!(read_all(&mut tty.stdout).await.starts_with("/dev/pts/"));
    assert_eq!(code(&mut tty).await, 0);
}

async fn many_execs_leave_nothing_in_the_run_directory(world: &World) {
    let pod = world.pod("a").await;
    world.start(&pod, world.container("c", &["sleep", "1000"]), "asleep").await;
    let seen_by_shim = format!("/proc/{}/root", pod.shim_pid());
    let directory = format!("{seen_by_shim}{}", world.pod_directory("a").display());
    let count = || walk(directory.as_ref(), 0);
    let tty = Some(Size { rows: 24, columns: 80 });
    code(&mut pod.exec(exec(&["exit", "0"])).await.unwrap()).await;
    code(&mut pod.exec(ExecSpec { tty, ..exec(&["exit", "0"]) }).await.unwrap()).await;
    let before = count();
    for _ in 0..5 {
        code(&mut pod.exec(exec(&["exit", "0"])).await.unwrap()).await;
        code(&mut pod.exec(ExecSpec { tty, ..exec(&["exit", "0"]) }).await.unwrap()).await;
    }
    assert_eq!(count(), before);
}

/// Counts files, not going into the containers' own.
fn walk(path: &std::path::Path, depth: usize) -> usize {
    let entries = std::fs::read_dir(path).unwrap().flatten();
    let count = |entry: std::fs::DirEntry| match entry.file_type().unwrap().is_dir() {
        true if depth < 4 => walk(&entry.path(), depth + 1),
        _ => 1,
    };
    entries.map(count).sum()
}

async fn an_exec_ends_with_its_container(world: &World) {
    let pod = world.pod("a").await;
    world.start(&pod, world.container("c", &["trap"]), "trapping").await;
    let mut sleeper = pod.exec(exec(&["sleep", "1000"])).await.unwrap();
    read_until(&mut sleeper.stdout, "asleep").await;
    pod.signal("c", 9, false).await.unwrap();
    assert_eq!(code(&mut sleeper).await, 137);
}

fn attach() -> AttachSpec {
    AttachSpec { container: "c".into(), stdin: true, stdout: true, stderr: true }
}

async fn attached_clients_see_output_and_give_input(world: &World) {
    let pod = world.pod("a").await;
    let mut spec = world.container("c", &["cat"]);
    spec.stdin = true;
    pod.create(spec).await.unwrap();
    pod.start("c").await.unwrap();
    let mut first = pod.attach(attach()).await.unwrap();
    let mut second = pod.attach(AttachSpec { stdin: false, ..attach() }).await.unwrap();
    write(&mut first.stdin, "hello\n").await;
    read_until(&mut first.stdout, "hello\n").await;
    read_until(&mut second.stdout, "hello\n").await;
    world.wait_for_line("c", "hello").await;
    drop(first);
    let mut third = pod.attach(attach()).await.unwrap();
    write(&mut third.stdin, "again\n").await;
    read_until(&mut second.stdout, "again\n").await;
    pod.signal("c", 9, false).await.unwrap();
    assert_eq!(code(&mut second).await, 137);
    read_all(&mut second.stdout).await;
}

async fn stdin_once_ends_with_the_first_client(world: &World) {
    let pod = world.pod("a").await;
    let mut spec = world.container("c", &["cat"]);
    (spec.stdin, spec.stdin_once) = (true, true);
    pod.create(spec).await.unwrap();
    let mut client = pod.attach(attach()).await.unwrap();
    pod.start("c").await.unwrap();
    write(&mut client.stdin, "hello\n").await;
    drop(client.stdin.take());
    assert_eq!(read_all(&mut client.stdout).await, "hello\nend of input\n");
    assert_eq!(code(&mut client).await, 0);
}

async fn a_container_can_have_a_terminal(world: &World) {
    let pod = world.pod("a").await;
    let mut spec = world.container("c", &["size"]);
    (spec.tty, spec.stdin) = (true, true);
    pod.create(spec).await.unwrap();
    let mut client = pod.attach(attach()).await.unwrap();
    pod.start("c").await.unwrap();
    read_until(&mut client.stdout, "watching").await;
    client.resize(Size { rows: 7, columns: 8 }).unwrap();
    read_until(&mut client.stdout, "size 7x8").await;
    write(&mut client.stdin, "\n").await;
    assert_eq!(code(&mut client).await, 0);
    world.wait_for_line("c", "size 7x8").await;
}

async fn a_client_that_does_not_read_is_cut_off(world: &World) {
    let pod = world.pod("a").await;
    let mut spec = world.container("c", &["lines", "40000"]);
    spec.stdin = true;
    pod.create(spec).await.unwrap();
    let mut idle = pod.attach(attach()).await.unwrap();
    let mut exits = pod.exits();
    pod.start("c").await.unwrap();
    let exit = soon("it is not held up", exits.next()).await.unwrap();
    assert_eq!(exit.status.code, 0);
    assert!(world.lines("c").last().unwrap().contains("line 39999 "));
    let text = read_all(&mut idle.stdout).await;
    assert!(text.starts_with("line 0 "), "what came before the cut is there");
    assert!(text.len() <= 1 << 20);
    tokio::time::timeout(Duration::from_secs(5), idle.wait()).await.unwrap().unwrap();
}
