//! Reads the texts of the policy. They are ours: what is wrong in them is found by tests.

use super::Rule;

/// One role or binding as it is written: a name, words behind it, and lines below it.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) words: Vec<String>,
    pub(super) lines: Vec<String>,
}

/// The entries of a text. Lines that begin with a space belong to the entry above them.
pub(super) fn entries(text: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    for line in lines {
        match (line.starts_with(' '), entries.last_mut()) {
            (true, Some(entry)) => entry.lines.push(line.trim().to_owned()),
            _ => {
                let mut words = line.split_whitespace().map(str::to_owned);
                let name = words.next().unwrap_or_default();
                entries.push(Entry { name, words: words.collect(), lines: Vec::new() });
            }
        }
    }
    entries
}

impl Entry {
    /// Its namespace, or "", and its name.
    pub(super) fn place(&self) -> (&str, &str) {
        self.name.split_once('/').unwrap_or(("", &self.name))
    }

    /// What follows such a word.
    pub(super) fn word(&self, begin: &str) -> Option<&str> {
        self.words.iter().find_map(|word| word.strip_prefix(begin))
    }

    /// Its lines as rules.
    pub(super) fn rules(&self) -> Vec<Rule> {
        self.lines.iter().map(|line| rule(line)).collect()
    }
}

fn rule(line: &str) -> Rule {
    let line =
        if line == "EVENTS" { "create patch update : core events.k8s.io : events" } else { line };
    let mut parts = line.split(" : ").map(|part| part.split_whitespace().collect::<Vec<_>>());
    let mut next = || parts.next().unwrap_or_default();
    let (verbs, second, resources, names) = (next(), next(), next(), next());
    let texts = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect();
    let verbs = texts(verbs.iter().flat_map(expand).copied().collect());
    if resources.is_empty() {
        return Rule { verbs, non_resource_urls: texts(second), ..Rule::default() };
    }
    let groups = second.into_iter().map(|group| if group == "core" { "" } else { group });
    Rule {
        verbs,
        api_groups: texts(groups.collect()),
        resources: texts(resources),
        resource_names: texts(names),
        ..Rule::default()
    }
}

/// The verbs that a word stands for.
fn expand<'a>(word: &'a &'a str) -> &'a [&'a str] {
    match *word {
        "READ" => &["get", "list", "watch"],
        "WRITE" => &["create", "delete", "deletecollection", "patch", "update"],
        "ALL" => {
            &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
        }
        _ => std::slice::from_ref(word),
    }
}
