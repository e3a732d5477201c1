//! Pods and templates of pods.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{node_label, ports, storage};
use crate::{Quantity, meta, read};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
const NO_MATCH: &str = "a null labelSelector results in matching no pod";
const SYSCTLS: &str = "non-functional in v1.11+; use the \"sysctls\" field instead";
const OLD_ANNOTATIONS: [(&str, &str); 3] = [
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        "non-functional in v1.16+; use the \"priorityClassName\" field instead",
    ),
    ("security.alpha.kubernetes.io/sysctls", SYSCTLS),
    ("security.alpha.kubernetes.io/unsafe-sysctls", SYSCTLS),
];
const SECCOMP: &str = "non-functional in v1.27+; use the \"seccompProfile\" field instead";
/// Volumes that nothing makes any more, or soon will not.
const OLD_VOLUMES: [(&str, &str, &str); 9] = [
    (
        "photonPersistentDisk",
        "photonPersistentDisk",
        "deprecated in v1.11, non-functional in v1.16+",
    ),
    ("gitRepo", "gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
];

/// A pod, or a template at `path`, which ends with a dot.
pub(super) fn check(path: &str, pod: &Value, found: &mut Vec<String>) {
    let spec = &pod["spec"];
    node_labels(path, spec, found);
    pod_terms(path, spec, found);
    for (key, text) in OLD_ANNOTATIONS {
        if meta::annotation(pod, key).is_some() {
            found.push(format!("{path}metadata.annotations[{key}]: {text}"));
        }
    }
    volumes(path, spec, found);
    twice(path, spec, found);
    fractions(&format!("{path}spec.overhead"), &spec["overhead"], found);
    let seccomp = "seccomp.security.alpha.kubernetes.io/pod";
    if spec["securityContext"]["seccompProfile"].is_null()
        && meta::annotation(pod, seccomp).is_some()
    {
        found.push(format!("{path}metadata.annotations[{seccomp}]: {SECCOMP}"));
    }
    for (at, container) in containers(path, spec) {
        of_container(path, &at, container, pod, found);
    }
    ports::check(containers(path, spec), found);
    if read::int(spec, "terminationGracePeriodSeconds").is_some_and(|seconds| seconds < 0) {
        found.push(format!(
            "{path}spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid \
             and will be treated as 1"
        ));
    }
}

/// All containers in upstream's order, each with its path.
fn containers<'a>(path: &str, spec: &'a Value) -> Vec<(String, &'a Value)> {
    let mut all = Vec::new();
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for (index, container) in read::list(spec, list).iter().enumerate() {
            all.push((format!("{path}spec.{list}[{index}]"), container));
        }
    }
    all
}

fn node_labels(path: &str, spec: &Value, found: &mut Vec<String>) {
    for (key, _) in read::entries(spec, "nodeSelector") {
        if let Some(text) = node_label::replaced(key) {
            found.push(format!("{path}spec.nodeSelector[{key}]: {text}"));
        }
    }
    let affinity = &spec["affinity"]["nodeAffinity"];
    let path_of = |field: &str| format!("{path}spec.affinity.nodeAffinity.{field}");
    for (index, term) in read::list(&affinity[REQUIRED], "nodeSelectorTerms").iter().enumerate() {
        let at = format!("{}.nodeSelectorTerms[{index}]", path_of(REQUIRED));
        node_label::of_term(&at, term, found);
    }
    for (index, term) in read::list(affinity, PREFERRED).iter().enumerate() {
        let at = format!("{}[{index}].preference", path_of(PREFERRED));
        node_label::of_term(&at, &term["preference"], found);
    }
    for (index, spread) in read::list(spec, "topologySpreadConstraints").iter().enumerate() {
        let at = format!("{path}spec.topologySpreadConstraints[{index}]");
        let key = read::text(spread, "topologyKey");
        if let Some(text) = node_label::replaced(key) {
            found.push(format!("{at}.topologyKey: {key} is {text}"));
        }
        if spread["labelSelector"].is_null() {
            found.push(format!("{at}.labelSelector: {NO_MATCH}"));
        }
    }
}

