//! Whether a pod fits on a node, and in Kubernetes' words why not. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Container, Node, NodeSelectorRequirement, NodeSelectorTerm, Pod, Taint, Toleration,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::owner::name;

type Resources = BTreeMap<String, i128>;

/// A node and what its pods take of it.
#[derive(Debug)]
pub(crate) struct NodeLoad {
    pub node: Node,
    /// What the pods on it ask for, in thousandths.
    requested: Resources,
    pods: i128,
}

impl NodeLoad {
    pub fn of(node: Node, pods: &[Pod]) -> Self {
        let mut requested = Resources::new();
        let running = pods.iter().filter(|pod| !is_over(pod));
        let mut count = 0;
        for pod in running {
            count += 1;
            for (resource, amount) in requests(pod) {
                *requested.entry(resource).or_default() += amount;
            }
        }
        Self { node, requested, pods: count }
    }

    /// Spreads pods: the node with fewer of them is the better one.
    pub fn is_emptier_than(&self, other: &Self) -> bool {
        self.pods < other.pods
    }

    fn allocatable(&self) -> Resources {
        let all = self.node.status.as_ref().and_then(|status| status.allocatable.as_ref());
        all.into_iter().flatten().map(|(key, value)| (key.clone(), thousandths(value))).collect()
    }
}

/// The node, when the pod fits; else the reasons why it does not.
pub(crate) fn fits(pod: &Pod, load: NodeLoad) -> Result<NodeLoad, Vec<String>> {
    if !selected(pod, &load.node) {
        return Err(vec!["node(s) didn't match Pod's node affinity/selector".into()]);
    }
    if let Some(taint) = untolerated(pod, &load.node) {
        return Err(vec![taint]);
    }
    let lacking = insufficient(pod, &load);
    if lacking.is_empty() { Ok(load) } else { Err(lacking) }
}

/// `0/1 nodes are available: 1 Insufficient cpu.`
pub(crate) fn summary(refusals: &[Vec<String>]) -> String {
    if refusals.is_empty() {
        return "no nodes available to schedule pods".into();
    }
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in refusals.iter().flatten() {
        *counted.entry(reason).or_default() += 1;
    }
    let reasons: Vec<_> = counted.iter().map(|(why, count)| format!("{count} {why}")).collect();
    format!("0/{} nodes are available: {}.", refusals.len(), reasons.join(", "))
}

fn insufficient(pod: &Pod, load: &NodeLoad) -> Vec<String> {
    let allocatable = load.allocatable();
    let mut reasons = Vec::new();
    if load.pods + 1 > allocatable.get("pods").map_or(0, |pods| pods / 1000) {
        reasons.push("Too many pods".to_owned());
    }
    for (resource, amount) in requests(pod) {
        let used = load.requested.get(&resource).copied().unwrap_or(0);
        if amount > 0 && used + amount > allocatable.get(&resource).copied().unwrap_or(0) {
            reasons.push(format!("Insufficient {resource}"));
        }
    }
    reasons
}

