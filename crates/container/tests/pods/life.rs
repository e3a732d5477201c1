//! Clients and shims that come and go; nothing stays behind.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sampan_container::{Found, Pod, PodSpec, Status};

use crate::machine::Snapshot;
use crate::world::{World, only, running_pid, soon, wait_for};
use crate::{Test, tests};

pub const TESTS: &[Test] = tests![
    stop_tells_how_containers_ended_and_leaves_nothing,
    stopped_shims_are_no_zombies,
    stop_works_without_the_shim,
    a_pod_that_starts_is_not_taken_for_remains,
    fork_bombs_are_killed,
    a_new_client_finds_the_same_container,
    several_clients_hear_of_an_exit,
    the_end_of_a_container_without_a_client_is_kept,
    a_killed_shim_is_cleaned_up_after,
    a_pod_killed_before_its_start_is_cleaned_up,
    half_made_pods_are_cleaned_up,
    destroying_works_without_shims,
    a_shim_that_is_killed_while_a_container_waits_is_gone,
    grandchildren_are_reaped,
    a_shim_that_cannot_start_says_why,
    nonsense_does_not_hurt_a_shim,
    twenty_pods_at_once,
    a_shim_is_small_and_alone,
];

fn running(found: Vec<Found>) -> Vec<Pod> {
    let pod = |found| match found {
        Found::Running(pod) => pod,
        Found::Ended(record) => panic!("ended: {record:?}"),
    };
    found.into_iter().map(pod).collect()
}

fn kill_shim(pod: &Pod) {
    kill(Pid::from_raw(pod.shim_pid() as i32), Signal::SIGKILL).unwrap();
}

async fn stop_tells_how_containers_ended_and_leaves_nothing(world: &World) {
    let spec = PodSpec {
        id: "a".into(),
        labels: [("name".to_owned(), "first".to_owned())].into(),
        ..PodSpec::default()
    };
    let pod = world.pod_of(spec).await;
    world.run(&pod, world.container("done", &["exit", "5"])).await;
    world.start(&pod, world.container("runs", &["sleep", "1000"]), "asleep").await;
    pod.create(world.container("waits", &["exit", "0"])).await.unwrap();
    let record = soon("it stops", pod.stop()).await.unwrap();
    assert_eq!(record.labels["name"], "first");
    let codes: Vec<(String, i32)> = record
        .containers
        .into_iter()
        .map(|state| match state.status {
            Status::Exited(status) => (state.id, status.code),
            other => panic!("{} is {other:?}", state.id),
        })
        .collect();
    let expected = [("done", 5), ("runs", 137), ("waits", 137)];
    assert_eq!(codes, expected.map(|(id, code)| (id.to_owned(), code)));
    assert!(!world.pod_directory("a").exists());
    let group = format!("/sys/fs/cgroup/memory/{}/a", world.cgroup_root);
    assert!(!fs::exists(group).unwrap());
    assert!(running(world.runtime().adopt().await.unwrap()).is_empty());
}

async fn stopped_shims_are_no_zombies(world: &World) {
    for _ in 0..3 {
        world.pod("a").await.stop().await.unwrap();
    }
    let zombies = || {
        let ours = format!("PPid:\t{}\n", std::process::id());
        let status = |entry: fs::DirEntry| fs::read_to_string(entry.path().join("status")).ok();
        let all = fs::read_dir("/proc").unwrap().flatten().filter_map(status);
        all.filter(|status| status.contains(&ours) && status.contains("State:\tZ")).count()
    };
    wait_for("all are reaped", || zombies() == 0).await;
}

async fn stop_works_without_the_shim(world: &World) {
    let pod = world.pod("a").await;
    world.start(&pod, world.container("c", &["orphans", "2"]), "orphaned").await;
    kill_shim(&pod);
    let record = pod.clone().stop().await.unwrap();
    assert!(matches!(record.containers[0].status, Status::Exited(status) if status.code == 137));
    assert!(!world.pod_directory("a").exists());
    assert!(pod.stop().await.unwrap().containers.is_empty(), "twice is fine");
    // A shim that hangs is as good as gone, and only slower to stop.
    assert!(world.runtime().find("a").await.unwrap().is_none());
}

async fn a_pod_that_starts_is_not_taken_for_remains(world: &World) {
    let runtime = world.runtime();
    for _ in 0..5 {
        let spec = PodSpec { id: "a".into(), ..PodSpec::default() };
        let (pod, found) = tokio::join!(runtime.start_pod(spec), async {
            let mut found = Vec::new();
            for _ in 0..20 {
                found.extend(runtime.adopt().await.unwrap());
                tokio::task::yield_now().await;
            }
            found
        });
        assert!(found.iter().all(|found| matches!(found, Found::Running(_))), "{found:?}");
        pod.unwrap().stop().await.unwrap();
    }
}

