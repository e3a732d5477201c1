//! What an informer saw, held against what happened.

use std::collections::BTreeMap;

use crate::history::{History, Selection, State};
use crate::reflector::{Change, Notes, Seen};

/// Where an informer is in the history.
pub struct Check<'a> {
    states: &'a BTreeMap<String, Vec<State>>,
    selection: Selection,
    /// The state of each object that the informer knows.
    at: BTreeMap<&'a str, usize>,
    /// The newest revision it was told.
    last: u64,
}

impl Check<'_> {
    /// Reads all notes; the first thing that is wrong with them is the error.
    pub fn of(history: &History, notes: &Notes) -> Result<(), String> {
        let states = history.states();
        let selection = notes.habits.selection;
        let mut check = Check { states: &states, selection, at: BTreeMap::new(), last: 0 };
        for seen in &notes.seen {
            match seen {
                Seen::All { revision, objects } => check.all(*revision, objects)?,
                Seen::Bookmark { revision } => check.bookmark(*revision)?,
                Seen::Event { change, key, number, revision } => {
                    check.event(*change, key, *number, *revision)?;
                }
            }
        }
        check.finished()
    }

    fn bookmark(&mut self, revision: u64) -> Result<(), String> {
        if revision < self.last {
            return Err(format!("a bookmark at {revision} after {}", self.last));
        }
        self.last = revision;
        Ok(())
    }

    /// A list is the state of one revision, no older than what was seen before.
    fn all(&mut self, revision: u64, objects: &BTreeMap<String, (u64, u64)>) -> Result<(), String> {
        self.bookmark(revision)?;
        for (key, states) in self.states {
            let index = match objects.get(key) {
                Some(about) => self.listed(states, *about, revision),
                None => Ok(self.absent(states, revision)?),
            };
            let index = index.map_err(|why: String| format!("list at {revision}: {key}: {why}"))?;
            let before = self.at.insert(key, index).unwrap_or(0);
            // Between two states that are not seen nobody can tell.
            if index < before && self.next(states, index, before).is_some() {
                return Err(format!("list at {revision}: {key} went back to {:?}", states[index]));
            }
        }
        Ok(())
    }

    fn listed(
        &self,
        states: &[State],
        (number, revision): (u64, u64),
        list: u64,
    ) -> Result<usize, String> {
        let same = |state: &State| state.there && state.number == number;
        let index = states.iter().position(same).ok_or("it never was so")?;
        if !self.selection.selects(states[index]) {
            return Err(format!("{:?} is not selected", states[index]));
        }
        if states[index].revision != Some(revision) || revision > list {
            return Err(format!("{:?} is shown at {revision}", states[index]));
        }
        match states.get(index + 1).and_then(|next| next.revision) {
            Some(next) if next <= list => Err(format!("it is as before {next}")),
            _ => Ok(index),
        }
    }

    /// What state an object was in that a list does not have.
    fn absent(&self, states: &[State], list: u64) -> Result<usize, String> {
        let mut revision = 0;
        let mut found = 0;
        for (index, state) in states.iter().enumerate() {
            // A deletion was at some time after the version it deleted.
            revision = state.revision.unwrap_or(revision + 1);
            if revision <= list {
                found = index;
            }
        }
        match self.selection.selects(states[found]) {
            true => Err(format!("a list at {list} lacks {:?}", states[found])),
            false => Ok(found),
        }
    }

    fn event(
        &mut self,
        change: Change,
        key: &str,
        number: u64,
        revision: u64,
    ) -> Result<(), String> {
        if revision <= self.last {
            return Err(format!("{change:?} {key} at {revision} after {}", self.last));
        }
        self.last = revision;
        // Others put objects into the namespace too; of these only the order is known.
        let Some((key, states)) = self.states.get_key_value(key) else { return Ok(()) };
        let at = self.at.get(key.as_str()).copied().unwrap_or(0);
        let got = format!("{change:?} {key} {number} at {revision}");
        let Some((index, expected)) = self.next(states, at, states.len() - 1) else {
            return Err(format!("{got}, after which nothing happened to it"));
        };
        let (state, before) = (states[index], states[index - 1]);
        let shown = if expected == Change::Deleted { before.number } else { state.number };
        let right = state.revision.is_none_or(|known| known == revision)
            && before.revision.is_none_or(|before| before < revision)
            && states.get(index + 1).and_then(|s| s.revision).is_none_or(|next| revision < next);
        if (change, number, right) != (expected, shown, true) {
            return Err(format!("{got}, but it was {expected:?} {shown} as {state:?}"));
        }
        self.at.insert(key, index);
        Ok(())
    }

    /// The first change after a state, up to another, that the informer is to see.
    fn next(&self, states: &[State], after: usize, upto: usize) -> Option<(usize, Change)> {
        (after + 1..=upto).find_map(|index| {
            let selects = |index: usize| self.selection.selects(states[index]);
            let change = match (selects(index - 1), selects(index)) {
                (false, true) => Change::Added,
                (true, true) => Change::Modified,
                (true, false) => Change::Deleted,
                (false, false) => return None,
            };
            Some((index, change))
        })
    }

    /// Nothing is left to be seen.
    fn finished(&self) -> Result<(), String> {
        for (key, states) in self.states {
            let at = self.at.get(key.as_str()).copied().unwrap_or(0);
            if let Some((index, change)) = self.next(states, at, states.len() - 1) {
                return Err(format!("{key}: it missed {change:?} {:?}", states[index]));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reflector::Habits;

    /// Made at 10, changed at 12, deleted between that and 16, made again at 16.
    fn history() -> History {
        let history = History::default();
        for (number, there, revision) in
            [(1, true, Some(10)), (2, true, Some(12)), (2, false, None), (4, true, Some(16))]
        {
            history.add("a", State { number, there, revision });
        }
        history
    }

    fn list(revision: u64, objects: &[(u64, u64)]) -> Seen {
        let objects = objects.iter().map(|about| ("a".to_owned(), *about)).collect();
        Seen::All { revision, objects }
    }

    fn event(change: Change, number: u64, revision: u64) -> Seen {
        Seen::Event { change, key: "a".to_owned(), number, revision }
    }

    #[track_caller]
    fn check(selection: Selection, seen: Vec<Seen>, expected: Result<(), &str>) {
        let habits = Habits { selection, ..Habits::of(0) };
        let shown = format!("{seen:?}");
        let notes = Notes { habits, seen, events: 0, resumed: 0, expired: 0 };
        let found = Check::of(&history(), &notes);
        match expected {
            Ok(()) => assert_eq!(found, Ok(()), "{shown}"),
            Err(part) => assert!(found.as_ref().is_err_and(|e| e.contains(part)), "{found:?}"),
        }
    }

    #[test]
    fn a_whole_voyage_is_right() {
        use Change::{Added, Deleted, Modified};
        let rest =
            || vec![event(Deleted, 2, 14), Seen::Bookmark { revision: 15 }, event(Added, 4, 16)];
        let with = |first: Vec<Seen>| first.into_iter().chain(rest()).collect::<Vec<_>>();
        check(
            Selection::All,
            with(vec![list(5, &[]), event(Added, 1, 10), event(Modified, 2, 12)]),
            Ok(()),
        );
        check(Selection::Even, with(vec![list(11, &[]), event(Added, 2, 12)]), Ok(()));
        check(Selection::All, vec![list(11, &[(1, 10)]), list(17, &[(4, 16)])], Ok(()));
    }

    #[test]
    fn what_is_missed_repeated_or_stale_is_found() {
        use Change::{Added, Deleted, Modified};
        let begun = || list(12, &[(2, 12)]);
        check(Selection::All, vec![begun()], Err("it missed Deleted"));
        check(Selection::All, vec![begun(), event(Added, 4, 16)], Err("but it was Deleted"));
        check(Selection::All, vec![begun(), event(Modified, 2, 12)], Err("after 12"));
        check(Selection::All, vec![begun(), event(Deleted, 2, 17)], Err("but it was"));
        check(Selection::All, vec![begun(), list(11, &[(1, 10)])], Err("after 12"));
        check(Selection::All, vec![list(12, &[(1, 10)])], Err("it is as before 12"));
        check(Selection::All, vec![list(11, &[])], Err("lacks"));
        check(Selection::Even, vec![list(11, &[(1, 10)])], Err("is not selected"));
        let bookmark = Seen::Bookmark { revision: 11 };
        check(Selection::All, vec![begun(), bookmark], Err("a bookmark"));
    }
}
