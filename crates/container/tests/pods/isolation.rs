//! What containers may not do, and what they see.

use std::collections::HashMap;
use std::fs;

use sampan_container::{Mount, PodNetwork, PodSpec, Propagation, Resources, Seccomp, User};

use crate::world::{World, running_pid};
use crate::{Test, tests};

pub const TESTS: &[Test] = tests![
    capabilities_are_the_usual_ones,
    capabilities_are_added_and_dropped,
    another_user_has_no_capabilities,
    execs_have_no_more_than_their_container,
    seccomp_forbids_namespaces,
    seccomp_can_be_unconfined,
    privileged_may_do_all_that_we_may,
    the_root_can_be_read_only,
    writes_go_to_the_upper_layer,
    disks_cannot_be_opened,
    the_pod_has_a_name_and_a_loopback,
    the_host_network_can_be_used,
    containers_of_a_pod_share_memory_and_network,
    containers_can_share_processes,
    mounts_are_as_asked,
    volumes_mounted_later_show_where_asked,
    limits_are_seen_inside_and_cannot_be_written,
    the_working_directory_is_made,
    masked_paths_are_empty,
    sysctls_are_set_in_the_pod_only,
    oom_score_is_set_as_far_as_possible,
    no_descriptor_leaks_into_a_container,
    signals_are_as_a_program_expects,
];

/// What /proc/self/status says inside.
async fn status(
    world: &World,
    mut spec: sampan_container::ContainerSpec,
) -> HashMap<String, String> {
    spec.args = ["helper", "file", "/proc/self/status"].map(str::to_owned).to_vec();
    let pod = world.pod(&format!("pod-{}", spec.id)).await;
    let (status, lines) = world.run(&pod, spec).await;
    assert_eq!(status.code, 0, "{lines:?}");
    let fields = lines.iter().filter_map(|line| line.strip_prefix("stdout F ")?.split_once(":\t"));
    fields.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The default capabilities, as the kernel prints them.
const USUAL: &str = "00000000a80425fb";
const NONE: &str = "0000000000000000";

async fn capabilities_are_the_usual_ones(world: &World) {
    let status = status(world, world.container("c", &[])).await;
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        assert_eq!(status[set], USUAL, "{set}");
    }
    assert_eq!(status["CapAmb"], NONE);
    assert_eq!(status["CapInh"], NONE);
    assert_eq!(status["Seccomp"], "2");
    assert_eq!(status["NoNewPrivs"], "0");
    assert_eq!(status["Groups"].trim(), "");
}

async fn capabilities_are_added_and_dropped(world: &World) {
    let mut spec = world.container("c", &[]);
    spec.security.drop_capabilities = vec!["ALL".into()];
    spec.security.add_capabilities = vec!["NET_BIND_SERVICE".into()];
    spec.security.no_new_privileges = true;
    let status = status(world, spec).await;
    assert_eq!(status["CapBnd"], "0000000000000400");
    assert_eq!(status["CapEff"], "0000000000000400");
    assert_eq!(status["NoNewPrivs"], "1");
    assert_eq!(status["Seccomp"], "2");
}

async fn another_user_has_no_capabilities(world: &World) {
    let mut spec = world.container("c", &[]);
    spec.user = User::id(1000, 1000);
    let status = status(world, spec).await;
    assert_eq!(status["CapEff"], NONE);
    assert_eq!(status["CapPrm"], NONE);
    assert_eq!(status["CapBnd"], USUAL);
    assert_eq!(status["Uid"], "1000\t1000\t1000\t1000");
}

async fn execs_have_no_more_than_their_container(world: &World) {
    use tokio::io::AsyncReadExt;
    let pod = world.pod("a").await;
    let mut spec = world.container("c", &["sleep", "1000"]);
    spec.security.drop_capabilities = vec!["ALL".into()];
    spec.security.no_new_privileges = true;
    spec.resources.pids_limit = Some(20);
    world.start(&pod, spec, "asleep").await;
    let mut exec = pod
        .exec(sampan_container::ExecSpec {
            container: "c".into(),
            args: ["helper", "file", "/proc/self/status"].map(str::to_owned).to_vec(),
            stdout: true,
            ..Default::default()
        })
        .await
        .unwrap();
    let mut text = String::new();
    exec.stdout.as_mut().unwrap().read_to_string(&mut text).await.unwrap();
    for line in
        ["CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2", "SigIgn:\t0000000000000000"]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
}

