//! A store for tests whose operations fail on command, and that shows what a crash would leave.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::memory::{Content, lock};
use super::{LogFile, LogStore, Memory, Note};

/// What happens to operations that write, when there are no more good ones left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No room: an append writes half of its bytes and fails; syncs and cuts work. What was
    /// reserved and is removed makes room again.
    Full,
    /// Syncs fail; all else works.
    Sync,
    /// Everything fails; an append writes half of its bytes before.
    All,
    /// Whoever appends panics.
    Panic,
}

/// What a power cut does to names that were given, changed or removed since they were synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    Kept,
    Lost,
}

#[derive(Clone, Default)]
pub(crate) struct Faulty {
    memory: Memory,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    fault: Option<(usize, Fault)>,
    /// The files as they were when each was synced last.
    synced: Vec<(Content, Vec<u8>)>,
    /// The names as they were when they were synced last.
    names: BTreeMap<String, Content>,
    reserved: BTreeMap<String, u64>,
    /// Room on a full disk: what reserves gave up, less what was written since.
    spare: u64,
}

impl State {
    fn synced(&self, file: &Content) -> &[u8] {
        let known = self.synced.iter().find(|(known, _)| Arc::ptr_eq(known, file));
        known.map_or(&[], |(_, content)| content)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Act {
    /// Of so many bytes.
    Write(u64),
    Sync,
    Cut,
}

impl Faulty {
    /// After `good` more operations, those that write fail.
    pub fn fail_after(&self, good: usize, fault: Fault) {
        self.state().fault = Some((good, fault));
    }

    pub fn heal(&self) {
        self.state().fault = None;
    }

    /// The files as a power cut would leave them: of what was appended and not synced, `kept`
    /// bytes.
    pub fn after_crash(&self, kept: usize) -> Faulty {
        self.after_crash_with(kept, Names::Kept)
    }

    pub fn after_crash_with(&self, kept: usize, names: Names) -> Faulty {
        let after = Faulty::default();
        let state = self.state();
        let files = match names {
            Names::Kept => self.memory.files(),
            Names::Lost => state.names.clone(),
        };
        for (name, file) in files {
            let mut content = state.synced(&file).to_vec();
            let rest = lock(&file).get(content.len()..).unwrap_or_default().to_vec();
            content.extend(rest.into_iter().take(kept));
            let mut file = after.memory.create(&name).expect("memory creates");
            file.append(&content).expect("memory appends");
            after.mark_synced(&after.memory.content(&name).expect("it was created"));
        }
        after.state().names = after.memory.files();
        drop(state);
        after
    }

    fn mark_synced(&self, file: &Content) {
        let content = lock(file).clone();
        let mut state = self.state();
        state.synced.retain(|(known, _)| !Arc::ptr_eq(known, file));
        state.synced.push((file.clone(), content));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn act(&self, act: Act) -> io::Result<()> {
        let mut state = self.state();
        let State { fault, spare, .. } = &mut *state;
        let Some((good, fault)) = fault else { return Ok(()) };
        if *good > 0 {
            *good -= 1;
            return Ok(());
        }
        match (*fault, act) {
            (Fault::Full, Act::Write(bytes)) => match spare.checked_sub(bytes) {
                Some(left) => {
                    *spare = left;
                    Ok(())
                }
                None => Err(io::ErrorKind::StorageFull.into()),
            },
            (Fault::All, _) | (Fault::Sync, Act::Sync) => Err(io::Error::other("broken disk")),
            (Fault::Panic, Act::Write(_)) => panic!("the test wants a panic here"),
            (Fault::Full | Fault::Sync | Fault::Panic, _) => Ok(()),
        }
    }

    fn file(&self, name: &str, file: Box<dyn LogFile>) -> io::Result<Box<dyn LogFile>> {
        let content = self.memory.content(name)?;
        Ok(Box::new(FaultyFile { store: self.clone(), content, file }))
    }
}

impl LogStore for Faulty {
    fn list(&self) -> io::Result<Vec<String>> {
        self.memory.list()
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn Read + '_>> {
        self.memory.read(name)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn LogFile>> {
        self.act(Act::Write(1))?;
        let file = self.memory.create(name)?;
        self.file(name, file)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn LogFile>> {
        let file = self.memory.open(name)?;
        self.file(name, file)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.act(Act::Cut)?;
        self.memory.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.act(Act::Cut)?;
        let mut state = self.state();
        state.spare += state.reserved.remove(name).unwrap_or(0);
        drop(state);
        self.memory.remove(name)
    }

    fn sync_names(&self) -> io::Result<()> {
        self.act(Act::Sync)?;
        self.state().names = self.memory.files();
        Ok(())
    }

    fn note(&self, name: &str) -> io::Result<Box<dyn Note>> {
        let note = self.memory.note(name)?;
        Ok(Box::new(FaultyNote { store: self.clone(), note }))
    }

    fn reserve(&self, name: &str, bytes: u64) -> io::Result<()> {
        self.act(Act::Write(bytes))?;
        self.state().reserved.insert(name.to_owned(), bytes);
        self.memory.reserve(name, bytes)
    }

    fn room(&self) -> io::Result<u64> {
        let state = self.state();
        let is_full = matches!(state.fault, Some((0, Fault::Full)));
        Ok(if is_full { state.spare } else { u64::MAX })
    }

    fn path(&self, name: &str) -> PathBuf {
        name.into()
    }
}

struct FaultyFile {
    store: Faulty,
    content: Content,
    file: Box<dyn LogFile>,
}

impl LogFile for FaultyFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.store.act(Act::Write(bytes.len() as u64)) {
            self.file.append(&bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        self.file.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.store.act(Act::Sync)?;
        self.store.mark_synced(&self.content);
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.store.act(Act::Cut)?;
        self.file.truncate(len)
    }
}

struct FaultyNote {
    store: Faulty,
    note: Box<dyn Note>,
}

impl Note for FaultyNote {
    fn write(&mut self, content: &[u8]) -> io::Result<()> {
        // It is written over in place, which needs no room.
        self.store.act(Act::Cut)?;
        self.note.write(content)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.store.act(Act::Sync)?;
        self.note.sync()
    }
}
