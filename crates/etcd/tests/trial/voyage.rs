//! A voyage: load, kills, and a check of every window of it.
//!
//! A window ends soon after each restart: the clients pause, a last write and a read of everything
//! close it, and when the watchers have arrived there it is checked while the next one runs. So the
//! memory is that of two windows, however long the voyage.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use etcd::pb::etcdserverpb::CompactionRequest;
use etcd::pb::etcdserverpb::kv_client::KvClient;
use tokio::task::{JoinHandle, JoinSet};

use super::history::{Call, Clock, Moment};
use super::leases::{Leases, Promise};
use super::linear;
use super::load::{Client, Done, Notes, PATIENCE, Random};
use super::model::{Action, Answer, Keys, Operation, Reply, Space, apply};
use super::renewing::{Habit, Holder, PREFIX};
use super::timeline::{Timeline, Window, Written};
use super::vessel::{Vessel, disk_use};
use super::watching::{Seen, Sort, Watcher, look_again};
use super::wire::channel;

/// How long the load goes on after a restart before the window is closed.
const AFTER_START: Duration = Duration::from_millis(700);
/// How often it is looked whether the server is there.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// The key that closes a window.
const MARK: &str = "mark";
/// How many revisions at the end of a window are watched a second time.
const AGAIN_MAX: usize = 5_000;
/// After how many kills the log is printed.
const REPORT_EVERY: usize = 10;

/// How a voyage is to go.
#[derive(Debug, Clone)]
pub struct Plan {
    pub duration: Duration,
    /// The mean time between kills; each is up to half of it sooner or later.
    pub kill_interval: Duration,
    pub clients: usize,
    pub keepers: usize,
    pub lapsers: usize,
    pub promise: Promise,
    /// What the data directory may hold.
    pub disk_bytes_max: u64,
    pub seed: u64,
}

/// What a voyage has seen.
#[derive(Debug, Default)]
pub struct Log {
    pub kills: usize,
    pub windows: usize,
    pub writes: usize,
    pub reads: usize,
    pub unknown_done: usize,
    pub unknown_lost: usize,
    pub leases_lapsed: usize,
    pub leases_revoked: usize,
    /// Windows whose history was watched again after a kill, and was the same.
    pub looked_again: usize,
    pub disk_bytes_most: u64,
    pub memory_kib_most: u64,
    pub start_most: Duration,
    pub check_most: Duration,
    pub revision: i64,
}

/// Runs a voyage in a runtime of its own; panics with what went wrong.
pub fn sail<V: Vessel>(vessel: &mut V, plan: &Plan) -> Log {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    match runtime.block_on(Voyage::begin(vessel, plan)) {
        Ok(log) => log,
        Err(wrong) => panic!("seed {}: {wrong}\n--- the server's log\n{}", plan.seed, vessel.log()),
    }
}

struct Voyage<'a, V> {
    vessel: &'a mut V,
    plan: &'a Plan,
    notes: Arc<Notes>,
    leases: Arc<Mutex<Leases>>,
    watchers: Vec<Arc<Seen>>,
    /// Closes windows.
    pilot: Client,
    random: Random,
    log: Log,
    /// The last window, under check.
    checking: Option<JoinHandle<Result<Checked, String>>>,
    timeline: Timeline,
    /// What was read when the last window was closed.
    read: Space,
}

/// All of one window.
struct Closed {
    calls: Vec<Call>,
    written: Vec<Written>,
    at: Moment,
}

struct Checked {
    timeline: Timeline,
    window: Window,
    took: Duration,
}

/// Which tasks are under way; the first to end says what is wrong.
type Crew = JoinSet<String>;

impl<'a, V: Vessel> Voyage<'a, V> {
    async fn begin(vessel: &'a mut V, plan: &'a Plan) -> Result<Log, String> {
        let clock = Clock::start();
        let notes = Notes::new(clock);
        let pilot = Client::new(plan.clients + 100, &vessel.endpoint(), notes.clone());
        let mut voyage = Voyage {
            vessel,
            plan,
            leases: Arc::new(Mutex::new(Leases::new(plan.promise))),
            watchers: vec![
                Seen::new(Sort::Plain),
                Seen::new(Sort::WithPrevious),
                Seen::new(Sort::PutsOnly),
            ],
            pilot,
            notes,
            random: Random(plan.seed),
            log: Log::default(),
            checking: None,
            timeline: Timeline::default(),
            read: Space::new(),
        };
        voyage.start().await?;
        voyage.timeline = voyage.everything().await?;
        voyage.read = voyage.timeline.space.clone();
        voyage.notes.take();
        let mut crew = voyage.embark(clock);
        voyage.go_on(&mut crew).await?;
        Ok(voyage.log)
    }

