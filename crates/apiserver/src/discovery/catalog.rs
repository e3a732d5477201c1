//! Every group with its versions, whoever answers for them, in the order in which clients are shown
//! them: by the priorities of their APIServices, as upstream.

use crate::aggregation::{Extension, Extensions, Priority};
use crate::computed::METRICS;
use crate::kinds::Served;

/// What is served at one moment, here and behind this server.
#[derive(Clone, Copy)]
pub(super) struct Catalog<'a> {
    pub(super) kinds: &'a Served,
    pub(super) extensions: &'a Extensions,
}

/// A group.
pub(super) struct Group<'a> {
    pub(super) name: &'a str,
    /// The preferred one first.
    pub(super) versions: Vec<Version<'a>>,
}

/// A group's version.
pub(super) struct Version<'a> {
    pub(super) name: &'a str,
    /// Who answers, where it is not this server.
    pub(super) extension: Option<&'a Extension>,
    priority: Priority,
}

impl<'a> Catalog<'a> {
    /// The core group first; it has no name.
    pub(super) fn groups(&self) -> Vec<Group<'a>> {
        let extensions = self.extensions;
        let own = self.kinds.group_versions().into_iter().chain([METRICS]);
        let own = own.filter(|(group, version)| extensions.find(group, version).is_none());
        let own = own.map(|(group, name)| {
            let priority = Priority::local(group, name);
            (group, Version { name, extension: None, priority })
        });
        let others = extensions.all().map(|extension| {
            let name = extension.version.as_str();
            let version =
                Version { name, extension: Some(extension), priority: extension.priority };
            (extension.group.as_str(), version)
        });
        let mut groups: Vec<Group<'a>> = Vec::new();
        for (name, version) in own.chain(others) {
            match groups.iter_mut().find(|group| group.name == name) {
                Some(group) => group.versions.push(version),
                None => groups.push(Group { name, versions: vec![version] }),
            }
        }
        for group in &mut groups {
            // Stable: among equals the order of the kinds decides.
            group.versions.sort_by_key(|version| std::cmp::Reverse(version.priority.version));
        }
        groups.sort_by(|a, b| b.priority().cmp(&a.priority()).then_with(|| a.name.cmp(b.name)));
        groups
    }

    /// The groups besides core.
    pub(super) fn named_groups(&self) -> impl Iterator<Item = Group<'a>> + use<'a> {
        self.groups().into_iter().filter(|group| !group.name.is_empty())
    }
}

impl Version<'_> {
    /// Does whoever answers answer?
    pub(super) fn is_available(&self) -> bool {
        self.extension.is_none_or(|extension| extension.available)
    }
}

impl Group<'_> {
    fn priority(&self) -> i64 {
        self.versions.iter().map(|version| version.priority.group).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_versions_come_by_their_priorities() {
        let (kinds, extensions) = (Served::with([]), Extensions::default());
        let groups = Catalog { kinds: &kinds, extensions: &extensions }.groups();
        let names: Vec<&str> = groups.iter().map(|group| group.name).collect();
        assert_eq!(names[..4], ["", "apiregistration.k8s.io", "apps", "events.k8s.io"]);
        let autoscaling = groups.iter().find(|group| group.name == "autoscaling").unwrap();
        let versions: Vec<&str> = autoscaling.versions.iter().map(|version| version.name).collect();
        assert_eq!(versions, ["v2", "v1"]);
    }
}
