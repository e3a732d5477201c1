//! One container of /bin/true, made and started: our shim's request beside `crun run`, on the
//! same root file system.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail};
use container::{
    ContainerSpec, Pod, PodNetwork, PodSpec, RootFs, Runtime, RuntimeConfig, Security, User,
};
use serde_json::json;

use crate::table::{Table, median};

/// How many containers each runs.
const RUNS: usize = 60;
/// Names our run directory and cgroups.
const NAME: &str = "sampan-bench-containers";

/// Create, start and end of a container, through a pod that is there and through crun.
pub fn create_and_start(_binary: &Path, table: &mut Table) -> anyhow::Result<()> {
    let dir =
        tempfile::Builder::new().prefix("sampan-bench-").tempdir().context("make a folder")?;
    let rootfs = rootfs(dir.path())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ours = runtime.block_on(ours(dir.path(), &rootfs))?;
    match crun(dir.path(), &rootfs)? {
        Some(theirs) => table.beside("container create+start+exit", "ms", ours, ("crun", theirs)),
        None => table
            .alone("container create+start+exit (crun is not installed)", format!("{ours:.1} ms")),
    }
    Ok(())
}

/// A root file system with one static program that ends at once.
fn rootfs(dir: &Path) -> anyhow::Result<PathBuf> {
    let root = dir.join("rootfs");
    fs::create_dir_all(root.join("bin")).context("make the root file system")?;
    let source = dir.join("true.rs");
    fs::write(&source, "fn main() {}\n").context("write the program")?;
    let built = Command::new("rustc")
        .args(["-O", "-C", "target-feature=+crt-static", "-o"])
        .arg(root.join("bin/true"))
        .arg(&source)
        .status()
        .context("run rustc")?;
    if !built.success() {
        bail!("the program does not build");
    }
    Ok(root)
}

async fn ours(dir: &Path, rootfs: &Path) -> anyhow::Result<f64> {
    let config = RuntimeConfig {
        run_dir: dir.join("run"),
        cgroup_root: NAME.into(),
        shim_exe: PathBuf::from("/proc/self/exe"),
    };
    let runtime = Runtime::new(config)?;
    let spec = PodSpec { id: "bench".into(), network: PodNetwork::Own, ..PodSpec::default() };
    let pod = runtime.start_pod(spec).await?;
    let mut times = Vec::new();
    for run in 0..RUNS {
        times.push(one(&pod, dir, rootfs, run).await?);
    }
    pod.stop().await?;
    runtime.destroy_all().await?;
    Ok(median(times))
}

async fn one(pod: &Pod, dir: &Path, rootfs: &Path, run: usize) -> anyhow::Result<f64> {
    let id = format!("c{run}");
    let (upper, work) = (dir.join(format!("upper{run}")), dir.join(format!("work{run}")));
    fs::create_dir_all(&upper)
        .and_then(|()| fs::create_dir_all(&work))
        .context("make the layers")?;
    let spec = ContainerSpec {
        id: id.clone(),
        rootfs: RootFs { lower: vec![rootfs.to_owned()], upper, work },
        args: vec!["/bin/true".into()],
        user: User::root(),
        security: Security { no_new_privileges: true, ..Security::default() },
        ..ContainerSpec::default()
    };
    let mut exits = pod.exits();
    let began = Instant::now();
    pod.create(spec).await?;
    pod.start(&id).await?;
    exits.next().await.context("the pod went away")?;
    let took = began.elapsed().as_secs_f64() * 1000.0;
    pod.remove(&id).await?;
    Ok(took)
}

/// crun refuses a machine that has cgroup v1 and v2 at once; it does not see the second one in a
/// mount namespace without it. Our own measurement is over by then.
fn hide_unified_hierarchy() -> anyhow::Result<()> {
    use nix::mount::{MntFlags, MsFlags, mount, umount2};
    use nix::sched::{CloneFlags, unshare};
    let unified = Path::new("/sys/fs/cgroup/unified");
    if !unified.exists() {
        return Ok(());
    }
    unshare(CloneFlags::CLONE_NEWNS).context("make a mount namespace")?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).context("make mounts private")?;
    umount2(unified, MntFlags::MNT_DETACH).context("hide the unified hierarchy")
}

/// The same with crun; `None` when it is not installed.
fn crun(dir: &Path, rootfs: &Path) -> anyhow::Result<Option<f64>> {
    if Command::new("crun").arg("--version").stdout(Stdio::null()).status().is_err() {
        return Ok(None);
    }
    hide_unified_hierarchy()?;
    let bundle = dir.join("bundle");
    fs::create_dir_all(&bundle).context("make the bundle")?;
    let spec =
        Command::new("crun").arg("spec").current_dir(&bundle).status().context("run crun spec")?;
    if !spec.success() {
        bail!("crun spec failed");
    }
    let path = bundle.join("config.json");
    let mut config: serde_json::Value = serde_json::from_slice(&fs::read(&path)?)?;
    config["root"]["path"] = json!(rootfs);
    config["process"]["args"] = json!(["/bin/true"]);
    config["process"]["terminal"] = json!(false);
    fs::write(&path, config.to_string()).context("write the bundle")?;
    let mut times = Vec::new();
    for run in 0..RUNS {
        let began = Instant::now();
        let output = Command::new("crun")
            .args(["--cgroup-manager=cgroupfs", "run", &format!("sampan-bench-{run}")])
            .current_dir(&bundle)
            .output()
            .context("run crun")?;
        if !output.status.success() {
            bail!("crun: {}", String::from_utf8_lossy(&output.stderr));
        }
        times.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(Some(median(times)))
}