/// Terms about other pods that select none.
fn pod_terms(path: &str, spec: &Value, found: &mut Vec<String>) {
    for kind in ["podAffinity", "podAntiAffinity"] {
        let affinity = &spec["affinity"][kind];
        for (list, inner) in [(REQUIRED, ""), (PREFERRED, ".podAffinityTerm")] {
            for (index, term) in read::list(affinity, list).iter().enumerate() {
                let of = if inner.is_empty() { term } else { &term["podAffinityTerm"] };
                if of["labelSelector"].is_null() {
                    found.push(format!(
                        "{path}spec.affinity.{kind}.{list}[{index}]{inner}.labelSelector: {NO_MATCH}"
                    ));
                }
            }
        }
    }
}

fn volumes(path: &str, spec: &Value, found: &mut Vec<String>) {
    for (index, volume) in read::list(spec, "volumes").iter().enumerate() {
        let at = format!("{path}spec.volumes[{index}]");
        for (source, shown, text) in OLD_VOLUMES {
            if !volume[source].is_null() {
                found.push(format!("{at}.{shown}: {text}"));
            }
        }
        let claim = &volume["ephemeral"]["volumeClaimTemplate"];
        if claim.is_object() {
            let at = format!("{at}.ephemeral.volumeClaimTemplate.spec");
            storage::claim_spec(&at, &claim["spec"], found);
        }
    }
}

/// Items that only count once.
fn twice(path: &str, spec: &Value, found: &mut Vec<String>) {
    let lists = [("hostAliases", "ip", "ip"), ("imagePullSecrets", "name", "name")];
    for (list, field, what) in lists {
        let mut seen = BTreeSet::new();
        for (index, item) in read::list(spec, list).iter().enumerate() {
            let text = read::text(item, field);
            if !seen.insert(text) {
                found
                    .push(format!("{path}spec.{list}[{index}].{field}: duplicate {what} {text:?}"));
            }
        }
    }
    for (index, item) in read::list(spec, "imagePullSecrets").iter().enumerate() {
        if read::text(item, "name").is_empty() {
            found.push(format!(
                "{path}spec.imagePullSecrets[{index}].name: invalid empty name \"\""
            ));
        }
    }
}

/// Parts of bytes.
fn fractions(path: &str, amounts: &Value, found: &mut Vec<String>) {
    for name in ["memory", "ephemeral-storage"] {
        let Some(amount) = amounts.get(name).and_then(|amount| Quantity::from_value(amount).ok())
        else {
            continue;
        };
        if !amount.is_whole() {
            let shown = amount.to_string();
            found.push(format!(
                "{path}[{name}]: fractional byte value {shown:?} is invalid, must be an integer"
            ));
        }
    }
}

fn of_container(path: &str, at: &str, container: &Value, pod: &Value, found: &mut Vec<String>) {
    let name = read::text(container, "name");
    let context = &container["securityContext"];
    let annotated = |prefix: &str| {
        let key = format!("{prefix}{name}");
        meta::annotation(pod, &key).is_some().then_some(key)
    };
    let seccomp = annotated("container.seccomp.security.alpha.kubernetes.io/");
    if let Some(key) = seccomp.filter(|_| context["seccompProfile"].is_null()) {
        found.push(format!("{path}metadata.annotations[{key}]: {SECCOMP}"));
    }
    let armored = !pod["spec"]["securityContext"]["appArmorProfile"].is_null()
        || !context["appArmorProfile"].is_null();
    let armor = annotated("container.apparmor.security.beta.kubernetes.io/");
    if let Some(key) = armor.filter(|_| !armored) {
        found.push(format!(
            "{path}metadata.annotations[{key}]: deprecated since v1.30; use the \
             \"appArmorProfile\" field instead"
        ));
    }
    for side in ["limits", "requests"] {
        let amounts = &container["resources"][side];
        fractions(&format!("{at}.resources.{side}"), amounts, found);
    }
    variables(at, container, found);
}

/// A variable that is there again, unless it is made of the first.
fn variables(at: &str, container: &Value, found: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for (index, variable) in read::list(container, "env").iter().enumerate() {
        let (name, value) = (read::text(variable, "name"), read::text(variable, "value"));
        if seen.insert(name) {
            continue;
        }
        let first = format!("$({name})");
        if !variable["valueFrom"].is_null() || value == first || !value.contains(&first) {
            found.push(format!(
                "{at}.env[{index}]: hides previous definition of {name:?}, which may be dropped \
                 when using apply"
            ));
        }
    }
}
