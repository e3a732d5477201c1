//! What an operation does to a key space when it is alone. Both checkers judge by this.

use std::collections::BTreeMap;

/// A value is known by the number it was written with; every write has one of its own.
pub type Value = u64;

/// What is stored under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub value: Value,
    pub created: i64,
    pub modified: i64,
    pub version: i64,
    pub lease: i64,
}

/// A key space.
pub type Space = BTreeMap<String, Entry>;

/// Which keys an action is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keys {
    One(String),
    Prefix(String),
}

impl Keys {
    pub fn contains(&self, key: &str) -> bool {
        match self {
            Keys::One(one) => one == key,
            Keys::Prefix(prefix) => key.starts_with(prefix.as_str()),
        }
    }

    fn of(&self, space: &Space) -> Vec<(String, Entry)> {
        match self {
            Keys::One(one) => space.get_key_value(one).map(own).into_iter().collect(),
            Keys::Prefix(prefix) => space
                .range(prefix.clone()..)
                .take_while(|(key, _)| key.starts_with(prefix.as_str()))
                .map(own)
                .collect(),
        }
    }
}

fn own((key, entry): (&String, &Entry)) -> (String, Entry) {
    (key.clone(), *entry)
}

/// What a transaction may demand of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    Absent,
    Value(Value),
    Modified(i64),
}

impl Expect {
    pub fn holds(self, entry: Option<&Entry>) -> bool {
        match (self, entry) {
            (Expect::Absent, entry) => entry.is_none(),
            (Expect::Value(value), entry) => entry.is_some_and(|entry| entry.value == value),
            (Expect::Modified(at), entry) => entry.map_or(0, |entry| entry.modified) == at,
        }
    }
}

/// One part of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Put { key: String, value: Value, lease: i64 },
    Delete(Keys),
    Get(Keys),
}

impl Action {
    pub fn keys(&self) -> Keys {
        match self {
            Action::Put { key, .. } => Keys::One(key.clone()),
            Action::Delete(keys) | Action::Get(keys) => keys.clone(),
        }
    }
}

/// All that happens at once: a plain request is a transaction without compares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Operation {
    pub compares: Vec<(String, Expect)>,
    pub then: Vec<Action>,
    pub otherwise: Vec<Action>,
}

impl Operation {
    /// An operation that asks no questions first.
    pub fn plain(action: Action) -> Self {
        Operation { then: vec![action], ..Self::default() }
    }

    /// What was carried out, by the outcome of the compares.
    pub fn branch(&self, succeeded: bool) -> &[Action] {
        if succeeded { &self.then } else { &self.otherwise }
    }

    /// Whether it could write at all.
    pub fn may_write(&self) -> bool {
        let writes = |action: &Action| !matches!(action, Action::Get(_));
        self.then.iter().chain(&self.otherwise).any(writes)
    }
}

/// What one action answers. Writes answer with what was there before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Put(Option<Entry>),
    Deleted(Vec<(String, Entry)>),
    Got(Vec<(String, Entry)>),
}

/// What an operation answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The revision of the key space that the answer is of.
    pub revision: i64,
    pub succeeded: bool,
    pub answers: Vec<Answer>,
}

/// One change of a key, as watchers see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub key: String,
    /// None: deleted.
    pub now: Option<Entry>,
}

/// Carries `operation` out on `space`, whose head is `revision`: the reply, and what changed. A
/// change makes the revision one higher.
pub fn apply(space: &mut Space, revision: i64, operation: &Operation) -> (Reply, Vec<Change>) {
    let succeeded = operation.compares.iter().all(|(key, expect)| expect.holds(space.get(key)));
    let mut changes = Vec::new();
    let mut answers = Vec::new();
    for action in operation.branch(succeeded) {
        answers.push(act(space, revision + 1, action, &mut changes));
    }
    let revision = if changes.is_empty() { revision } else { revision + 1 };
    (Reply { revision, succeeded, answers }, changes)
}

fn act(space: &mut Space, next: i64, action: &Action, changes: &mut Vec<Change>) -> Answer {
    match action {
        Action::Put { key, value, lease } => {
            let before = space.get(key).copied();
            let (created, version) =
                before.map_or((next, 1), |entry| (entry.created, entry.version + 1));
            let entry = Entry { value: *value, created, modified: next, version, lease: *lease };
            space.insert(key.clone(), entry);
            changes.push(Change { key: key.clone(), now: Some(entry) });
            Answer::Put(before)
        }
        Action::Delete(keys) => {
            let gone = keys.of(space);
            for (key, _) in &gone {
                space.remove(key);
                changes.push(Change { key: key.clone(), now: None });
            }
            Answer::Deleted(gone)
        }
        Action::Get(keys) => Answer::Got(keys.of(space)),
    }
}
