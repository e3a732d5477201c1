//! A list and watch loop as client-go's reflector runs it, that notes what it sees.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::Voyage;
use crate::cluster::{Cluster, Lines, OBJECTS};
use crate::history::Selection;
use crate::writer::FENCE;

/// How long a server that does not answer is left alone.
const BREATH: Duration = Duration::from_millis(50);
/// Objects on a page, for those who list in pages.
const PAGE: usize = 7;
/// Said of the bookmark behind the last object that was there.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// How an informer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    List,
    Pages,
    WatchList,
}

/// What one informer is like.
#[derive(Debug, Clone, Copy)]
pub struct Habits {
    pub selection: Selection,
    pub start: Start,
    /// Its watches end by themselves.
    pub short: bool,
    /// It sleeps through storms.
    pub dozes: bool,
    /// It wants metadata only.
    pub partial: bool,
}

impl Habits {
    /// All mixtures, one after the other.
    pub fn of(index: u64) -> Self {
        let start = match index % 3 {
            0 => Start::List,
            1 => Start::Pages,
            _ => Start::WatchList,
        };
        let is = |bit: u64| ((index / 3) >> bit) & 1 == 1;
        let selection = if is(0) { Selection::Even } else { Selection::All };
        Self { selection, start, dozes: is(1), short: is(2), partial: is(3) }
    }
}

/// One thing that an informer saw.
#[derive(Debug)]
pub enum Seen {
    /// All that is selected, by name: its number and its revision.
    All {
        revision: u64,
        objects: BTreeMap<String, (u64, u64)>,
    },
    Event {
        change: Change,
        key: String,
        number: u64,
        revision: u64,
    },
    Bookmark {
        revision: u64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Change {
    Added,
    Modified,
    Deleted,
    Bookmark,
    Error,
}

/// What an informer saw, and how its watches went.
pub struct Notes {
    pub habits: Habits,
    pub seen: Vec<Seen>,
    pub events: u64,
    pub resumed: u64,
    pub expired: u64,
}

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    change: Change,
    object: Object,
}

#[derive(Deserialize)]
struct List {
    metadata: Metadata,
    items: Vec<Object>,
}

/// An object, or the Status of an error.
#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    code: u16,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: String,
    resource_version: String,
    #[serde(rename = "continue")]
    token: String,
    annotations: BTreeMap<String, String>,
}

impl Metadata {
    fn revision(&self) -> u64 {
        self.resource_version.parse().expect("a resourceVersion")
    }

    /// Of an object that is not one of ours it is of no concern.
    fn number(&self) -> u64 {
        self.annotations.get("number").map_or(0, |text| text.parse().expect("a number"))
    }
}

/// All that is selected, as of a revision.
struct All {
    revision: u64,
    objects: BTreeMap<String, (u64, u64)>,
}

/// How a watch ended.
enum End {
    /// The connection broke, or its time was over: watch on.
    Cut,
    /// What is wanted is no longer kept: list again.
    Expired,
    /// Everything was seen.
    Fence,
}

pub struct Reflector {
    cluster: Cluster,
    notes: Notes,
}

impl Reflector {
    pub fn new(cluster: Cluster, habits: Habits) -> Self {
        let notes = Notes { habits, seen: Vec::new(), events: 0, resumed: 0, expired: 0 };
        Self { cluster, notes }
    }

    pub async fn run(mut self, voyage: Arc<Voyage>) -> Notes {
        let mut storm = voyage.storm.subscribe();
        let mut begun = None;
        loop {
            let Some((mut revision, mut lines)) = begun.take() else {
                begun = self.begin().await;
                if begun.is_none() {
                    tokio::time::sleep(BREATH).await;
                }
                continue;
            };
            loop {
                if self.notes.seen.last().is_some_and(has_fence) {
                    return self.notes;
                }
                let dozes = self.notes.habits.dozes;
                let end = tokio::select! {
                    end = self.watch(&mut revision, lines.take()) => Some(end),
                    _ = storm.wait_for(|storm| *storm), if dozes => None,
                };
                match end {
                    None => drop(storm.wait_for(|storm| !*storm).await),
                    Some(End::Cut) => self.notes.resumed += 1,
                    Some(End::Fence) => return self.notes,
                    Some(End::Expired) => {
                        self.notes.expired += 1;
                        break;
                    }
                }
            }
        }
    }