async fn fork_bombs_are_killed(world: &World) {
    let pod = world.pod("a").await;
    let mut spec = world.container("c", &["bomb"]);
    spec.resources.pids_limit = Some(300);
    world.start(&pod, spec, "ticking").await;
    soon("it is removed", pod.remove("c")).await.unwrap();
}

async fn a_new_client_finds_the_same_container(world: &World) {
    let spec = PodSpec {
        id: "a".into(),
        labels: [("key".to_owned(), "value".to_owned())].into(),
        ..PodSpec::default()
    };
    let pod = world.pod_of(spec).await;
    world.start(&pod, world.container("c", &["trap"]), "trapping").await;
    let (pid, shim) = (running_pid(&pod).await, pod.shim_pid());
    for _ in 0..3 {
        let pods = running(world.runtime().adopt().await.unwrap());
        assert_eq!(pods.len(), 1);
        assert_eq!((pods[0].id(), pods[0].shim_pid()), ("a", shim));
        assert_eq!(pods[0].labels()["key"], "value");
        assert_eq!(running_pid(&pods[0]).await, pid);
    }
    drop(pod);
    let pod = running(world.runtime().adopt().await.unwrap()).remove(0);
    let mut exits = pod.exits();
    pod.signal("c", 15, false).await.unwrap();
    assert_eq!(soon("it ends", exits.next()).await.unwrap().status.code, 42);
}

async fn several_clients_hear_of_an_exit(world: &World) {
    let pod = world.pod("a").await;
    let other = running(world.runtime().adopt().await.unwrap()).remove(0);
    let (mut first, mut second) = (pod.exits(), other.exits());
    world.run(&pod, world.container("c", &["exit", "4"])).await;
    assert_eq!(soon("one hears", first.next()).await.unwrap().status.code, 4);
    assert_eq!(soon("both hear", second.next()).await.unwrap().status.code, 4);
}

async fn the_end_of_a_container_without_a_client_is_kept(world: &World) {
    let pod = world.pod("a").await;
    world.start(&pod, world.container("c", &["trap"]), "trapping").await;
    let pid = running_pid(&pod).await;
    drop(pod);
    kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
    world.wait_for_line("c", "got a signal").await;
    let pod = running(world.runtime().adopt().await.unwrap()).remove(0);
    soon("it is seen to have ended", async {
        loop {
            if let Status::Exited(status) = only(&pod).await.status {
                return assert_eq!(status.code, 42);
            }
        }
    })
    .await;
}

async fn a_killed_shim_is_cleaned_up_after(world: &World) {
    let pod = world.pod("a").await;
    world.run(&pod, world.container("done", &["exit", "3"])).await;
    world.start(&pod, world.container("runs", &["orphans", "3"]), "orphaned").await;
    let mut exits = pod.exits();
    kill_shim(&pod);
    assert_eq!(soon("the client notices", exits.next()).await, None);
    assert!(matches!(pod.containers().await, Err(sampan_container::Error::ShimGone(_))));
    let mut found = world.runtime().adopt().await.unwrap();
    let Found::Ended(record) = found.remove(0) else { panic!("its shim was killed") };
    let codes: Vec<i32> = record
        .containers
        .iter()
        .map(|state| match state.status {
            Status::Exited(status) => status.code,
            _ => panic!("{state:?}"),
        })
        .collect();
    assert_eq!(codes, [3, 137]);
    assert!(!world.pod_directory("a").exists());
    assert!(world.runtime().adopt().await.unwrap().is_empty());
    // The name can be used again at once.
    world.run(&world.pod("a").await, world.container("c", &["exit", "0"])).await;
}

async fn a_pod_killed_before_its_start_is_cleaned_up(world: &World) {
    let pod = world.pod("a").await;
    pod.create(world.container("c", &["exit", "0"])).await.unwrap();
    kill_shim(&pod);
    let found = world.runtime().adopt().await.unwrap();
    assert!(matches!(&found[..], [Found::Ended(record)] if record.containers.len() == 1));
}

async fn half_made_pods_are_cleaned_up(world: &World) {
    let runtime = world.runtime();
    fs::create_dir_all(world.pod_directory("empty")).unwrap();
    let cut = world.pod_directory("cut");
    fs::create_dir_all(&cut).unwrap();
    fs::write(cut.join("pod.json"), "{\"spec\": {").unwrap();
    assert!(runtime.adopt().await.unwrap().is_empty());
    assert!(!world.pod_directory("empty").exists());
    assert!(!cut.exists());
}

async fn destroying_works_without_shims(world: &World) {
    let pods = [world.pod("a").await, world.pod("b").await];
    for pod in &pods {
        world.start(pod, world.container(pod.id(), &["orphans", "2"]), "orphaned").await;
    }
    kill_shim(&pods[0]);
    fs::remove_dir_all(world.pod_directory("a")).ok();
    world.runtime().destroy_all().await.unwrap();
    assert!(!world.path().join("run/pods").exists());
    world.runtime().destroy_all().await.unwrap();
}

