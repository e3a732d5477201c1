//! What a namespace that is being deleted says of its end: one condition for each thing that may
//! hold it up, with Kubernetes' reasons and texts.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::NamespaceCondition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// What is left of a namespace after an attempt to empty it.
#[derive(Debug, Default)]
pub(super) struct Remains {
    /// How many objects, by `resource.group`.
    pub objects: BTreeMap<String, usize>,
    /// How many objects wait for each finalizer.
    pub finalizers: BTreeMap<String, usize>,
    /// Why it is not known what there may be.
    pub discovery: Option<String>,
    /// What could not be deleted.
    pub failures: Vec<String>,
}

/// A condition's type, and its reason and message while all is well.
const WELL: [(&str, &str, &str); 5] = [
    (
        "NamespaceDeletionDiscoveryFailure",
        "ResourcesDiscovered",
        "All resources successfully discovered",
    ),
    (
        "NamespaceDeletionGroupVersionParsingFailure",
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    (
        "NamespaceDeletionContentFailure",
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    ("NamespaceContentRemaining", "ContentRemoved", "All content successfully removed"),
    (
        "NamespaceFinalizersRemaining",
        "ContentHasNoFinalizers",
        "All content-preserving finalizers finished",
    ),
];

impl Remains {
    /// May the namespace go?
    pub(super) fn is_nothing(&self) -> bool {
        self.objects.is_empty() && self.discovery.is_none() && self.failures.is_empty()
    }

    /// The reason and message of a condition that holds.
    fn of(&self, condition: &str) -> Option<(&'static str, String)> {
        match condition {
            "NamespaceDeletionDiscoveryFailure" => {
                let why = self.discovery.as_ref()?;
                Some(("DiscoveryFailed", format!("Discovery failed for some groups: {why}")))
            }
            "NamespaceDeletionContentFailure" if !self.failures.is_empty() => {
                let (len, all) = (self.failures.len(), self.failures.join(", "));
                let text = format!("Failed to delete all resource types, {len} remaining: {all}");
                Some(("ContentDeletionFailed", text))
            }
            "NamespaceContentRemaining" if !self.objects.is_empty() => {
                let left = listed(&self.objects, "has");
                Some(("SomeResourcesRemain", format!("Some resources are remaining: {left}")))
            }
            "NamespaceFinalizersRemaining" if !self.finalizers.is_empty() => {
                let left = listed(&self.finalizers, "in");
                let text =
                    format!("Some content in the namespace has finalizers remaining: {left}");
                Some(("SomeFinalizersRemain", text))
            }
            _ => None,
        }
    }
}

fn listed(counts: &BTreeMap<String, usize>, word: &str) -> String {
    let each = counts.iter().map(|(what, n)| format!("{what} {word} {n} resource instances"));
    each.collect::<Vec<_>>().join(", ")
}

/// Brings the conditions up to date. Returns whether anything changed.
pub(super) fn update(
    conditions: &mut Vec<NamespaceCondition>,
    remains: &Remains,
    now: &Time,
) -> bool {
    let mut changed = false;
    for (type_, reason, message) in WELL {
        let (status, reason, message) = match remains.of(type_) {
            Some((reason, message)) => ("True", reason, message),
            None => ("False", reason, message.to_owned()),
        };
        let mut new = NamespaceCondition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message),
            last_transition_time: Some(now.clone()),
        };
        match conditions.iter_mut().find(|old| old.type_ == type_) {
            None => {
                conditions.push(new);
                changed = true;
            }
            Some(old) => {
                if old.status == new.status {
                    new.last_transition_time.clone_from(&old.last_transition_time);
                }
                changed |= *old != new;
                *old = new;
            }
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remains(objects: &[(&str, usize)], finalizers: &[(&str, usize)]) -> Remains {
        let counts = |all: &[(&str, usize)]| {
            all.iter().map(|(what, count)| ((*what).to_owned(), *count)).collect()
        };
        Remains { objects: counts(objects), finalizers: counts(finalizers), ..Remains::default() }
    }

    #[track_caller]
    fn check(remains: &Remains, type_: &str, expected: (&str, &str, &str)) {
        let mut conditions = Vec::new();
        assert!(update(&mut conditions, remains, &Time(jiff::Timestamp::UNIX_EPOCH)));
        let found = conditions.iter().find(|one| one.type_ == type_).expect("the condition");
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        assert_eq!(
            (found.status.as_str(), &*text(&found.reason), &*text(&found.message)),
            expected
        );
    }

    #[test]
    fn each_thing_that_holds_a_namespace_up_is_told() {
        let held = remains(&[("configmaps.", 1), ("deployments.apps", 2)], &[("example.com/a", 3)]);
        check(
            &held,
            "NamespaceContentRemaining",
            (
                "True",
                "SomeResourcesRemain",
                "Some resources are remaining: configmaps. has 1 resource instances, deployments.apps has 2 resource instances",
            ),
        );
        check(
            &held,
            "NamespaceFinalizersRemaining",
            (
                "True",
                "SomeFinalizersRemain",
                "Some content in the namespace has finalizers remaining: example.com/a in 3 resource instances",
            ),
        );
        check(
            &held,
            "NamespaceDeletionContentFailure",
            (
                "False",
                "ContentDeleted",
                "All content successfully deleted, may be waiting on finalization",
            ),
        );
    }

    #[test]
    fn the_same_again_is_no_change_and_keeps_its_time() {
        let mut conditions = Vec::new();
        let held = remains(&[("pods.", 1)], &[]);
        let (first, later) = (Time(jiff::Timestamp::UNIX_EPOCH), Time(jiff::Timestamp::MAX));
        assert!(update(&mut conditions, &held, &first));
        assert!(!update(&mut conditions, &held, &later));
        assert!(update(&mut conditions, &Remains::default(), &later));
        let time = |at: usize| conditions[at].last_transition_time.clone();
        assert_eq!((time(2), time(3)), (Some(first), Some(later)));
    }
}