async fn seccomp_forbids_namespaces(world: &World) {
    let pod = world.pod("a").await;
    let (_, lines) = world.run(&pod, world.container("c", &["unshare"])).await;
    assert_eq!(lines, ["stdout F Operation not permitted"]);
    // With the capability the profile lets it through.
    let mut spec = world.container("d", &["unshare"]);
    spec.security.add_capabilities = vec!["SYS_ADMIN".into()];
    assert_eq!(world.run(&pod, spec).await.1, ["stdout F unshared"]);
}

async fn seccomp_can_be_unconfined(world: &World) {
    let mut spec = world.container("c", &[]);
    spec.security.seccomp = Seccomp::Unconfined;
    assert_eq!(status(world, spec).await["Seccomp"], "0");
}

async fn privileged_may_do_all_that_we_may(world: &World) {
    let mut spec = world.container("c", &[]);
    spec.security.privileged = true;
    let status = status(world, spec).await;
    assert_eq!(status["Seccomp"], "0");
    let own = fs::read_to_string("/proc/self/status").unwrap();
    let own = own.lines().find_map(|line| line.strip_prefix("CapBnd:\t")).unwrap().to_owned();
    assert_eq!(status["CapEff"], own);
}

async fn the_root_can_be_read_only(world: &World) {
    let pod = world.pod("a").await;
    let mut spec = world.container("c", &["write", "/etc/new"]);
    spec.security.read_only_root = true;
    assert_eq!(world.run(&pod, spec).await.1, ["stdout F Read-only file system"]);
    let mut spec = world.container("d", &["write", "/tmp/new"]);
    spec.security.read_only_root = true;
    spec.mounts = vec![Mount::tmpfs("/tmp", Some(1 << 20))];
    assert_eq!(world.run(&pod, spec).await.1, ["stdout F written"]);
}

async fn writes_go_to_the_upper_layer(world: &World) {
    let pod = world.pod("a").await;
    let spec = world.container("c", &["write", "/etc/new"]);
    let upper = spec.rootfs.upper.clone();
    let image = spec.rootfs.lower[0].clone();
    assert_eq!(world.run(&pod, spec).await.1, ["stdout F written"]);
    assert!(upper.join("etc/new").exists());
    assert!(!image.join("etc/new").exists());
}

async fn disks_cannot_be_opened(world: &World) {
    let root = fs::metadata("/").unwrap();
    let major = nix::sys::stat::major(std::os::unix::fs::MetadataExt::dev(&root)).to_string();
    let pod = world.pod("a").await;
    let (_, lines) = world.run(&pod, world.container("c", &["disk", &major])).await;
    assert_eq!(lines, ["stdout F Operation not permitted"]);
}

async fn the_pod_has_a_name_and_a_loopback(world: &World) {
    let pod = world.pod("a").await;
    assert_eq!(world.run(&pod, world.container("c", &["host"])).await.1, ["stdout F box"]);
    let (_, lines) = world.run(&pod, world.container("d", &["file", "/proc/net/dev"])).await;
    assert_eq!(lines.len(), 3, "headings and lo: {lines:?}");
    // Only an interface that is up has an entry here.
    let (_, lines) = world.run(&pod, world.container("e", &["file", "/proc/net/if_inet6"])).await;
    let fib = world.run(&pod, world.container("f", &["file", "/proc/net/fib_trie"])).await.1;
    let up =
        lines.iter().chain(&fib).any(|line| line.contains(" lo") || line.contains("127.0.0.1"));
    assert!(up, "{lines:?} {fib:?}");
    let ns = fs::read_link(pod.netns()).unwrap();
    assert_ne!(ns, fs::read_link("/proc/self/ns/net").unwrap());
}

async fn the_host_network_can_be_used(world: &World) {
    let spec =
        PodSpec { id: "a".into(), network: PodNetwork::Host, host_pid: true, ..Default::default() };
    let pod = world.pod_of(spec).await;
    world.start(&pod, world.container("c", &["sleep", "1000"]), "asleep").await;
    let pid = running_pid(&pod).await;
    for kind in ["net", "pid"] {
        let theirs = fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
        assert_eq!(theirs, fs::read_link(format!("/proc/self/ns/{kind}")).unwrap());
    }
}

