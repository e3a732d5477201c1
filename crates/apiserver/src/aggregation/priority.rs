//! Which groups and versions clients are shown first. The numbers are upstream's.

use serde_json::Value;

/// Greater comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Priority {
    pub(crate) group: i64,
    pub(crate) version: i64,
}

/// Of groups that definitions make.
const CUSTOM: Priority = Priority { group: 1000, version: 100 };
/// What a version has that is not said to be other.
const VERSION: i64 = 15;

const GROUPS: [(&str, i64); 23] = [
    ("", 18000),
    ("apps", 17800),
    ("events.k8s.io", 17750),
    ("authentication.k8s.io", 17700),
    ("authorization.k8s.io", 17600),
    ("autoscaling", 17500),
    ("batch", 17400),
    ("certificates.k8s.io", 17300),
    ("networking.k8s.io", 17200),
    ("policy", 17100),
    ("rbac.authorization.k8s.io", 17000),
    ("storage.k8s.io", 16800),
    ("apiextensions.k8s.io", 16700),
    ("admissionregistration.k8s.io", 16700),
    ("scheduling.k8s.io", 16600),
    ("coordination.k8s.io", 16500),
    ("node.k8s.io", 16300),
    ("discovery.k8s.io", 16200),
    ("flowcontrol.apiserver.k8s.io", 16100),
    ("internal.apiserver.k8s.io", 16000),
    ("resource.k8s.io", 15900),
    // As the metrics server registers it.
    ("metrics.k8s.io", 100),
    // It has no APIService, and comes before all others at upstream's.
    ("apiregistration.k8s.io", 17900),
];

const VERSIONS: [(&str, &str, i64); 3] =
    [("", "v1", 1), ("autoscaling", "v2", 30), ("flowcontrol.apiserver.k8s.io", "v1", 21)];

impl Priority {
    /// Of a group's version that this server answers for itself.
    pub(crate) fn local(group: &str, version: &str) -> Self {
        let Some((_, of_group)) = GROUPS.iter().find(|(name, _)| *name == group) else {
            return CUSTOM;
        };
        let found = VERSIONS.iter().find(|(g, v, _)| (*g, *v) == (group, version));
        Self { group: *of_group, version: found.map_or(VERSION, |(_, _, priority)| *priority) }
    }

    /// Of an APIService.
    pub(super) fn of(spec: &Value) -> Self {
        let number = |field: &str| spec[field].as_i64().unwrap_or(0);
        Self { group: number("groupPriorityMinimum"), version: number("versionPriority") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_comes_first_and_definitions_last() {
        let all = [("", "v1"), ("apps", "v1"), ("autoscaling", "v2"), ("autoscaling", "v1")];
        let of: Vec<Priority> = all.iter().map(|(g, v)| Priority::local(g, v)).collect();
        assert!(of.is_sorted_by(|a, b| a.group > b.group || a.version > b.version), "{of:?}");
        assert_eq!(Priority::local("example.com", "v1"), CUSTOM);
    }
}
