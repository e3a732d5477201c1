//! A named tree of tasks that ends on shutdown and waits for its leaves.
//!
//! Every long-lived task of a process is spawned here: it has a name, it hears of
//! shutdown, and [`Tasks::stop`] returns only when it has ended or the deadline passed.
//! A task that must not end on its own is given to [`Tasks::supervise`], which starts it
//! again and reports it.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, TryFutureExt};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The first wait before a supervised task is started again; it doubles up to [`RESTART_MAX`].
const RESTART_MIN: Duration = Duration::from_millis(100);
/// The longest wait before a supervised task is started again.
const RESTART_MAX: Duration = Duration::from_secs(10);
/// A supervised task that ran this long starts again without a grown wait.
const RESTART_RESET: Duration = Duration::from_secs(60);

/// A handle on the tree. Clones share it.
#[derive(Clone, Default)]
pub struct Tasks {
    shutdown: CancellationToken,
    tracker: TaskTracker,
    running: Arc<Mutex<BTreeMap<u64, Running>>>,
    panicked: Arc<Panicked>,
}

/// The first task that panicked, if one did.
#[derive(Default)]
struct Panicked {
    happened: CancellationToken,
    name: OnceLock<String>,
}

struct Running {
    name: String,
    restarts: u32,
}

/// Makes supervised work, each time that it starts.
type Maker = Box<dyn FnMut() -> BoxFuture<'static, Result<(), String>> + Send>;

/// One running task, as [`Tasks::list`] tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskInfo {
    /// The name it was spawned with.
    pub name: String,
    /// How often a supervised task was started again.
    pub restarts: u32,
}

impl Tasks {
    /// An empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// A branch: it ends with the tree, and can be stopped apart from it. What needs several
    /// tasks that only make sense together runs them in a branch and starts all of them
    /// again when [`Tasks::panicked`] names one.
    pub fn branch(&self) -> Self {
        Self {
            shutdown: self.shutdown.child_token(),
            tracker: TaskTracker::new(),
            running: self.running.clone(),
            panicked: Arc::default(),
        }
    }

    /// Waits until a task that was spawned here panics. Returns its name. The tasks of
    /// [`Tasks::supervise`] do not count: they are started again by themselves.
    pub async fn panicked(&self) -> String {
        self.panicked.happened.cancelled().await;
        self.panicked.name.get().cloned().unwrap_or_default()
    }

    /// A token that is cancelled when shutdown begins.
    pub fn shutdown(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Runs `work` until it ends. It should watch [`Tasks::shutdown`]; a panic is logged.
    pub fn spawn<F>(&self, name: impl Into<String>, work: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.spawn_boxed(name.into(), Box::pin(work));
    }

    /// Every task is one type to the runtime: its machinery is there once, not once for each kind of
    /// work, and a future lies once in memory, not also in each of those that wrap it.
    fn spawn_boxed(&self, name: String, work: BoxFuture<'static, ()>) {
        let (entry, panicked) = (self.enter(name), self.panicked.clone());
        self.tracker.spawn(async move {
            if let Err(panic) = AssertUnwindSafe(work).catch_unwind().await {
                tracing::error!(task = entry.name(), panic = panic_text(&*panic), "task panicked");
                panicked.name.get_or_init(|| entry.name().to_owned());
                panicked.happened.cancel();
            }
        });
    }

    /// Runs `work`, dropping it at its next await point when shutdown begins. For work
    /// that has nothing to put in order before it ends.
    pub fn spawn_until_shutdown<F>(&self, name: impl Into<String>, work: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (shutdown, work) = (self.shutdown(), Box::pin(work));
        let work: BoxFuture<'static, ()> = work;
        self.spawn(name, async move {
            shutdown.run_until_cancelled(work).await;
        });
    }

    /// Runs what `make` returns for as long as the process lives: when it ends, fails or
    /// panics before shutdown, that is logged and it is made again after a growing wait.
    pub fn supervise<M, F, E>(&self, name: impl Into<String>, mut make: M)
    where
        M: FnMut() -> F + Send + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::fmt::Display + Send + 'static,
    {
        let make = move || -> BoxFuture<'static, Result<(), String>> {
            Box::pin(make().map_err(|error| error.to_string()))
        };
        self.supervise_boxed(name.into(), Box::new(make));
    }

