//! Containers that run, write and end.

use std::fs;

use sampan_container::{CreateError, CreateStep, Error, LogSpec, Resources, Status, User};

use crate::world::{World, only, soon};
use crate::{Test, tests};

pub const TESTS: &[Test] = tests![
    output_is_logged_in_cri_format,
    exit_codes_and_signals_are_told,
    a_signal_reaches_the_first_process,
    out_of_memory_is_told,
    long_lines_come_in_parts,
    logs_rotate,
    a_moved_log_is_reopened,
    a_missing_program_is_told_in_runcs_words,
    a_container_that_cannot_be_made_leaves_nothing,
    names_are_looked_up_in_the_image,
    limits_change_while_it_runs,
    a_removed_container_can_be_made_again,
    a_container_can_go_on_with_anothers_files,
    an_image_can_have_many_layers,
    wrong_calls_are_refused,
];

async fn output_is_logged_in_cri_format(world: &World) {
    let pod = world.pod("a").await;
    let (status, lines) = world.run(&pod, world.container("c", &["both"])).await;
    assert_eq!(status.code, 0);
    assert_eq!(status.signal, None);
    assert!(status.started_at <= status.finished_at);
    let mut sorted = lines;
    sorted.sort();
    assert_eq!(sorted, ["stderr F to stderr", "stdout F to stdout"]);
    let text = fs::read_to_string(world.log("c")).unwrap();
    let stamp = text.split(' ').next().unwrap();
    assert_eq!(stamp.len(), "2026-11-20T17:00:00.123456789Z".len());
    stamp.parse::<jiff::Timestamp>().unwrap();
}

async fn exit_codes_and_signals_are_told(world: &World) {
    let pod = world.pod("a").await;
    let (status, _) = world.run(&pod, world.container("c", &["exit", "7"])).await;
    assert_eq!((status.code, status.signal), (7, None));
    assert_eq!(only(&pod).await.status, Status::Exited(status));
    let mut exits = pod.exits();
    world.start(&pod, world.container("d", &["sleep", "1000"]), "asleep").await;
    pod.signal("d", 9, false).await.unwrap();
    let exit = soon("it dies", exits.next()).await.unwrap();
    assert_eq!((exit.status.code, exit.status.signal), (137, Some(9)));
    assert!(!exit.status.oom_killed);
    pod.signal("d", 9, false).await.unwrap();
}

async fn a_signal_reaches_the_first_process(world: &World) {
    let pod = world.pod("a").await;
    let mut exits = pod.exits();
    world.start(&pod, world.container("c", &["trap"]), "trapping").await;
    pod.signal("c", 15, false).await.unwrap();
    let exit = soon("it ends", exits.next()).await.unwrap();
    assert_eq!((exit.status.code, exit.status.signal), (42, None));
    assert!(world.lines("c").contains(&"stdout F got a signal".to_owned()));
}

async fn out_of_memory_is_told(world: &World) {
    let pod = world.pod("a").await;
    let mut spec = world.container("c", &["eat", "200"]);
    spec.resources.memory_limit_bytes = Some(32 << 20);
    let (status, lines) = world.run(&pod, spec).await;
    assert_eq!((status.code, status.signal, status.oom_killed), (137, Some(9), true));
    assert!(lines.is_empty(), "{lines:?}");
}

async fn long_lines_come_in_parts(world: &World) {
    let pod = world.pod("a").await;
    let (_, lines) = world.run(&pod, world.container("c", &["long", "20000"])).await;
    let shape: Vec<(&str, usize)> = lines.iter().map(|line| (&line[..9], line.len())).collect();
    assert_eq!(shape, [("stdout P ", 9 + 16384), ("stdout F ", 9 + 20000 - 16384)]);
}