    async fn start(&mut self) -> Result<(), String> {
        let before = Instant::now();
        self.vessel.start();
        let ready = tokio::select! {
            ready = self.pilot.wait_for_server() => ready,
            () = ended(self.vessel) => Err("the server ended while it started".into()),
        };
        ready?;
        self.log.start_most = self.log.start_most.max(before.elapsed());
        Ok(())
    }

    fn embark(&mut self, clock: Clock) -> Crew {
        let mut crew = Crew::new();
        let endpoint = self.vessel.endpoint();
        for seen in &self.watchers {
            let Timeline { space, revision } = self.timeline.clone();
            let watcher = Watcher::new(endpoint.clone(), clock, seen.clone(), revision, space);
            crew.spawn(watcher.run());
        }
        for number in 0..self.plan.clients {
            let client = Client::new(number, &endpoint, self.notes.clone());
            crew.spawn(client.run(self.random.below(u64::MAX)));
        }
        let keepers = (0..self.plan.keepers).map(|_| Habit::Keeps);
        let lapsers = (0..self.plan.lapsers).map(|_| Habit::LetsLapse);
        for (number, habit) in keepers.chain(lapsers).enumerate() {
            let (notes, leases) = (self.notes.clone(), self.leases.clone());
            let client = Client::new(self.plan.clients + number, &endpoint, notes.clone());
            let seed = self.random.below(u64::MAX);
            crew.spawn(Holder::new(client, &endpoint, notes, leases, habit, seed).run());
        }
        crew
    }

    async fn go_on(&mut self, crew: &mut Crew) -> Result<(), String> {
        let until = Instant::now() + self.plan.duration;
        while Instant::now() < until {
            let mean = u64::try_from(self.plan.kill_interval.as_millis()).expect("a short time");
            let pause = Duration::from_millis(mean / 2 + self.random.below(mean));
            well(crew, tokio::time::sleep(pause)).await?;
            if self.vessel.has_ended() {
                return Err("the server ended by itself".into());
            }
            self.vessel.kill();
            self.log.kills += 1;
            self.start().await?;
            self.leases().restarted(self.notes.clock.now());
            well(crew, tokio::time::sleep(AFTER_START)).await?;
            self.close(crew).await?;
            self.measure()?;
        }
        self.checked().await
    }

