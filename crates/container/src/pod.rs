//! A running pod, seen from outside: calls to its shim.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::{self, error::RecvError};

use crate::cgroup::Group;
use crate::connection::{Connection, Greeting, call_alone, refused};
use crate::error::{CreateError, Error};
use crate::exec::{Exec, Wanted};
use crate::protocol::{Answer, Call, Refusal};
use crate::record::{PodDirectory, check_id};
use crate::runtime::{clear, sweep};
use crate::spec::{AttachSpec, ContainerSpec, ExecSpec, Resources};
use crate::state::{ContainerState, ExitStatus, PodRecord, Stats};

/// How long making a container may take: its mounts may be on slow disks.
const CREATE_MAX: Duration = Duration::from_secs(60);

/// How long any other call may take; the shim gives up on its own parts earlier.
const CALL_MAX: Duration = Duration::from_secs(30);

/// How long the shim may take to end after it said that it would.
const END_MAX: Duration = Duration::from_secs(5);

/// A running pod. Clones share one connection; dropping them leaves the pod alone.
#[derive(Clone, Debug)]
pub struct Pod {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    id: String,
    labels: BTreeMap<String, String>,
    shim_pid: u32,
    directory: PodDirectory,
    group: Group,
    connection: Connection,
}

/// The end of a container's first process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerExit {
    /// The container.
    pub container: String,
    /// How it ended.
    pub status: ExitStatus,
}

/// The exits of a pod's containers, from the call of [`Pod::exits`] on.
///
/// A reader that falls 1,024 exits behind misses the oldest.
#[derive(Debug)]
pub struct Exits {
    receiver: Option<broadcast::Receiver<ContainerExit>>,
}

