//! Pods as they really are: these tests need root, and make namespaces, mounts and cgroups.
//!
//! The test program is its own shim, so it has a `main` of its own: tests are plain functions in
//! a list, run one after the other (they compare the whole machine before and after), each on a
//! runtime of its own.

mod containers;
mod execs;
mod isolation;
mod life;
mod machine;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

use world::World;

/// A test: its name, and what it does in a world of its own.
type Test = (&'static str, fn(&tokio::runtime::Runtime, &World));

/// Makes the list's entry of an asynchronous test function.
#[macro_export]
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        &[$((stringify!($name), |runtime, world| runtime.block_on($name(world)))),*]
    };
}

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).peekable();
    if args.peek().is_some_and(|arg| arg == "shim") {
        sampan_container::shim_main(args.skip(1));
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    let groups: [&[Test]; 4] = [containers::TESTS, execs::TESTS, isolation::TESTS, life::TESTS];
    let tests: Vec<&Test> = groups.into_iter().flatten().collect();
    if args.iter().any(|arg| arg == "--list") {
        tests.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    if !nix::unistd::geteuid().is_root() {
        println!("these tests make containers and need root: NOT RUN");
        return ExitCode::SUCCESS;
    }
    let filters: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let wanted = |name: &str| filters.is_empty() || filters.iter().any(|have| name.contains(*have));
    run(tests.into_iter().filter(|(name, _)| wanted(name)).collect())
}

fn run(tests: Vec<&Test>) -> ExitCode {
    println!("running {} tests", tests.len());
    let helper = world::compile_helper();
    let mut failed = Vec::new();
    for (name, test) in tests {
        let began = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| run_one(name, *test, helper.path())));
        let result = if outcome.is_ok() { "ok" } else { "FAILED" };
        println!("test {name} ... {result} ({} ms)", began.elapsed().as_millis());
        if outcome.is_err() {
            failed.push(*name);
        }
    }
    println!("\ntest result: {} failed {failed:?}", failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a test, and looks at what it left on the machine.
fn run_one(name: &str, test: fn(&tokio::runtime::Runtime, &World), helper: &std::path::Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let world = World::new(name, helper);
    let before = machine::Snapshot::take(&world.cgroup_root);
    let outcome = catch_unwind(AssertUnwindSafe(|| test(&runtime, &world)));
    if outcome.is_err() {
        world.tell_logs();
    }
    runtime.block_on(world.runtime().destroy_all()).expect("everything can be destroyed");
    machine::wait_until_like(&before, &world.cgroup_root);
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}
