//! A store for tests whose operations fail on command, and that shows what a crash would leave.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

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
}

#[derive(Clone, Default)]
pub(crate) struct Faulty {
    memory: Memory,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    fault: Option<(usize, Fault)>,
    /// How long each file was at its last sync.
    synced: BTreeMap<String, usize>,
    reserved: BTreeMap<String, u64>,
    /// Room on a full disk: what reserves gave up, less what was written since.
    spare: u64,
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

    /// The files as a power cut would leave them: of what was not synced, `kept` bytes.
    pub fn after_crash(&self, kept: usize) -> Faulty {
        let after = Faulty::default();
        let state = self.state();
        for name in self.list().expect("memory lists") {
            let mut content = Vec::new();
            let mut reader = self.memory.read(&name).expect("a listed file is there");
            reader.read_to_end(&mut content).expect("memory reads");
            let synced = state.synced.get(&name).copied().unwrap_or(0);
            content.truncate(synced + kept);
            let mut file = after.memory.create(&name).expect("memory creates");
            file.append(&content).expect("memory appends");
            after.state().synced.insert(name, content.len());
        }
        drop(state);
        after
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the state")
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
            (Fault::Full | Fault::Sync, _) => Ok(()),
        }
    }

    fn file(&self, name: &str, file: Box<dyn LogFile>) -> Box<dyn LogFile> {
        Box::new(FaultyFile { store: self.clone(), name: name.to_owned(), file })
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
        self.state().synced.insert(name.to_owned(), 0);
        Ok(self.file(name, self.memory.create(name)?))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn LogFile>> {
        Ok(self.file(name, self.memory.open(name)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.act(Act::Cut)?;
        let mut state = self.state();
        let synced = state.synced.remove(from).unwrap_or(0);
        state.synced.insert(to.to_owned(), synced);
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
        self.act(Act::Sync)
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
    name: String,
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
        let mut content = Vec::new();
        self.store.memory.read(&self.name)?.read_to_end(&mut content)?;
        self.store.state().synced.insert(self.name.clone(), content.len());
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
