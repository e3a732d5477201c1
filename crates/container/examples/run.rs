//! Runs a program in a container of its own pod, to try things by hand (as root):
//!
//!     cargo run -p sampan-container --example run -- [--times N] ROOT-DIRECTORY PROGRAM [ARGS...]
//!
//! The directory is the (read-only) image. With `--times` only the times are printed.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use sampan_container::{
    ContainerSpec, LogSpec, Pod, PodSpec, RootFs, Runtime, RuntimeConfig, shim_main,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    // First of all: a shim must never have had a thread.
    let mut args = std::env::args_os().skip(1).peekable();
    if args.next_if(|arg| arg == "shim").is_some() {
        shim_main(args);
    }
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let mut times = 1;
    if args.first().is_some_and(|arg| arg == "--times") {
        times = args.get(1).ok_or("--times wants a number")?.parse()?;
        args.drain(..2);
    }
    let [root, program @ ..] = &args[..] else {
        return Err("usage: run [--times N] ROOT-DIRECTORY PROGRAM [ARGS...]".into());
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(Path::new(root), program, times))
}

async fn run(root: &Path, program: &[String], times: usize) -> Outcome<()> {
    let place = std::env::temp_dir().join(format!("sampan-run-{}", std::process::id()));
    let runtime = Runtime::new(RuntimeConfig {
        run_dir: place.join("run"),
        cgroup_root: format!("sampan-run-{}", std::process::id()),
        shim_exe: std::env::current_exe()?,
    })?;
    let began = Instant::now();
    let pod = runtime
        .start_pod(PodSpec { id: "try".into(), hostname: "try".into(), ..PodSpec::default() })
        .await?;
    let pod_took = began.elapsed();
    let mut took = Vec::new();
    let mut outcome = Ok(());
    for number in 0..times {
        match one(&pod, &place, root, program, number).await {
            Ok(times_of_one) => took.push(times_of_one),
            Err(error) => outcome = Err(error),
        }
    }
    let last = std::fs::read_to_string(place.join("logs/0.log")).unwrap_or_default();
    print!("{last}");
    report("pod", vec![pod_took]);
    for (at, name) in ["create", "start", "to exit", "remove"].iter().enumerate() {
        report(name, took.iter().map(|times| times[at]).collect());
    }
    pod.stop().await?;
    runtime.destroy_all().await?;
    std::fs::remove_dir_all(&place)?;
    outcome
}

/// Runs it once. Returns how long making, starting, ending and removing took.
async fn one(
    pod: &Pod,
    place: &Path,
    root: &Path,
    program: &[String],
    number: usize,
) -> Outcome<[Duration; 4]> {
    let own = place.join(format!("rw/{number}"));
    let rootfs = RootFs {
        lower: vec![root.canonicalize()?],
        upper: own.join("upper"),
        work: own.join("work"),
    };
    std::fs::create_dir_all(&rootfs.upper)?;
    std::fs::create_dir_all(&rootfs.work)?;
    let id = format!("c{number}");
    let log = LogSpec { path: place.join("logs/0.log"), max_bytes: 1 << 20, max_files: 1 };
    let spec = ContainerSpec {
        id: id.clone(),
        rootfs,
        args: program.to_vec(),
        log,
        ..ContainerSpec::default()
    };
    let mut exits = pod.exits();
    let mut clock = Instant::now();
    let mut lap = || std::mem::replace(&mut clock, Instant::now()).elapsed();
    pod.create(spec).await?;
    let create = lap();
    pod.start(&id).await?;
    let start = lap();
    let exit = exits.next().await.ok_or("the shim has gone")?;
    let ended = lap();
    if exit.status.code != 0 {
        eprintln!("it ended with {}", exit.status.code);
    }
    pod.remove(&id).await?;
    Ok([create, start, ended, lap()])
}

fn report(name: &str, mut took: Vec<Duration>) {
    took.sort();
    if let Some(middle) = took.get(took.len() / 2) {
        eprintln!("{name}: {middle:?} (worst {:?})", took[took.len() - 1]);
    }
}