async fn a_shim_that_is_killed_while_a_container_waits_is_gone(world: &World) {
    let pod = world.pod("a").await;
    pod.create(world.container("c", &["exit", "0"])).await.unwrap();
    let began = Instant::now();
    kill_shim(&pod);
    // The waiting child must not keep the socket alive: a connection would never be answered.
    world.runtime().adopt().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

async fn grandchildren_are_reaped(world: &World) {
    let pod = world.pod("a").await;
    world.start(&pod, world.container("c", &["orphans", "5"]), "orphaned").await;
    assert_eq!(pod.stats("c").await.unwrap().pids, 6);
    pod.signal("c", 9, false).await.unwrap();
    let zombies = || {
        let of_shim = format!("PPid:\t{}\n", pod.shim_pid());
        let status = |entry: fs::DirEntry| fs::read_to_string(entry.path().join("status")).ok();
        let all = fs::read_dir("/proc").unwrap().flatten().filter_map(status);
        all.filter(|status| status.contains(&of_shim)).count()
    };
    wait_for("all are reaped", || zombies() == 0).await;
    assert_eq!(pod.stats("c").await.unwrap().pids, 0);
}

async fn a_shim_that_cannot_start_says_why(world: &World) {
    let spec = PodSpec { id: "a".into(), hostname: "x".repeat(100), ..PodSpec::default() };
    let error = world.runtime().start_pod(spec).await.unwrap_err();
    assert!(error.to_string().contains("set host name"), "{error}");
    assert!(!world.pod_directory("a").exists());
}

async fn nonsense_does_not_hurt_a_shim(world: &World) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let pod = world.pod("a").await;
    let socket = world.pod_directory("a").join("shim.sock");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&socket).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let huge = u32::MAX.to_le_bytes();
    let pieces: [&[u8]; 4] = [&huge, b"\x02\0\0\0{}", b"\x04\0\0\0null", b"\x01\0"];
    for piece in pieces {
        let mut stream = tokio::net::UnixStream::connect(&socket).await.unwrap();
        stream.write_all(piece).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        // It may be reset rather than closed.
        let _ = soon("it hangs up", stream.read_to_end(&mut answer)).await;
    }
    // Without a hello nothing is done.
    let mut stream = tokio::net::UnixStream::connect(&socket).await.unwrap();
    let stop = b"{\"sequence\":1,\"call\":\"Stop\"}";
    stream.write_all(&(stop.len() as u32).to_le_bytes()).await.unwrap();
    stream.write_all(stop).await.unwrap();
    let mut answer = [0; 256];
    let length = soon("it answers", stream.read(&mut answer)).await.unwrap();
    assert!(String::from_utf8_lossy(&answer[..length]).contains("Version"));
    world.run(&pod, world.container("c", &["exit", "0"])).await;
}

async fn twenty_pods_at_once(world: &World) {
    let run = |number: usize| async move {
        let id = format!("p{number}");
        let pod = world.pod(&id).await;
        let (status, lines) = world.run(&pod, world.container(&id, &["print", &id])).await;
        assert_eq!((status.code, lines), (0, vec![format!("stdout F {id}")]));
        pod.stop().await.unwrap();
    };
    let before = Snapshot::take(&world.cgroup_root);
    let mut all: Vec<_> = (0..20).map(|number| Box::pin(run(number))).collect();
    soon("all are done", async {
        std::future::poll_fn(|context| {
            all.retain_mut(|one| Future::poll(one.as_mut(), context).is_pending());
            if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    })
    .await;
    world.runtime().destroy_all().await.unwrap();
    crate::machine::wait_until_like(&before, &world.cgroup_root);
}

async fn a_shim_is_small_and_alone(world: &World) {
    let pod = world.pod("a").await;
    world.start(&pod, world.container("c", &["sleep", "1000"]), "asleep").await;
    let proc = format!("/proc/{}", pod.shim_pid());
    assert_eq!(fs::read_dir(format!("{proc}/task")).unwrap().count(), 1, "threads");
    let rollup = fs::read_to_string(format!("{proc}/smaps_rollup")).unwrap();
    let field = |name: &str| -> u64 {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    };
    println!("a shim: PSS {} kB, dirty {} kB", field("Pss:"), field("Private_Dirty:"));
    assert!(field("Private_Dirty:") < 4 << 10, "{rollup}");
    let status = fs::read_to_string(format!("{proc}/stat")).unwrap();
    let after_name = status.rsplit_once(')').unwrap().1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let shim = pod.shim_pid().to_string();
    assert_eq!((fields[2], fields[3]), (shim.as_str(), shim.as_str()), "own group and session");
}
