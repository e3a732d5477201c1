//! The checker of linearizability: key by key, believing nothing but values and times.
//!
//! Which checker this is, and why. The method is Wing and Gong's, made just-in-time by Lowe
//! ("Testing for linearizability", 2017): walk through the history once, keep every pair of (value
//! of the key, pending calls that have taken effect) that can explain what was seen so far, and let
//! a call take effect only when another's return demands it. The set is the memoisation. A call
//! without an answer stays pending to the end: it takes effect once or never. By locality (Herlihy
//! and Wing) a history is linearizable if it is so for every object, so each key is checked alone;
//! of an operation on several keys each sees its own part. What that cannot see, that the parts
//! happened together, is [`super::timeline`]'s to hold.
//!
//! Kept libraries were looked at first. `stateright` 0.31 backtracks without memoisation, copies
//! the history at every step, and is for the short histories of a model checker. `todc-utils` 0.1.1
//! is Wing and Gong's with memoisation, but wants an answer to every call, starts from one constant
//! state, copies a vector as long as the history at every step, and tells no reason. Porcupine is
//! the one everybody uses, and it is Go.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write as _;

use super::history::{Call, Moment, Outcome};
use super::model::{Action, Answer, Entry, Expect, Keys, Operation, Space, Value};

/// Calls that may be pending at once on one key: the width of the set of those that took effect.
const PENDING_MAX: usize = 128;
/// How many calls before the refused one are told.
const TOLD: usize = 12;

/// No order of the calls explains what was seen of this key.
#[derive(Debug, thiserror::Error)]
#[error("{key}: no order explains it; the calls up to the one that cannot be:\n{story}")]
pub struct NotLinearizable {
    pub key: String,
    pub story: String,
}

type State = Option<Value>;

/// What one call does to one key, if it took this branch.
#[derive(Debug, Clone, Default)]
struct Path {
    needs: Vec<Need>,
    touches: Vec<Touch>,
}

#[derive(Debug, Clone, Copy)]
enum Need {
    Is(State),
    IsNot(State),
}

/// An access to the key; `saw` is what the answer said was there before, if there is an answer.
#[derive(Debug, Clone, Copy)]
struct Touch {
    saw: Option<State>,
    /// What it leaves: None for a read.
    leaves: Option<State>,
}

/// One call as one key sees it.
struct Part<'a> {
    call: &'a Call,
    paths: Vec<Path>,
    end: Option<Moment>,
    /// It leaves the key as it is, in whatever order.
    reads_only: bool,
}

/// A way to explain the history so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Config {
    state: State,
    /// By slot: the pending calls that have taken effect.
    done: u128,
}

/// Checks a window of history. `before` is what the key space held when no call was running;
/// keys for which `skip` holds are changed by the server itself and left out.
pub fn check(
    before: &Space,
    calls: &[Call],
    skip: impl Fn(&str) -> bool,
) -> Result<usize, NotLinearizable> {
    let keys = keys(before, calls);
    let mut parts = 0;
    for key in keys.iter().filter(|key| !skip(key)) {
        let history: Vec<_> = calls.iter().filter_map(|call| Part::of(call, key)).collect();
        parts += history.len();
        check_key(before.get(key).map(|entry| entry.value), &history)
            .map_err(|story| NotLinearizable { key: key.clone(), story })?;
    }
    Ok(parts)
}

/// Every key that is named anywhere.
fn keys(before: &Space, calls: &[Call]) -> BTreeSet<String> {
    let mut keys: BTreeSet<String> = before.keys().cloned().collect();
    for call in calls {
        let operation = &call.operation;
        keys.extend(operation.compares.iter().map(|(key, _)| key.clone()));
        for action in operation.then.iter().chain(&operation.otherwise) {
            if let Keys::One(key) = action.keys() {
                keys.insert(key);
            }
        }
        for answer in call.known().iter().flat_map(|(reply, _)| &reply.answers) {
            if let Answer::Got(found) | Answer::Deleted(found) = answer {
                keys.extend(found.iter().map(|(key, _)| key.clone()));
            }
        }
    }
    keys
}