impl Exits {
    /// The next exit; `None` when the pod's shim has gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<ContainerExit> {
        let receiver = self.receiver.as_mut()?;
        loop {
            match receiver.recv().await {
                Ok(exit) => return Some(exit),
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "a reader of container exits is too slow");
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

impl Pod {
    pub(crate) async fn connect(
        id: &str,
        directory: PodDirectory,
        group: Group,
    ) -> Result<Pod, Error> {
        let (connection, greeting) = Connection::open(id, directory.path()).await?;
        let Greeting { labels, pid } = greeting;
        let inner =
            Inner { id: id.to_owned(), labels, shim_pid: pid, directory, group, connection };
        Ok(Pod { inner: Arc::new(inner) })
    }

    /// The pod's id.
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    /// The labels of its spec.
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.inner.labels
    }

    /// The shim's process id.
    pub fn shim_pid(&self) -> u32 {
        self.inner.shim_pid
    }

    /// The pod's network namespace, as a path to open; good while the shim lives.
    pub fn netns(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/net", self.inner.shim_pid))
    }

    /// Makes a container, up to the point before its program runs.
    pub async fn create(&self, spec: ContainerSpec) -> Result<(), CreateError> {
        check_id("container id", &spec.id)?;
        let call = Call::Create(Box::new(spec));
        match self.inner.connection.call(call, CREATE_MAX).await? {
            Ok(Answer::Done) => Ok(()),
            Ok(other) => Err(self.inner.connection.nonsense(&other).into()),
            Err(Refusal::Create { step, message }) => Err(CreateError::Step { step, message }),
            Err(refusal) => Err(refused(&self.inner.id, refusal).into()),
        }
    }

    /// Runs the program of a made container. [`Error::NotExecutable`] when there is none; the
    /// container has then exited with 127 or 126.
    pub async fn start(&self, container: &str) -> Result<(), Error> {
        self.done(Call::Start { container: container.to_owned() }).await
    }

    /// Sends a signal to the container's first process, or to all of its processes. One that
    /// has exited takes it without an error.
    pub async fn signal(&self, container: &str, signal: i32, all: bool) -> Result<(), Error> {
        self.done(Call::Signal { container: container.to_owned(), signal, all }).await
    }

    /// Removes a container, killing what runs of it.
    pub async fn remove(&self, container: &str) -> Result<(), Error> {
        self.done(Call::Remove { container: container.to_owned() }).await
    }

    /// Runs a further process in a container.
    pub async fn exec(&self, spec: ExecSpec) -> Result<Exec, Error> {
        let wanted = Wanted { stdin: spec.stdin, stdout: spec.stdout };
        self.with_stdio(Call::Exec(Box::new(spec)), wanted).await
    }

    /// Joins a container's own stdio. What was written before is in its log only. The ends close
    /// when the container ends, or when a reader is more than a megabyte behind.
    pub async fn attach(&self, spec: AttachSpec) -> Result<Exec, Error> {
        let wanted = Wanted { stdin: spec.stdin, stdout: false };
        self.with_stdio(Call::Attach(spec), wanted).await
    }

    /// All containers not removed, by id.
    pub async fn containers(&self) -> Result<Vec<ContainerState>, Error> {
        match self.answer(Call::Containers).await? {
            Answer::Containers(containers) => Ok(containers),
            other => Err(self.inner.connection.nonsense(&other)),
        }
    }

    /// The exits from now on. Subscribe, then ask [`Pod::containers`] for what was before.
    pub fn exits(&self) -> Exits {
        Exits { receiver: self.inner.connection.exits() }
    }

    /// Changes a container's limits while it runs; what is `None` stays as it is.
    pub async fn update(&self, container: &str, resources: Resources) -> Result<(), Error> {
        self.done(Call::Update { container: container.to_owned(), resources }).await
    }

    /// Changes the limits of the pod as a whole while it runs; what is `None` stays as it is.
    pub async fn limit(&self, resources: Resources) -> Result<(), Error> {
        let inner = Arc::clone(&self.inner);
        sweep(move || {
            let failed = |error: std::io::Error| Error::Failed(error.to_string());
            inner.group.limit(&resources).map_err(failed)
        })
        .await
    }

    /// What a container uses.
    pub async fn stats(&self, container: &str) -> Result<Stats, Error> {
        self.stats_of(Some(container.to_owned())).await
    }

    /// What the pod's containers use together.
    pub async fn pod_stats(&self) -> Result<Stats, Error> {
        self.stats_of(None).await
    }

    /// Opens a container's log file anew, after somebody moved it.
    pub async fn reopen_log(&self, container: &str) -> Result<(), Error> {
        self.done(Call::ReopenLog { container: container.to_owned() }).await
    }

    /// Kills everything in the pod, ends the shim, removes cgroups and run files. Works as well
    /// when the shim has gone or does not answer: what is left is then killed by cgroup.
    pub async fn stop(self) -> Result<PodRecord, Error> {
        let told = match self.answer(Call::Stop).await {
            Ok(Answer::Stopped(record)) => {
                self.wait_for_end().await;
                Some(record)
            }
            Ok(other) => return Err(self.inner.connection.nonsense(&other)),
            Err(error) => {
                tracing::warn!(pod = self.id(), error = %error, "stop a pod without its shim");
                None
            }
        };
        let inner = Arc::clone(&self.inner);
        let left = sweep(move || clear(&inner.directory, &inner.group)).await?;
        let nothing = || PodRecord {
            id: self.id().to_owned(),
            labels: self.labels().clone(),
            containers: Vec::new(),
        };
        Ok(told.or(left).unwrap_or_else(nothing))
    }

    /// Until the shim has closed its end; a shim that does not is killed with what is left.
    async fn wait_for_end(&self) {
        let mut exits = self.exits();
        let ended = async { while exits.next().await.is_some() {} };
        if tokio::time::timeout(END_MAX, ended).await.is_err() {
            tracing::warn!(pod = self.id(), "a stopped shim does not end");
        }
    }

    /// Whether the shim still answers on this pod's connection.
    pub fn is_connected(&self) -> bool {
        self.inner.connection.is_open()
    }

    async fn stats_of(&self, container: Option<String>) -> Result<Stats, Error> {
        match self.answer(Call::Stats { container }).await? {
            Answer::Stats(stats) => Ok(stats),
            other => Err(self.inner.connection.nonsense(&other)),
        }
    }

    async fn with_stdio(&self, call: Call, wanted: Wanted) -> Result<Exec, Error> {
        let id = &self.inner.id;
        let directory = self.inner.directory.path();
        let (stream, reader, answer, descriptors) =
            call_alone(id, directory, call, CALL_MAX).await?;
        let Answer::Stdio(which) = answer else {
            return Err(self.inner.connection.nonsense(&answer));
        };
        Exec::new(id, (stream, reader), which, descriptors, wanted)
            .map_err(|error| Error::Protocol { pod: id.clone(), message: error.to_string() })
    }

    async fn done(&self, call: Call) -> Result<(), Error> {
        match self.answer(call).await? {
            Answer::Done => Ok(()),
            other => Err(self.inner.connection.nonsense(&other)),
        }
    }

    async fn answer(&self, call: Call) -> Result<Answer, Error> {
        let result = self.inner.connection.call(call, CALL_MAX).await?;
        result.map_err(|refusal| refused(&self.inner.id, refusal))
    }
}