    fn supervise_boxed(&self, name: String, mut make: Maker) {
        let entry = self.enter(name);
        let shutdown = self.shutdown();
        self.tracker.spawn(async move {
            let mut wait = RESTART_MIN;
            loop {
                let began = Instant::now();
                let ended = AssertUnwindSafe(make()).catch_unwind().await;
                if shutdown.is_cancelled() {
                    return;
                }
                let reason = match ended {
                    Ok(Ok(())) => "ended by itself".to_owned(),
                    Ok(Err(error)) => error,
                    Err(panic) => format!("panicked: {}", panic_text(&*panic)),
                };
                if began.elapsed() > RESTART_RESET {
                    wait = RESTART_MIN;
                }
                tracing::warn!(task = entry.name(), reason, ?wait, "task ended; it starts again");
                entry.count_restart();
                let slept = shutdown.run_until_cancelled(tokio::time::sleep(wait)).await;
                if slept.is_none() {
                    return;
                }
                wait = (wait * 2).min(RESTART_MAX);
            }
        });
    }

    /// What is running now, by name.
    pub fn list(&self) -> Vec<TaskInfo> {
        let running = lock(&self.running);
        running
            .values()
            .map(|task| TaskInfo { name: task.name.clone(), restarts: task.restarts })
            .collect()
    }

    /// Begins shutdown and waits for every task to end, at most until `deadline`.
    ///
    /// # Errors
    /// The names of the tasks that were still running at the deadline.
    pub async fn stop(&self, deadline: Duration) -> Result<(), Vec<String>> {
        self.shutdown.cancel();
        self.tracker.close();
        match tokio::time::timeout(deadline, self.tracker.wait()).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.list().into_iter().map(|task| task.name).collect()),
        }
    }

    fn enter(&self, name: String) -> Entry {
        let mut running = lock(&self.running);
        let id = running.last_key_value().map_or(0, |(id, _)| id + 1);
        running.insert(id, Running { name: name.clone(), restarts: 0 });
        Entry { id, name, running: self.running.clone() }
    }
}

/// A task's line in the list; dropping it takes the line out, however the task ended.
struct Entry {
    id: u64,
    name: String,
    running: Arc<Mutex<BTreeMap<u64, Running>>>,
}

impl Entry {
    fn name(&self) -> &str {
        &self.name
    }

    fn count_restart(&self) {
        if let Some(task) = lock(&self.running).get_mut(&self.id) {
            task.restarts += 1;
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        lock(&self.running).remove(&self.id);
    }
}

/// The list stays whole whatever panicked while it was held: every change is one call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a value that is not text")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test]
    async fn stop_waits_for_tasks_to_end() {
        let tasks = Tasks::new();
        let done = Arc::new(AtomicU32::new(0));
        let (shutdown, seen) = (tasks.shutdown(), done.clone());
        tasks.spawn("worker", async move {
            shutdown.cancelled().await;
            tokio::task::yield_now().await;
            seen.fetch_add(1, Ordering::SeqCst);
        });
        tasks.stop(Duration::from_secs(5)).await.expect("the worker ends");
        assert_eq!(done.load(Ordering::SeqCst), 1);
        assert!(tasks.list().is_empty());
    }

    #[tokio::test]
    async fn stop_names_the_task_that_does_not_end() {
        let tasks = Tasks::new();
        tasks.spawn("stuck", std::future::pending());
        let stuck = tasks.stop(Duration::from_millis(10)).await.unwrap_err();
        assert_eq!(stuck, ["stuck"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_supervised_task_that_dies_is_started_again() {
        let tasks = Tasks::new();
        let runs = Arc::new(AtomicU32::new(0));
        let counter = runs.clone();
        tasks.supervise("fragile", move || {
            let run = counter.fetch_add(1, Ordering::SeqCst);
            async move {
                match run {
                    0 => Err("first".to_owned()),
                    1 => panic!("second"),
                    _ => std::future::pending().await,
                }
            }
        });
        while runs.load(Ordering::SeqCst) < 3 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(tasks.list(), [TaskInfo { name: "fragile".into(), restarts: 2 }]);
    }

    #[tokio::test]
    async fn a_branch_tells_which_task_panicked_and_stops_apart_from_the_tree() {
        let tree = Tasks::new();
        let branch = tree.branch();
        branch.spawn_until_shutdown("steady", std::future::pending());
        branch.spawn("weak", async { panic!("broken") });
        assert_eq!(branch.panicked().await, "weak");
        branch.stop(Duration::from_secs(5)).await.expect("the steady one ends");
        assert!(!tree.shutdown().is_cancelled());
        let other = tree.branch();
        other.spawn_until_shutdown("steady", std::future::pending());
        tree.stop(Duration::from_secs(5)).await.expect("the tree has no tasks of its own");
        other.stop(Duration::from_secs(5)).await.expect("a branch ends with its tree");
    }
}