    fn leases(&self) -> std::sync::MutexGuard<'_, Leases> {
        self.leases.lock().expect("nobody panics with it")
    }

    /// Ends the window: nobody asks, everybody was told. It is checked while the next one runs.
    async fn close(&mut self, crew: &mut Crew) -> Result<(), String> {
        let notes = self.notes.clone();
        let shut = well(crew, notes.gate.write()).await?;
        let mut after = self.everything().await?;
        let marked = self.mark(&mut after).await?;
        let at = notes.clock.now();
        let mut told = Vec::new();
        for seen in &self.watchers {
            let arrival = tokio::time::timeout(PATIENCE, seen.take_up_to(marked));
            let never = |_| format!("the {:?} watcher was never told of {marked}", seen.sort);
            told.push(well(crew, arrival).await?.map_err(never)?);
        }
        let calls = notes.take();
        drop(shut);
        self.alike(&told)?;
        let written = told.swap_remove(0);
        self.look_again(crew, &written).await?;
        self.compact().await?;
        self.checked().await?;
        self.check(Closed { calls, written, at }, after);
        Ok(())
    }

    /// Writes once more, so that every watcher is told something. `after` is made to fit.
    async fn mark(&mut self, after: &mut Timeline) -> Result<i64, String> {
        let value = self.pilot.fresh_value();
        let mark = Operation::plain(Action::Put { key: MARK.into(), value, lease: 0 });
        let marked = self.answered(mark.clone()).await?.revision;
        apply(&mut after.space, marked - 1, &mark);
        Ok(marked)
    }

    async fn answered(&mut self, operation: Operation) -> Result<Reply, String> {
        match self.pilot.perform(operation).await? {
            Done::Answered(reply) => Ok(reply),
            Done::Unknown | Done::NoLease => Err("the server went away by itself".into()),
        }
    }

    /// The whole key space.
    async fn everything(&mut self) -> Result<Timeline, String> {
        let all = Operation::plain(Action::Get(Keys::Prefix(String::new())));
        let reply = self.answered(all).await?;
        let found = reply.answers.into_iter().flat_map(|answer| match answer {
            Answer::Got(found) => found,
            Answer::Put(_) | Answer::Deleted(_) => Vec::new(),
        });
        Ok(Timeline { space: found.collect(), revision: reply.revision })
    }

    /// All watchers were told the same, but for what they did not want.
    fn alike(&self, told: &[Vec<Written>]) -> Result<(), String> {
        for (seen, told_this) in self.watchers.iter().zip(told) {
            let right = seen.expects(&told[0]);
            let told_this = seen.expects(told_this);
            if let Some(place) = (0..right.len().max(told_this.len()))
                .find(|place| right.get(*place) != told_this.get(*place))
            {
                let (right, got) = (right.get(place), told_this.get(place));
                return Err(format!("the {:?} watcher: {got:?} and not {right:?}", seen.sort));
            }
        }
        Ok(())
    }

    /// Watches the end of the window once more: a kill has not changed history.
    async fn look_again(&mut self, crew: &mut Crew, written: &[Written]) -> Result<(), String> {
        let written = &written[written.len().saturating_sub(AGAIN_MAX)..];
        let (endpoint, clock) = (self.vessel.endpoint(), self.notes.clock);
        let look = tokio::time::timeout(PATIENCE, look_again(endpoint, clock, written));
        let same = well(crew, look).await?;
        if same.map_err(|_| "a second watch of the same history never ends".to_owned())?? {
            self.log.looked_again += 1;
        }
        Ok(())
    }

    /// Forgets what was before the window that was closed last.
    async fn compact(&mut self) -> Result<(), String> {
        let revision = self.timeline.revision;
        let request = CompactionRequest { revision, physical: false };
        match KvClient::new(channel(&self.vessel.endpoint())).compact(request).await {
            Ok(_) => Ok(()),
            // The server compacts by itself, too.
            Err(status) if status.message().contains("has been compacted") => Ok(()),
            Err(status) => Err(format!("compact {revision}: {status:?}")),
        }
    }

    /// Begins the check of a window; `after` is what was read when it was closed.
    fn check(&mut self, closed: Closed, after: Timeline) {
        let mut timeline = std::mem::take(&mut self.timeline);
        let before = std::mem::replace(&mut self.read, after.space);
        // Until the check is over only the revision is asked for.
        self.timeline.revision = timeline.revision;
        let leases = self.leases.clone();
        self.checking = Some(tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            let window = timeline.check(&closed.calls, &closed.written);
            let window = window.map_err(|wrong| wrong.to_string())?;
            linear::check(&before, &closed.calls, skipped).map_err(|wrong| wrong.to_string())?;
            let mut leases = leases.lock().expect("nobody panics with it");
            let ended = window.lease_ends.iter().try_for_each(|end| leases.ended(*end));
            ended.and_then(|()| leases.overdue(closed.at)).map_err(|wrong| wrong.to_string())?;
            Ok(Checked { timeline, window, took: begun.elapsed() })
        }));
    }

    /// Waits for the check under way.
    async fn checked(&mut self) -> Result<(), String> {
        let Some(checking) = self.checking.take() else { return Ok(()) };
        let Checked { timeline, window, took } =
            checking.await.map_err(|error| error.to_string())??;
        self.timeline = timeline;
        let log = &mut self.log;
        log.windows += 1;
        log.check_most = log.check_most.max(took);
        log.writes += window.writes;
        log.reads += window.reads;
        log.unknown_done += window.unknown_done;
        log.unknown_lost += window.unknown_lost;
        log.revision = self.timeline.revision;
        let leases = self.leases.lock().expect("nobody panics with it");
        (log.leases_lapsed, log.leases_revoked) = (leases.lapsed_count, leases.revoked_count);
        Ok(())
    }

    /// What the server needs stays within its bound.
    fn measure(&mut self) -> Result<(), String> {
        let disk = disk_use(&self.vessel.data_dir());
        let most = self.plan.disk_bytes_max;
        self.log.disk_bytes_most = self.log.disk_bytes_most.max(disk);
        let memory = self.vessel.pid().map_or(0, resident_kib);
        self.log.memory_kib_most = self.log.memory_kib_most.max(memory);
        if disk > most {
            return Err(format!("{disk} bytes on disk, {most} are allowed"));
        }
        if self.log.kills.is_multiple_of(REPORT_EVERY) {
            eprintln!("{:?}", self.log);
        }
        Ok(())
    }
}

/// Resolves when the server has ended by itself.
async fn ended(vessel: &mut impl Vessel) {
    while !vessel.has_ended() {
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// Waits for `what` while all goes well with the crew.
async fn well<T>(crew: &mut Crew, what: impl Future<Output = T>) -> Result<T, String> {
    tokio::select! {
        done = what => Ok(done),
        Some(ended) = crew.join_next() => Err(ended.unwrap_or_else(|panic| panic.to_string())),
    }
}

/// The keys that go without being asked for.
fn skipped(key: &str) -> bool {
    key.starts_with(PREFIX)
}

/// The memory of a process, in KiB.
fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}