    fn accept(&self, list: bool) -> &'static str {
        match (self.notes.habits.partial, list) {
            (true, true) => "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
            (true, false) => "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
            (false, _) => "application/json",
        }
    }

    fn selector(&self) -> &'static str {
        match self.notes.habits.selection {
            Selection::All => "",
            Selection::Even => "&labelSelector=parity%3Deven",
        }
    }

    async fn get(&self, query: &str, list: bool) -> Option<(u16, Lines)> {
        let path = format!("{OBJECTS}?{query}{}", self.selector());
        self.cluster.open("GET", &path, self.accept(list), None).await.ok()
    }

    /// Takes in all that is there, and says as of when; and the watch that has begun with it.
    async fn begin(&mut self) -> Option<(u64, Option<Lines>)> {
        let (all, lines) = match self.notes.habits.start {
            Start::List => (self.list("").await?, None),
            Start::Pages => (self.list(&format!("limit={PAGE}")).await?, None),
            Start::WatchList => {
                let (all, lines) = self.watch_list().await?;
                (all, Some(lines))
            }
        };
        self.notes.seen.push(Seen::All { revision: all.revision, objects: all.objects });
        Some((all.revision, lines))
    }

    async fn list(&self, limit: &str) -> Option<All> {
        let mut objects = BTreeMap::new();
        let mut query = limit.to_owned();
        loop {
            let path = format!("{OBJECTS}?{query}{}", self.selector());
            let list = self.cluster.ask::<serde_json::Value>("GET", &path, None).await.ok()?;
            if list.0 != 200 {
                // The token has expired, or the server is not there yet: from the start.
                assert!(matches!(list.0, 410 | 429 | 500..), "{}", list.1);
                return None;
            }
            let page: List = serde_json::from_value(list.1).expect("a list");
            for Object { metadata, .. } in page.items {
                let about = (metadata.number(), metadata.revision());
                let twice = objects.insert(metadata.name, about);
                assert!(twice.is_none(), "an object is on two pages");
            }
            if page.metadata.token.is_empty() {
                return Some(All { revision: page.metadata.revision(), objects });
            }
            query = format!("{limit}&continue={}", page.metadata.token);
        }
    }

    async fn watch_list(&self) -> Option<(All, Lines)> {
        let query = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan\
                     &allowWatchBookmarks=true";
        let (_, mut lines) = self.get(query, false).await.filter(|(code, _)| *code == 200)?;
        let mut objects = BTreeMap::new();
        loop {
            let line: Line = serde_json::from_slice(&lines.next().await?).expect("an event");
            let metadata = line.object.metadata;
            match line.change {
                Change::Added => {
                    let about = (metadata.number(), metadata.revision());
                    let twice = objects.insert(metadata.name, about);
                    assert!(twice.is_none(), "an object was there twice");
                }
                Change::Bookmark => {
                    assert_eq!(metadata.annotations[INITIAL_EVENTS_END], "true");
                    return Some((All { revision: metadata.revision(), objects }, lines));
                }
                Change::Error => return None,
                other => panic!("{other:?} before the initial events end"),
            }
        }
    }

    /// Watches on from a revision, and moves it.
    async fn watch(&mut self, revision: &mut u64, begun: Option<Lines>) -> End {
        let opened = match begun {
            Some(lines) => Ok(lines),
            None => self.open(*revision).await,
        };
        match opened {
            Ok(lines) => self.follow(lines, revision).await,
            Err(end) => end,
        }
    }

    async fn open(&self, revision: u64) -> Result<Lines, End> {
        let seconds = if self.notes.habits.short { 1 } else { 300 };
        let query = format!(
            "watch=true&allowWatchBookmarks=true&timeoutSeconds={seconds}&resourceVersion={revision}"
        );
        match self.get(&query, false).await {
            Some((200, lines)) => Ok(lines),
            Some((410, _)) => Err(End::Expired),
            other => {
                let code = other.map_or(500, |(code, _)| code);
                assert!(matches!(code, 429 | 500..), "a watch was refused with {code}");
                tokio::time::sleep(BREATH).await;
                Err(End::Cut)
            }
        }
    }

    async fn follow(&mut self, mut lines: Lines, revision: &mut u64) -> End {
        while let Some(line) = lines.next().await {
            // The server was killed in the midst of a line.
            let Ok(line) = serde_json::from_slice::<Line>(&line) else { return End::Cut };
            let metadata = line.object.metadata;
            match line.change {
                Change::Error if line.object.code == 410 => return End::Expired,
                Change::Error => return End::Cut,
                Change::Bookmark => {
                    *revision = metadata.revision();
                    self.notes.seen.push(Seen::Bookmark { revision: *revision });
                }
                change => {
                    *revision = metadata.revision();
                    let (number, key) = (metadata.number(), metadata.name);
                    self.notes.events += 1;
                    let fence = key == FENCE;
                    self.notes.seen.push(Seen::Event { change, key, number, revision: *revision });
                    if fence {
                        return End::Fence;
                    }
                }
            }
        }
        End::Cut
    }
}

fn has_fence(seen: &Seen) -> bool {
    matches!(seen, Seen::All { objects, .. } if objects.contains_key(FENCE))
}