fn is_over(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// What a pod asks for: its containers and sidecars together, or its hungriest init
/// container where that is more, and its overhead.
fn requests(pod: &Pod) -> Resources {
    let Some(spec) = &pod.spec else { return Resources::new() };
    let init = spec.init_containers.as_deref().unwrap_or_default();
    let mut total = Resources::new();
    let lasting = init.iter().filter(|c| c.restart_policy.as_deref() == Some("Always"));
    for (resource, amount) in spec.containers.iter().chain(lasting).flat_map(asked) {
        *total.entry(resource).or_default() += amount;
    }
    for (resource, amount) in init.iter().flat_map(asked) {
        let most = total.entry(resource).or_default();
        *most = (*most).max(amount);
    }
    for (resource, amount) in spec.overhead.iter().flatten() {
        *total.entry(resource.clone()).or_default() += thousandths(amount);
    }
    total
}

fn asked(container: &Container) -> impl Iterator<Item = (String, i128)> {
    let requests = container.resources.as_ref().and_then(|resources| resources.requests.as_ref());
    requests.into_iter().flatten().map(|(key, value)| (key.clone(), thousandths(value)))
}

/// The API has validated every quantity that it stores; what it had not would count as nothing.
fn thousandths(quantity: &Quantity) -> i128 {
    quantity.0.parse::<api::quantity::Quantity>().map_or(0, |parsed| parsed.milli_value().into())
}

fn selected(pod: &Pod, node: &Node) -> bool {
    let Some(spec) = &pod.spec else { return true };
    let labels = node.metadata.labels.clone().unwrap_or_default();
    let plain = spec.node_selector.iter().flatten();
    if !plain.into_iter().all(|(key, value)| labels.get(key) == Some(value)) {
        return false;
    }
    let affinity = spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
    let required =
        affinity.and_then(|a| a.required_during_scheduling_ignored_during_execution.as_ref());
    required
        .is_none_or(|r| r.node_selector_terms.iter().any(|term| term_matches(term, node, &labels)))
}

fn term_matches(term: &NodeSelectorTerm, node: &Node, labels: &BTreeMap<String, String>) -> bool {
    let names = BTreeMap::from([("metadata.name".to_owned(), name(&node.metadata).to_owned())]);
    let by_label = term.match_expressions.iter().flatten();
    let by_field = term.match_fields.iter().flatten();
    if term.match_expressions.is_none() && term.match_fields.is_none() {
        return false;
    }
    by_label.into_iter().all(|wanted| requirement_holds(wanted, labels))
        && by_field.into_iter().all(|wanted| requirement_holds(wanted, &names))
}

fn requirement_holds(wanted: &NodeSelectorRequirement, labels: &BTreeMap<String, String>) -> bool {
    let value = labels.get(&wanted.key);
    let values = wanted.values.as_deref().unwrap_or_default();
    let compare = |order: fn(&i64, &i64) -> bool| {
        let have = value.and_then(|value| value.parse().ok());
        let limit = values.first().and_then(|limit| limit.parse().ok());
        have.zip(limit).is_some_and(|(have, limit)| order(&have, &limit))
    };
    match wanted.operator.as_str() {
        "In" => value.is_some_and(|value| values.contains(value)),
        "NotIn" => value.is_none_or(|value| !values.contains(value)),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => compare(i64::gt),
        "Lt" => compare(i64::lt),
        _ => false,
    }
}

fn untolerated(pod: &Pod, node: &Node) -> Option<String> {
    let spec = node.spec.as_ref()?;
    let tolerations =
        pod.spec.as_ref().and_then(|spec| spec.tolerations.as_deref()).unwrap_or_default();
    let cordon = Taint {
        key: "node.kubernetes.io/unschedulable".into(),
        effect: "NoSchedule".into(),
        ..Default::default()
    };
    if spec.unschedulable == Some(true) && !tolerated(&cordon, tolerations) {
        return Some("node(s) were unschedulable".into());
    }
    let hard = |taint: &&Taint| taint.effect == "NoSchedule" || taint.effect == "NoExecute";
    let taint = spec.taints.iter().flatten().filter(hard).find(|t| !tolerated(t, tolerations))?;
    let value = taint.value.as_deref().unwrap_or_default();
    Some(format!("node(s) had untolerated taint {{{}: {value}}}", taint.key))
}

fn tolerated(taint: &Taint, tolerations: &[Toleration]) -> bool {
    tolerations.iter().any(|toleration| tolerates(toleration, taint))
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let effect = given(&toleration.effect).is_none_or(|effect| effect == taint.effect);
    let key = given(&toleration.key).is_none_or(|key| key == taint.key);
    let value = match toleration.operator.as_deref() {
        Some("Exists") => true,
        _ => toleration.value.as_deref().unwrap_or("") == taint.value.as_deref().unwrap_or(""),
    };
    effect && key && value
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn node() -> Value {
        json!({"metadata": {"name": "box", "labels": {"disk": "ssd", "cores": "2"}},
            "status": {"allocatable": {"cpu": "2", "memory": "1Gi", "pods": "2"}}})
    }

    fn pod(spec: Value) -> Pod {
        let mut pod = json!({"spec": {"containers": [{"name": "c"}]}});
        json_patch::merge(&mut pod["spec"], &spec);
        serde_json::from_value(pod).expect("a Pod")
    }

    fn asking(cpu: &str) -> Value {
        json!({"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]})
    }

    fn check(node: Value, on_node: &[Pod], spec: Value, expected: Option<&str>) {
        let load = NodeLoad::of(serde_json::from_value(node).expect("a Node"), on_node);
        let refusal = fits(&pod(spec), load).err().map(|reasons| summary(&[reasons]));
        assert_eq!(refusal.as_deref(), expected);
    }

    #[test]
    fn a_pod_fits_where_there_is_room() {
        check(node(), &[pod(asking("1500m"))], asking("500m"), None);
    }

    #[test]
    fn a_pod_that_asks_too_much_is_refused() {
        let why = "0/1 nodes are available: 1 Insufficient cpu.";
        check(node(), &[pod(asking("1500m"))], asking("501m"), Some(why));
    }

    #[test]
    fn a_full_node_takes_no_more_pods() {
        let why = "0/1 nodes are available: 1 Too many pods.";
        check(node(), &[pod(json!({})), pod(json!({}))], json!({}), Some(why));
    }

    #[test]
    fn finished_pods_take_no_room() {
        let mut done = pod(asking("2"));
        done.status.get_or_insert_default().phase = Some("Succeeded".into());
        check(node(), &[done], asking("2"), None);
    }

    #[test]
    fn selectors_and_affinity_must_match() {
        let why = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.";
        let affinity = |operator: &str, value: &str| {
            json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions":
                    [{"key": "cores", "operator": operator, "values": [value]}]}]}}}})
        };
        check(node(), &[], json!({"nodeSelector": {"disk": "ssd"}}), None);
        check(node(), &[], json!({"nodeSelector": {"disk": "hdd"}}), Some(why));
        check(node(), &[], affinity("Gt", "1"), None);
        check(node(), &[], affinity("NotIn", "2"), Some(why));
    }

    #[test]
    fn taints_need_tolerations() {
        let mut tainted = node();
        tainted["spec"] =
            json!({"taints": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]});
        let why = "0/1 nodes are available: 1 node(s) had untolerated taint {gpu: yes}.";
        check(tainted.clone(), &[], json!({}), Some(why));
        let toleration = json!({"tolerations": [{"key": "gpu", "operator": "Exists"}]});
        check(tainted, &[], toleration, None);
    }

    #[test]
    fn a_cordoned_node_is_skipped() {
        let mut cordoned = node();
        cordoned["spec"] = json!({"unschedulable": true});
        let why = "0/1 nodes are available: 1 node(s) were unschedulable.";
        check(cordoned, &[], json!({}), Some(why));
    }

    #[test]
    fn without_nodes_the_message_says_so() {
        assert_eq!(summary(&[]), "no nodes available to schedule pods");
    }
}