async fn containers_of_a_pod_share_memory_and_network(world: &World) {
    let pod = world.pod("a").await;
    let (_, lines) = world.run(&pod, world.container("c", &["write", "/dev/shm/note"])).await;
    assert_eq!(lines, ["stdout F written"]);
    world.start(&pod, world.container("d", &["sleep", "1000"]), "asleep").await;
    let (_, lines) = world.run(&pod, world.container("e", &["file", "/dev/shm/note"])).await;
    assert!(lines.is_empty(), "it is there, and empty: {lines:?}");
    let states = pod.containers().await.unwrap();
    let pid = states
        .iter()
        .find_map(|state| match state.status {
            sampan_container::Status::Running { pid, .. } => Some(pid),
            _ => None,
        })
        .unwrap();
    for kind in ["net", "ipc", "uts"] {
        let theirs = fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
        let shims = fs::read_link(format!("/proc/{}/ns/{kind}", pod.shim_pid())).unwrap();
        assert_eq!(theirs, shims, "{kind}");
    }
    for kind in ["pid", "mnt", "cgroup"] {
        let theirs = fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
        let shims = fs::read_link(format!("/proc/{}/ns/{kind}", pod.shim_pid())).unwrap();
        assert_ne!(theirs, shims, "{kind}");
    }
}

async fn containers_can_share_processes(world: &World) {
    let spec = PodSpec { id: "a".into(), share_processes: true, ..PodSpec::default() };
    let pod = world.pod_of(spec).await;
    world.start(&pod, world.container("c", &["orphans", "3"]), "orphaned").await;
    let (_, lines) = world.run(&pod, world.container("d", &["file", "/proc/1/comm"])).await;
    assert_eq!(lines, ["stdout F sampan-init"]);
    let (_, lines) = world.run(&pod, world.container("e", &["file", "/proc/2/comm"])).await;
    assert_eq!(lines, ["stdout F helper"], "one container sees the other's processes");
    // Its orphans are not in a namespace of their own, and must go all the same.
    let mut exits = pod.exits();
    pod.signal("c", 9, false).await.unwrap();
    crate::world::soon("it ends", exits.next()).await.unwrap();
    let group = format!("/sys/fs/cgroup/pids/{}/a/c/cgroup.procs", world.cgroup_root);
    let unified = format!("/sys/fs/cgroup/{}/a/c/cgroup.procs", world.cgroup_root);
    let left = || fs::read_to_string(&group).or_else(|_| fs::read_to_string(&unified)).unwrap();
    crate::world::wait_for("the orphans go", || left().is_empty()).await;
}

async fn mounts_are_as_asked(world: &World) {
    let pod = world.pod("a").await;
    let volume = world.path().join("volume");
    fs::create_dir(&volume).unwrap();
    fs::write(volume.join("note"), "from outside\n").unwrap();
    let mut spec = world.container("c", &["file", "/mnt/deep/note", "/one"]);
    spec.mounts = vec![
        Mount::bind(&volume, "/mnt/deep"),
        Mount::bind(volume.join("note"), "/one").read_only(),
    ];
    let (_, lines) = world.run(&pod, spec).await;
    assert_eq!(lines, ["stdout F from outside", "stdout F from outside"]);
    let mut spec = world.container("d", &["write", "/mnt/new"]);
    spec.mounts = vec![Mount::bind(&volume, "/mnt").read_only()];
    assert_eq!(world.run(&pod, spec).await.1, ["stdout F Read-only file system"]);
    assert!(!volume.join("new").exists());
}

async fn volumes_mounted_later_show_where_asked(world: &World) {
    use nix::mount::{MntFlags, MsFlags, mount, umount2};
    // A mount shows in other namespaces only if its parent is shared, as systemd makes it.
    let volume = world.path().join("volume");
    fs::create_dir_all(volume.join("later")).unwrap();
    let none = None::<&str>;
    mount(Some(&volume), &volume, none, MsFlags::MS_BIND, none).unwrap();
    mount(none, &volume, none, MsFlags::MS_SHARED, none).unwrap();
    let pod = world.pod("a").await;
    for (id, propagation) in [("c", Propagation::HostToContainer), ("d", Propagation::Private)] {
        let mut spec = world.container(id, &["sleep", "1000"]);
        spec.mounts = vec![Mount { propagation, ..Mount::bind(&volume, "/mnt") }];
        world.start(&pod, spec, "asleep").await;
    }
    mount(Some("tmpfs"), &volume.join("later"), Some("tmpfs"), MsFlags::empty(), none).unwrap();
    let mut shown = Vec::new();
    for state in pod.containers().await.unwrap() {
        let sampan_container::Status::Running { pid, .. } = state.status else { panic!() };
        let mounts = fs::read_to_string(format!("/proc/{pid}/mounts")).unwrap();
        shown.push((state.id, mounts.contains("/mnt/later")));
    }
    umount2(&volume.join("later"), MntFlags::MNT_DETACH).unwrap();
    umount2(&volume, MntFlags::MNT_DETACH).unwrap();
    assert_eq!(shown, [("c".to_owned(), true), ("d".to_owned(), false)]);
}