async fn logs_rotate(world: &World) {
    let pod = world.pod("a").await;
    let mut spec = world.container("c", &["lines", "3000"]);
    spec.log = LogSpec { path: world.log("c"), max_bytes: 64 << 10, max_files: 3 };
    let (status, lines) = world.run(&pod, spec).await;
    assert_eq!(status.code, 0);
    assert!(lines.last().unwrap().contains("line 2999 "), "{:?}", lines.last());
    let mut files = 0;
    for entry in fs::read_dir(world.log("c").parent().unwrap()).unwrap().flatten() {
        files += 1;
        assert!(entry.metadata().unwrap().len() <= 64 << 10);
    }
    assert_eq!(files, 3);
}

async fn a_moved_log_is_reopened(world: &World) {
    let pod = world.pod("a").await;
    world.start(&pod, world.container("c", &["trap"]), "trapping").await;
    let moved = world.path().join("moved.log");
    fs::rename(world.log("c"), &moved).unwrap();
    pod.reopen_log("c").await.unwrap();
    pod.signal("c", 15, false).await.unwrap();
    world.wait_for_line("c", "got a signal").await;
    assert!(fs::read_to_string(moved).unwrap().contains("trapping"));
}

async fn a_missing_program_is_told_in_runcs_words(world: &World) {
    let pod = world.pod("a").await;
    let cases = [
        ("/x", "exec: \"/x\": stat /x: no such file or directory", 127),
        ("nope", "exec: \"nope\": executable file not found in $PATH", 127),
        ("/etc/plain", "exec: \"/etc/plain\": permission denied", 126),
        ("/etc", "exec: \"/etc\": is a directory", 126),
    ];
    for (number, (program, message, code)) in cases.into_iter().enumerate() {
        let id = format!("c{number}");
        let mut spec = world.container(&id, &[]);
        spec.args = vec![program.to_owned()];
        let mut exits = pod.exits();
        pod.create(spec).await.unwrap();
        match pod.start(&id).await {
            Err(Error::NotExecutable(text)) => assert_eq!(text, message),
            other => panic!("{program}: {other:?}"),
        }
        let exit = soon("it ends", exits.next()).await.unwrap();
        assert_eq!((exit.container, exit.status.code), (id, code));
    }
}

async fn a_container_that_cannot_be_made_leaves_nothing(world: &World) {
    let pod = world.pod("a").await;
    let mut no_layer = world.container("c", &["exit", "0"]);
    no_layer.rootfs.lower = vec!["/nonexistent/layer".into()];
    let mut no_user = world.container("c", &["exit", "0"]);
    no_user.user = User::parse("ghost");
    let mut no_source = world.container("c", &["exit", "0"]);
    no_source.mounts = vec![sampan_container::Mount::bind("/nonexistent/source", "/mnt")];
    let mut no_capability = world.container("c", &["exit", "0"]);
    no_capability.security.add_capabilities = vec!["FLY".to_owned()];
    let cases = [
        (no_layer, CreateStep::RootFs),
        (no_user, CreateStep::User),
        (no_source, CreateStep::Process),
        (no_capability, CreateStep::Spec),
    ];
    let open = || fs::read_dir(format!("/proc/{}/fd", pod.shim_pid())).unwrap().count();
    for (spec, expected) in cases {
        let before = open();
        match pod.create(spec).await {
            Err(CreateError::Step { step, message }) => {
                assert_eq!(step, expected, "{message}");
            }
            other => panic!("{expected}: {other:?}"),
        }
        assert_eq!(open(), before, "{expected} leaks descriptors");
        assert!(pod.containers().await.unwrap().is_empty());
    }
    // The name is free, and the pod well.
    let (status, _) = world.run(&pod, world.container("c", &["exit", "0"])).await;
    assert_eq!(status.code, 0);
}

async fn names_are_looked_up_in_the_image(world: &World) {
    let pod = world.pod("a").await;
    let mut spec = world.container("c", &["ids"]);
    spec.user = User { additional_groups: vec![99], ..User::parse("app") };
    assert_eq!(world.run(&pod, spec).await.1, ["stdout F 1234:1235 77 99"]);
    let mut spec = world.container("d", &["env", "HOME"]);
    spec.user = User::parse("app");
    assert_eq!(world.run(&pod, spec).await.1, ["stdout F HOME=/home/app"]);
    let mut spec = world.container("e", &["ids"]);
    spec.user = User::id(5, 6);
    assert_eq!(world.run(&pod, spec).await.1, ["stdout F 5:6"]);
}