impl<'a> Part<'a> {
    /// None when the call does not concern the key.
    fn of(call: &'a Call, key: &str) -> Option<Self> {
        let (paths, end) = match &call.outcome {
            Outcome::Known { reply, end } => {
                let path = path(&call.operation, key, reply.succeeded, Some(&reply.answers));
                (vec![path], Some(*end))
            }
            Outcome::Unknown => {
                let paths = [true, false].map(|way| path(&call.operation, key, way, None));
                (paths.to_vec(), None)
            }
        };
        let concerns = |path: &Path| !path.needs.is_empty() || !path.touches.is_empty();
        if !paths.iter().any(concerns) {
            return None;
        }
        let reads_only = paths.iter().flat_map(|path| &path.touches).all(Touch::leaves_as_is);
        // A read nobody was answered tells nothing.
        let told = end.is_some() || !reads_only;
        told.then_some(Part { call, paths, end, reads_only })
    }

    /// The values the key may have when the call takes effect on `state`.
    fn step(&self, state: State) -> impl Iterator<Item = State> + '_ {
        self.paths.iter().filter_map(move |path| path.run(state))
    }
}

impl Touch {
    fn leaves_as_is(&self) -> bool {
        self.leaves.is_none() || (self.leaves == Some(None) && self.saw == Some(None))
    }
}

impl Path {
    fn run(&self, before: State) -> Option<State> {
        let met = self.needs.iter().all(|need| match need {
            Need::Is(state) => before == *state,
            Need::IsNot(state) => before != *state,
        });
        let mut state = before;
        for touch in &self.touches {
            if touch.saw.is_some_and(|saw| saw != state) {
                return None;
            }
            state = touch.leaves.unwrap_or(state);
        }
        met.then_some(state)
    }
}

fn path(operation: &Operation, key: &str, succeeded: bool, answers: Option<&[Answer]>) -> Path {
    let compares = operation.compares.iter().filter(|(compared, _)| compared == key);
    let needs = if succeeded {
        compares.flat_map(|(_, expect)| need(*expect)).collect()
    } else if operation.compares.len() == 1 {
        compares.flat_map(|(_, expect)| need(*expect)).map(Need::negated).collect()
    } else {
        // One of several did not hold; which one is not told.
        Vec::new()
    };
    let touches = operation.branch(succeeded).iter().enumerate();
    let touches = touches
        .filter(|(_, action)| action.keys().contains(key))
        .map(|(place, action)| touch(action, answers.map(|answers| &answers[place]), key))
        .collect();
    Path { needs, touches }
}

/// What a compare says about the value. Of revisions this checker knows only "none".
fn need(expect: Expect) -> Option<Need> {
    match expect {
        Expect::Absent | Expect::Modified(0) => Some(Need::Is(None)),
        Expect::Value(value) => Some(Need::Is(Some(value))),
        Expect::Modified(_) => None,
    }
}

impl Need {
    fn negated(self) -> Need {
        match self {
            Need::Is(state) => Need::IsNot(state),
            Need::IsNot(state) => Need::Is(state),
        }
    }
}

fn touch(action: &Action, answer: Option<&Answer>, key: &str) -> Touch {
    let leaves = match action {
        Action::Put { value, .. } => Some(Some(*value)),
        Action::Delete(_) => Some(None),
        Action::Get(_) => None,
    };
    Touch { saw: answer.map(|answer| saw(answer, key)), leaves }
}

fn saw(answer: &Answer, key: &str) -> State {
    let value = |entry: &Entry| entry.value;
    match answer {
        Answer::Put(before) => before.as_ref().map(value),
        Answer::Deleted(found) | Answer::Got(found) => {
            found.iter().find(|(name, _)| name == key).map(|(_, entry)| value(entry))
        }
    }
}