async fn limits_are_seen_inside_and_cannot_be_written(world: &World) {
    let pod = world.pod("a").await;
    let v1 = "/sys/fs/cgroup/memory/memory.limit_in_bytes";
    let path = if fs::exists(v1).unwrap() { v1 } else { "/sys/fs/cgroup/memory.max" };
    let resources = Resources {
        cpu_shares: Some(512),
        cpu_quota_us: Some(50_000),
        cpu_period_us: Some(100_000),
        memory_limit_bytes: Some(64 << 20),
        pids_limit: Some(50),
    };
    let mut spec = world.container("c", &["file", path]);
    spec.resources = resources;
    assert_eq!(world.run(&pod, spec).await.1, ["stdout F 67108864"]);
    let mut spec = world.container("d", &["write", path]);
    spec.resources = resources;
    assert_eq!(world.run(&pod, spec).await.1, ["stdout F Read-only file system"]);
}

async fn the_working_directory_is_made(world: &World) {
    let pod = world.pod("a").await;
    let mut spec = world.container("c", &["cwd"]);
    spec.cwd = "/new/deep".into();
    assert_eq!(world.run(&pod, spec).await.1, ["stdout F /new/deep"]);
}

async fn masked_paths_are_empty(world: &World) {
    let pod = world.pod("a").await;
    let args = ["file", "/proc/timer_list", "/proc/keys", "/proc/kcore"];
    let (_, lines) = world.run(&pod, world.container("c", &args)).await;
    assert!(lines.iter().all(|line| line.contains("No such file")), "{lines:?}");
    let (_, lines) =
        world.run(&pod, world.container("d", &["write", "/proc/sys/vm/swappiness"])).await;
    assert_eq!(lines, ["stdout F Read-only file system"]);
}

async fn sysctls_are_set_in_the_pod_only(world: &World) {
    let path = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
    let before = fs::read_to_string(path).unwrap();
    let mut spec = PodSpec { id: "a".into(), ..PodSpec::default() };
    spec.sysctls.insert("net.ipv4.ip_unprivileged_port_start".into(), "7".into());
    let pod = world.pod_of(spec).await;
    assert_eq!(world.run(&pod, world.container("c", &["file", path])).await.1, ["stdout F 7"]);
    assert_eq!(fs::read_to_string(path).unwrap(), before);
    let mut spec = PodSpec { id: "b".into(), ..PodSpec::default() };
    spec.sysctls.insert("vm.swappiness".into(), "7".into());
    let error = world.runtime().start_pod(spec).await.unwrap_err();
    assert!(error.to_string().contains("vm.swappiness"), "{error}");
    assert!(!world.pod_directory("b").exists());
}

async fn oom_score_is_set_as_far_as_possible(world: &World) {
    let pod = world.pod("a").await;
    let mut spec = world.container("c", &["file", "/proc/self/oom_score_adj"]);
    spec.oom_score_adj = Some(500);
    assert_eq!(world.run(&pod, spec).await.1, ["stdout F 500"]);
    let mut spec = world.container("d", &["file", "/proc/self/oom_score_adj"]);
    spec.oom_score_adj = Some(-900);
    let (_, lines) = world.run(&pod, spec).await;
    let state = pod.containers().await.unwrap().pop().unwrap();
    let set = lines == ["stdout F -900"];
    assert_eq!(set, state.warnings.is_empty(), "{lines:?} {state:?}");
}

async fn no_descriptor_leaks_into_a_container(world: &World) {
    let pod = world.pod("a").await;
    world.start(&pod, world.container("c", &["sleep", "1000"]), "asleep").await;
    let pid = running_pid(&pod).await;
    assert_eq!(fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count(), 3);
}

async fn signals_are_as_a_program_expects(world: &World) {
    let status = status(world, world.container("c", &[])).await;
    for set in ["SigBlk", "SigIgn"] {
        assert_eq!(status[set], NONE, "{set}");
    }
}