async fn limits_change_while_it_runs(world: &World) {
    let pod = world.pod("a").await;
    world.start(&pod, world.container("c", &["sleep", "1000"]), "asleep").await;
    let limit = Resources { memory_limit_bytes: Some(64 << 20), ..Resources::default() };
    pod.update("c", limit).await.unwrap();
    let stats = pod.stats("c").await.unwrap();
    assert!(stats.memory_bytes > 0 && stats.memory_bytes < 64 << 20, "{stats:?}");
    assert!(stats.working_set_bytes <= stats.memory_bytes);
    assert!(stats.cpu_nanos > 0);
    assert_eq!(stats.pids, 1);
    assert!(pod.pod_stats().await.unwrap().pids >= 1);
}

async fn a_removed_container_can_be_made_again(world: &World) {
    let pod = world.pod("a").await;
    for _ in 0..3 {
        world.start(&pod, world.container("c", &["sleep", "1000"]), "asleep").await;
        pod.remove("c").await.unwrap();
        assert!(pod.containers().await.unwrap().is_empty());
        fs::remove_file(world.log("c")).unwrap();
    }
    pod.create(world.container("c", &["sleep", "1000"])).await.unwrap();
    assert_eq!(only(&pod).await.status, Status::Created);
    pod.remove("c").await.unwrap();
}

async fn a_container_can_go_on_with_anothers_files(world: &World) {
    let pod = world.pod("a").await;
    let first = world.container("c", &["write", "/etc/new"]);
    let mut second = world.container("d", &["file", "/etc/new"]);
    second.rootfs = first.rootfs.clone();
    assert_eq!(world.run(&pod, first).await.1, ["stdout F written"]);
    pod.remove("c").await.unwrap();
    let (status, lines) = world.run(&pod, second).await;
    assert_eq!((status.code, lines.len()), (0, 0), "{lines:?}");
}

async fn an_image_can_have_many_layers(world: &World) {
    let pod = world.pod("a").await;
    let mut spec = world.container("c", &["file", "/etc/layer"]);
    let image = spec.rootfs.lower.remove(0);
    for number in 0..60 {
        // Long enough for one page of mount options not to hold them.
        let layer = world.path().join(format!("layers/{:0>80}", number));
        fs::create_dir_all(layer.join("etc")).unwrap();
        fs::write(layer.join("etc/layer"), format!("layer {number}\n")).unwrap();
        spec.rootfs.lower.insert(0, layer);
    }
    spec.rootfs.lower.push(image);
    assert_eq!(world.run(&pod, spec).await.1, ["stdout F layer 59"]);
}

async fn wrong_calls_are_refused(world: &World) {
    let pod = world.pod("a").await;
    assert!(matches!(pod.start("ghost").await, Err(Error::NoSuchContainer(id)) if id == "ghost"));
    assert!(matches!(pod.remove("ghost").await, Err(Error::NoSuchContainer(_))));
    pod.create(world.container("c", &["exit", "0"])).await.unwrap();
    let again = pod.create(world.container("c", &["exit", "0"])).await;
    assert!(matches!(again, Err(CreateError::Call(Error::WrongState { .. }))), "{again:?}");
    pod.start("c").await.unwrap();
    assert!(matches!(pod.start("c").await, Err(Error::WrongState { .. })));
    let bad = pod.create(world.container("a/b", &["exit", "0"])).await;
    assert!(matches!(bad, Err(CreateError::Call(Error::Invalid { .. }))), "{bad:?}");
    let spec = sampan_container::PodSpec { id: "a".into(), ..Default::default() };
    let twice = world.runtime().start_pod(spec).await;
    assert!(matches!(twice, Err(Error::PodExists(id)) if id == "a"));
}
