//! Conversations, and how they are compared.

use std::time::Duration;

use etcd::pb::etcdserverpb::watch_request::RequestUnion;

use crate::asks::Ask;
use crate::peer::{Ongoing, Peer};
use crate::servers::{Etcd, Ours};

/// One step of a conversation.
#[derive(Debug, Clone)]
pub enum Step {
    Ask(Ask),
    /// Calls are made as this user from now on; an empty name means nobody.
    As(&'static str, &'static str),
    /// Calls carry this token from now on.
    Carry(&'static str),
    /// Sends on the watch stream of this number.
    Watch(u8, RequestUnion),
    /// Reads so many events and other messages from it.
    Watched(u8, usize),
    /// Reads from it up to the event of this key.
    WatchedUntil(u8, &'static str),
    Observe(u8, &'static str),
    Observed(u8),
    /// Asks without waiting for the answer, which [`Step::End`] is.
    Begin(u8, Ask),
    Waits(u8),
    End(u8),
    Abandon(u8),
    KeepAlive(Vec<i64>),
    Pause(Duration),
    /// etcd 3.4 and we answer differently, and this is why.
    Differs(Box<Step>, Difference),
}

/// A difference that is meant. Both replies must hold what is named.
#[derive(Debug, Clone, Copy)]
pub struct Difference {
    pub because: &'static str,
    pub etcd: &'static str,
    pub ours: &'static str,
}

impl<T: Into<Ask>> From<T> for Step {
    fn from(ask: T) -> Step {
        Step::Ask(ask.into())
    }
}

/// The steps of a conversation.
#[macro_export]
macro_rules! talk {
    ($($step:expr),+ $(,)?) => { vec![$($crate::talk::Step::from($step)),+] };
}

/// One side of a conversation.
pub struct Side {
    pub peer: Peer,
    ongoing: Ongoing,
}

impl Side {
    pub fn new(endpoint: &str) -> Self {
        Side { peer: Peer::new(endpoint), ongoing: Ongoing::default() }
    }

    /// Ends all streams.
    pub fn leave_off(&mut self) {
        self.ongoing = Ongoing::default();
    }

    pub async fn take(&mut self, step: &Step) -> String {
        let Side { peer, ongoing } = self;
        match step.clone() {
            Step::Ask(ask) => peer.tell(ask).await,
            Step::As(name, password) => peer.become_user(name, password).await,
            Step::Carry(token) => {
                peer.carry(token);
                String::new()
            }
            Step::Watch(stream, request) => ongoing.watch(peer, stream, request).await,
            Step::Watched(stream, count) => ongoing.watched(stream, count).await,
            Step::WatchedUntil(stream, key) => ongoing.watched_until(stream, key).await,
            Step::Observe(stream, name) => ongoing.observe(peer, stream, name).await,
            Step::Observed(stream) => ongoing.observed(stream).await,
            Step::Begin(number, ask) => ongoing.begin(peer, number, ask),
            Step::Waits(number) => ongoing.waits(number),
            Step::End(number) => ongoing.end(number).await,
            Step::Abandon(number) => ongoing.abandon(number),
            Step::KeepAlive(ids) => ongoing.keep_alive(peer, ids).await,
            Step::Pause(time) => {
                tokio::time::sleep(time).await;
                String::new()
            }
            Step::Differs(step, _) => Box::pin(self.take(&step)).await,
        }
    }
}

/// Has the conversation with both, and compares every reply.
pub fn compare(steps: &[Step]) {
    with_both(async |mut etcd, mut ours| {
        let wrong = differences(&mut etcd, &mut ours, steps).await;
        let count = wrong.len();
        assert!(
            wrong.is_empty(),
            "{count} of {} replies differ\n{}",
            steps.len(),
            wrong.join("\n")
        );
    });
}

/// Runs a test with a fresh etcd and a fresh one of ours, if etcd is installed.
pub fn with_both(test: impl AsyncFnOnce(Side, Side)) {
    if !Etcd::is_installed() {
        assert!(std::env::var_os("CI").is_none(), "CI has etcd to compare with");
        return eprintln!("SKIPPED: etcd is not installed");
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().worker_threads(2).build().expect("a runtime");
    runtime.block_on(async {
        let etcd = Etcd::start().await;
        let ours = Ours::start().await;
        test(Side::new(&etcd.endpoint), Side::new(&ours.endpoint)).await;
        ours.stop().await;
    });
}

async fn differences(etcd: &mut Side, ours: &mut Side, steps: &[Step]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (place, step) in steps.iter().enumerate() {
        let (theirs, our) = tokio::join!(etcd.take(step), ours.take(step));
        if let Some(difference) = judge(step, &theirs, &our) {
            wrong.push(format!("--- step {place}: {step:?}\n{difference}"));
        }
    }
    wrong
}

/// What is wrong with two replies.
pub fn judge(step: &Step, etcd: &str, ours: &str) -> Option<String> {
    let Step::Differs(_, meant) = step else {
        return (etcd != ours).then(|| lines(etcd, ours));
    };
    let as_meant = etcd != ours && etcd.contains(meant.etcd) && ours.contains(meant.ours);
    let because = meant.because;
    (!as_meant).then(|| format!("not the difference because: {because}\n{}", lines(etcd, ours)))
}

/// Two texts, line by line: `-` is etcd's, `+` is ours.
fn lines(etcd: &str, ours: &str) -> String {
    let (etcd, ours): (Vec<_>, Vec<_>) = (etcd.lines().collect(), ours.lines().collect());
    let same = etcd.iter().zip(&ours).take_while(|(a, b)| a == b).count();
    let (etcd_rest, ours_rest) = (etcd[same..].iter().rev(), ours[same..].iter().rev());
    let tail = etcd_rest.zip(ours_rest).take_while(|(a, b)| a == b).count();
    let part = |sign: &str, lines: &[&str]| -> String {
        lines[same..lines.len() - tail].iter().map(|line| format!("{sign} {line}\n")).collect()
    };
    let context: String =
        etcd[..same].iter().rev().take(4).rev().map(|line| format!("  {line}\n")).collect();
    format!("{context}{}{}", part("-", &etcd), part("+", &ours))
}