/// The walk through one key's history.
struct Walk<'a> {
    /// By slot.
    pending: Vec<Option<&'a Part<'a>>>,
    configs: HashSet<Config>,
}

fn check_key(before: State, history: &[Part]) -> Result<(), String> {
    let mut walk =
        Walk { pending: Vec::new(), configs: HashSet::from([Config { state: before, done: 0 }]) };
    let mut slots = BTreeMap::new();
    for (place, (_, is_end, index)) in moments(history).into_iter().enumerate() {
        let part = &history[index];
        if !is_end {
            slots.insert(index, walk.begin(part));
        } else {
            let slot = slots.remove(&index).expect("what ends has begun");
            if !walk.end(slot) {
                return Err(story(before, history, place));
            }
        }
    }
    Ok(())
}

/// Starts and ends in order; what touches at one moment is concurrent.
fn moments(history: &[Part]) -> Vec<(Moment, bool, usize)> {
    let starts = history.iter().enumerate().map(|(index, part)| (part.call.start, false, index));
    let ends = history.iter().enumerate();
    let ends = ends.filter_map(|(index, part)| part.end.map(|end| (end, true, index)));
    let mut moments: Vec<_> = starts.chain(ends).collect();
    moments.sort_unstable();
    moments
}

impl<'a> Walk<'a> {
    /// Gives the call a slot. A read takes effect at once where it can: that rules nothing out.
    fn begin(&mut self, part: &'a Part<'a>) -> usize {
        let slot = self.pending.iter().position(Option::is_none).unwrap_or_else(|| {
            self.pending.push(None);
            self.pending.len() - 1
        });
        assert!(slot < PENDING_MAX, "too many calls on one key at once");
        self.pending[slot] = Some(part);
        if part.reads_only {
            let configs = std::mem::take(&mut self.configs);
            self.configs = configs.into_iter().map(|config| self.read(config)).collect();
        }
        slot
    }

    /// Lets all pending reads that fit take effect.
    fn read(&self, mut config: Config) -> Config {
        for (slot, part) in self.pending.iter().enumerate() {
            let fits = |part: &&Part| part.reads_only && part.step(config.state).next().is_some();
            if part.as_ref().is_some_and(fits) {
                config.done |= 1 << slot;
            }
        }
        config
    }

    /// The call in `slot` has returned: it has taken effect in every way that remains. False when
    /// there is none.
    fn end(&mut self, slot: usize) -> bool {
        let bit = 1u128 << slot;
        let mut remaining: Vec<_> = self.configs.drain().collect();
        let mut seen: HashSet<Config> = remaining.iter().copied().collect();
        let mut explained = HashSet::new();
        while let Some(config) = remaining.pop() {
            if config.done & bit != 0 {
                explained.insert(Config { done: config.done & !bit, ..config });
                continue;
            }
            for next in self.nexts(config) {
                if seen.insert(next) {
                    remaining.push(next);
                }
            }
        }
        self.configs = explained;
        self.pending[slot] = None;
        !self.configs.is_empty()
    }

    /// What may be when one more pending call takes effect.
    fn nexts(&self, config: Config) -> Vec<Config> {
        let pending = self.pending.iter().enumerate();
        let open = pending.filter(|(slot, _)| config.done & (1 << slot) == 0);
        open.filter_map(|(slot, part)| part.map(|part| (slot, part)))
            .flat_map(|(slot, part)| {
                let done = config.done | 1 << slot;
                part.step(config.state).map(move |state| Config { state, done })
            })
            .map(|config| self.read(config))
            .collect()
    }
}

fn story(before: State, history: &[Part], until: usize) -> String {
    let moments = moments(history);
    let mut story = format!("at first {before:?}\n");
    for (moment, is_end, index) in &moments[(until + 1).saturating_sub(TOLD * 2)..=until] {
        let Part { call, paths, .. } = &history[*index];
        let verb = if *is_end { "returns" } else { "begins" };
        writeln!(story, "{moment} client {} {verb}: {paths:?}", call.client)
            .expect("a string takes all");
    }
    story
}
