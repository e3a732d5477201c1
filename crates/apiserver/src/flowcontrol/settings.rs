//! What the stored FlowSchemas and PriorityLevelConfigurations say, with what must be there even
//! where nobody stored it.

use std::sync::Arc;

use serde::Deserialize as _;
use serde_json::{Value, json};

use super::level::Kind;
use super::queues::Queuing;
use super::schema::{Flows, Rules, Schema};
use crate::object::{meta, text};

const EXEMPT: &str = "exempt";
const CATCH_ALL: &str = "catch-all";
/// What is read where a field is missing; defaults fill stored objects.
const SHARES: u64 = 30;

/// A priority level as it is wanted.
#[derive(Debug, Clone)]
pub(super) struct LevelSettings {
    pub(super) name: String,
    pub(super) uid: Arc<str>,
    pub(super) shares: u64,
    /// How much of its own it lends, in percent.
    pub(super) lendable_percent: u64,
    /// How much more than its own it may have, in percent of its own; `None`: no limit.
    pub(super) borrowing_percent: Option<u64>,
    pub(super) kind: Kind,
}

/// All of it. The schemas are in the order in which they are tried; the last one fits all.
pub(super) struct Settings {
    pub(super) schemas: Vec<Schema>,
    pub(super) levels: Vec<LevelSettings>,
}

impl Settings {
    pub(super) fn read(schemas: &[Value], levels: &[Value]) -> Self {
        let mut levels: Vec<_> = levels.iter().map(level).collect();
        for (name, kind) in [(EXEMPT, Kind::Exempt), (CATCH_ALL, Kind::Rejecting)] {
            if !levels.iter().any(|level| level.name == name) {
                levels.push(mandatory_level(name, kind));
            }
        }
        let mut schemas: Vec<_> = schemas.iter().map(schema).collect();
        for wanted in [exempt(), catch_all()] {
            if !schemas.iter().any(|schema| *schema.name == *meta(&wanted, "name")) {
                schemas.push(schema(&wanted));
            }
        }
        schemas.sort_by(|a, b| (a.precedence, &a.name).cmp(&(b.precedence, &b.name)));
        // Whatever stands behind the one for everybody is never asked.
        let last = schemas.iter().position(|schema| &*schema.name == CATCH_ALL);
        schemas.truncate(last.map_or(schemas.len(), |at| at + 1));
        Self { schemas, levels }
    }
}

fn mandatory_level(name: &str, kind: Kind) -> LevelSettings {
    LevelSettings {
        name: name.to_owned(),
        uid: "".into(),
        shares: if kind == Kind::Exempt { 0 } else { 5 },
        lendable_percent: 0,
        borrowing_percent: None,
        kind,
    }
}

fn level(object: &Value) -> LevelSettings {
    let spec = &object["spec"];
    let exempt = spec["type"] == "Exempt";
    let part = if exempt { &spec["exempt"] } else { &spec["limited"] };
    let kind = match (exempt, text(part, "/limitResponse/type")) {
        (true, _) => Kind::Exempt,
        (false, "Queue") => Kind::Queuing(queuing(&part["limitResponse"]["queuing"])),
        (false, _) => Kind::Rejecting,
    };
    LevelSettings {
        name: meta(object, "name").to_owned(),
        uid: meta(object, "uid").into(),
        shares: number(&part["nominalConcurrencyShares"], if exempt { 0 } else { SHARES }),
        lendable_percent: number(&part["lendablePercent"], 0).min(100),
        borrowing_percent: part["borrowingLimitPercent"].as_u64(),
        kind,
    }
}

fn queuing(stored: &Value) -> Queuing {
    let count = |field: &str, default: u64| {
        usize::try_from(number(&stored[field], default)).unwrap_or(usize::MAX).max(1)
    };
    let queues = count("queues", 64);
    Queuing {
        queues,
        hand: count("handSize", 8).min(queues),
        length_max: count("queueLengthLimit", 50),
    }
}

fn number(value: &Value, default: u64) -> u64 {
    value.as_u64().unwrap_or(default)
}

fn schema(object: &Value) -> Schema {
    let spec = &object["spec"];
    let rules = spec["rules"].as_array().map_or(&[][..], Vec::as_slice);
    Schema {
        name: meta(object, "name").into(),
        uid: meta(object, "uid").into(),
        precedence: spec["matchingPrecedence"].as_i64().unwrap_or(1000),
        level_name: text(object, "/spec/priorityLevelConfiguration/name").to_owned(),
        level: 0,
        flows: match text(object, "/spec/distinguisherMethod/type") {
            "ByUser" => Flows::ByUser,
            "ByNamespace" => Flows::ByNamespace,
            _ => Flows::One,
        },
        // Validation has seen each before it was stored.
        rules: rules.iter().filter_map(|rule| Rules::deserialize(rule).ok()).collect(),
    }
}

fn exempt() -> Value {
    mandatory_schema(EXEMPT, 1, &["system:masters"])
}

fn catch_all() -> Value {
    mandatory_schema(CATCH_ALL, 10_000, &["system:unauthenticated", "system:authenticated"])
}

fn mandatory_schema(name: &str, precedence: u32, groups: &[&str]) -> Value {
    let subjects: Vec<Value> =
        groups.iter().map(|name| json!({"kind": "Group", "group": {"name": name}})).collect();
    json!({"metadata": {"name": name}, "spec": {
        "priorityLevelConfiguration": {"name": name}, "matchingPrecedence": precedence,
        "rules": [{"subjects": subjects,
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"],
                "clusterScope": true, "namespaces": ["*"]}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}]}],
    }})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_are_tried_by_precedence_then_name_and_catch_all_is_the_last() {
        let of = |name: &str, precedence: i64| json!({"metadata": {"name": name}, "spec": {"matchingPrecedence": precedence}});
        let settings = Settings::read(&[of("b", 7), of("a", 7), of("late", 10_000)], &[]);
        let names: Vec<&str> = settings.schemas.iter().map(|schema| &*schema.name).collect();
        assert_eq!(names, ["exempt", "a", "b", "catch-all"]);
    }

    #[test]
    fn levels_are_read_with_their_queues() {
        let stored = json!({"metadata": {"name": "l", "uid": "u"}, "spec": {"type": "Limited",
            "limited": {"nominalConcurrencyShares": 7, "lendablePercent": 50,
                "borrowingLimitPercent": 20, "limitResponse": {"type": "Queue",
                    "queuing": {"queues": 4, "handSize": 2, "queueLengthLimit": 3}}}}});
        let level = level(&stored);
        assert_eq!((level.shares, level.lendable_percent), (7, 50));
        assert_eq!(level.borrowing_percent, Some(20));
        assert_eq!(level.kind, Kind::Queuing(Queuing { queues: 4, hand: 2, length_max: 3 }));
    }
}
