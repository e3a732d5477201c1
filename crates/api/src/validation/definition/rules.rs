//! The rules in CEL that a schema has: do they compile, and can they be afforded?

use std::sync::Arc;

use serde_json::Value;

use crate::custom::{self, Costs, REQUEST_BYTES_MAX, Rule, Schema, Unusable};
use crate::validation::field::Field;

/// A rule may cost so much at worst.
const RULE_COST_MAX: u64 = 10_000_000;
/// All rules of a schema together.
const SCHEMA_COST_MAX: u64 = 100_000_000;
/// Where that is too much, so many of the most expensive are named.
const NAMED_MAX: usize = 4;
const REASONS: [&str; 4] =
    ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
const RULES: &str = "x-kubernetes-validations";

/// What is found on the way down a schema.
struct Walk<'a> {
    /// All rules so far, and those that are expensive.
    total: u64,
    expensive: Vec<(u64, Field<'a>)>,
    /// How the rules are written is judged first: if that is wrong they are not compiled.
    compile: bool,
}

/// A place in a schema.
#[derive(Clone)]
struct Place {
    declared: Option<Arc<::cel::Declared>>,
    /// How often it can be there in an object, where that is known.
    times: Option<u64>,
    /// The nearest place above whose parts have no past.
    without_past: Option<String>,
}

/// Judges all rules of a schema.
pub(super) fn check(root: &Field<'_>, schema: &Schema) {
    if !schema.has_rules() {
        return;
    }
    let place = Place { declared: schema.declaration(), times: Some(1), without_past: None };
    let before = root.error_count();
    let mut walk = Walk { total: 0, expensive: Vec::new(), compile: false };
    walk.node(root, schema, place.clone());
    if root.error_count() > before {
        return;
    }
    walk.compile = true;
    walk.node(root, schema, place);
    walk.total(root);
}

impl<'a> Walk<'a> {
    fn node(&mut self, node: &Field<'a>, schema: &Schema, place: Place) {
        let declared = place.declared.as_deref();
        let below = |declared, times: Option<u64>, has_past: bool| Place {
            declared,
            times: place.times.zip(times).map(|(a, b)| a.saturating_mul(b)),
            without_past: match has_past {
                true => place.without_past.clone(),
                false => place.without_past.clone().or_else(|| Some(node.path().to_owned())),
            },
        };
        let (items_max, properties_max) = schema.lens_max();
        let granular = !schema.is_atomic_map();
        for (name, property) in schema.properties() {
            let place = below(custom::property(declared, name, property), Some(1), granular);
            self.node(&node.at("properties").key(name), property, place);
        }
        if let Some(values) = schema.additional_schema() {
            let declared = declared.and_then(|declared| custom::part_of(declared, "@values"));
            let place = below(declared, properties_max, granular);
            self.node(&node.at("additionalProperties"), values, place);
        }
        if let Some(items) = schema.items() {
            let declared = declared.and_then(|declared| custom::part_of(declared, "@items"));
            let place = below(declared, items_max, schema.is_list_map());
            self.node(&node.at("items"), items, place);
        }
        for (rule, field) in schema.rules.iter().zip(node.at(RULES).items()) {
            match self.compile {
                true => self.compiled(&field, schema, rule, &place),
                false => written(&field, schema, rule),
            }
        }
    }

    fn compiled(&mut self, field: &Field<'a>, schema: &Schema, rule: &Rule, place: &Place) {
        let Some(declared) = &place.declared else {
            return field.internal(
                "internal error: failed to retrieve type information for x-kubernetes-validations",
            );
        };
        let (wrong, costs, uses_old_self) = schema.try_rule(rule, declared);
        let times = place.times.unwrap_or(REQUEST_BYTES_MAX / (declared.min_size + 1));
        let Costs { rule: cost, message } = costs;
        self.afford(&field.at("rule"), cost.saturating_mul(times), "estimated rule cost");
        for wrong in &wrong {
            match wrong {
                Unusable::Rule(why) => field.at("rule").invalid_as_text(internal(rule), why),
                Unusable::Message(why) => {
                    field.at("messageExpression").invalid_as_text(internal(rule), why);
                }
            }
        }
        if !rule.message_expression.is_empty() {
            let name = "estimated messageExpression cost";
            self.afford(&field.at("messageExpression"), message, name);
        }
        match (&place.without_past, rule.optional_old_self) {
            (Some(path), _) if uses_old_self => field.at("rule").invalid_text(format!(
                "oldSelf cannot be used on the uncorrelatable portion of the schema within {path}"
            )),
            (_, Some(_)) if !uses_old_self => {
                field
                    .at("optionalOldSelf")
                    .invalid("may not be set if oldSelf is not used in rule");
            }
            _ => {}
        }
    }

    fn afford(&mut self, field: &Field<'a>, cost: u64, name: &str) {
        if cost > RULE_COST_MAX {
            field.forbidden(over(name, cost, RULE_COST_MAX));
        }
        self.total = self.total.saturating_add(cost);
        if cost >= SCHEMA_COST_MAX / 100 {
            self.expensive.push((cost, field.clone()));
        }
    }

    fn total(mut self, root: &Field<'_>) {
        if self.total <= SCHEMA_COST_MAX {
            return;
        }
        self.expensive.sort_by_key(|(cost, _)| std::cmp::Reverse(*cost));
        for (_, field) in self.expensive.iter().take(NAMED_MAX) {
            field.forbidden(
                "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 \
                 schema",
            );
        }
        let name = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        root.forbidden(over(name, self.total, SCHEMA_COST_MAX));
    }
}

fn over(name: &str, cost: u64, max: u64) -> String {
    let factor = cost as f64 / max as f64;
    let factor = if factor > 100.0 {
        "more than 100x".to_owned()
    } else if factor < 1.5 {
        format!("{factor:.6}x")
    } else {
        format!("{factor:.1}x")
    };
    format!(
        "{name} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, \
         maxProperties, and maxLength where arrays, maps, and strings are declared)"
    )
}

/// A rule as upstream shows it: its internal form.
fn internal(rule: &Rule) -> String {
    let fields: [(&str, Value); 6] = [
        ("Rule", rule.rule.as_str().into()),
        ("Message", rule.message.as_str().into()),
        ("MessageExpression", rule.message_expression.as_str().into()),
        ("Reason", rule.reason.clone().into()),
        ("FieldPath", rule.field_path.as_str().into()),
        ("OptionalOldSelf", rule.optional_old_self.into()),
    ];
    let fields = fields.map(|(name, value)| format!("\"{name}\":{value}"));
    format!("{{{}}}", fields.join(","))
}

/// How a rule is written, without a look at what it says.
fn written(field: &Field<'_>, schema: &Schema, rule: &Rule) {
    let breaks = |text: &str| text.contains(['\n', '\r']);
    let (text, message) = (rule.rule.trim(), rule.message.trim());
    if text.is_empty() {
        field.at("rule").required("rule is not specified");
    }
    if !rule.message.is_empty() && message.is_empty() {
        field.at("message").invalid("must be non-empty if specified");
    } else if breaks(message) {
        field.at("message").invalid("must not contain line breaks");
    } else if breaks(text) && message.is_empty() {
        field.at("message").required("message must be specified if rule contains line breaks");
    }
    if !rule.message_expression.is_empty() && rule.message_expression.trim().is_empty() {
        field.at("messageExpression").required("messageExpression must be non-empty if specified");
    }
    if rule.reason.as_deref().is_some_and(|reason| !REASONS.contains(&reason)) {
        field.at("reason").unsupported(&REASONS);
    }
    let path = field.at("fieldPath");
    if !rule.field_path.is_empty() && rule.field_path.trim().is_empty() {
        path.invalid("must be non-empty if specified");
    }
    if breaks(&rule.field_path) {
        path.invalid("must not contain line breaks");
    }
    if schema.rule_path(&rule.field_path).is_err() {
        path.invalid("must be a valid path");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::Gvk;
    use crate::validation::create;

    const AT: &str = "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0]";

    /// Errors end as expected; the paths of rules of `spec` are left out.
    #[track_caller]
    fn check(schema: Value, expected: &[&str]) {
        let schema = json!({"type": "object", "properties": {"spec": schema}});
        let definition = json!({"metadata": {"name": "tabs.example.com"}, "spec": {
            "group": "example.com", "scope": "Namespaced", "conversion": {"strategy": "None"},
            "names": {"plural": "tabs", "singular": "tab", "kind": "Tab", "listKind": "TabList"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": schema}}]}});
        let gvk = Gvk::new("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
        let errors = create(&gvk, &definition);
        let texts: Vec<String> = errors
            .iter()
            .map(|error| format!("{}: {:?}: {}", error.path, error.kind, error.detail))
            .map(|text| text.replace("InvalidAsText", "Invalid"))
            .map(|text| text.replace(AT, "@"))
            .collect();
        assert_eq!(texts, expected);
    }

    fn object(rule: Value) -> Value {
        json!({"type": "object", "properties": {"n": {"type": "integer"},
            "text": {"type": "string"}, "list": {"type": "array", "items": {"type": "string"}}},
            "x-kubernetes-validations": [rule]})
    }

    #[test]
    fn rules_compile() {
        check(object(json!({"rule": "self.n > 1 && self.list.size() < 5"})), &[]);
        check(
            object(json!({"rule": "self.nope > 1"})),
            &[
                "@.rule: Invalid: compilation failed: ERROR: <input>:1:5: undefined field 'nope'\n | \
               self.nope > 1\n | ....^",
            ],
        );
        check(
            object(json!({"rule": "self.n"})),
            &["@.rule: Invalid: cel expression must evaluate to a bool"],
        );
        check(
            object(json!({"rule": "self.n = 1"})),
            &["@.rule: Invalid: compilation failed: ERROR: <input>:1:8: Syntax error: token \
               recognition error at: '='\n | self.n = 1\n | .......^"],
        );
        check(
            object(json!({"rule": "self.n > 1", "messageExpression": "self.n"})),
            &["@.messageExpression: Invalid: messageExpression must evaluate to a string"],
        );
    }

    #[test]
    fn rules_are_written_as_they_should_be() {
        check(object(json!({"rule": " "})), &["@.rule: Required: rule is not specified"]);
        check(
            object(json!({"rule": "true", "message": " ", "reason": "Odd", "fieldPath": ".x"})),
            &[
                "@.message: Invalid: must be non-empty if specified",
                "@.reason: NotSupported: supported values: \"FieldValueDuplicate\", \
                 \"FieldValueForbidden\", \"FieldValueInvalid\", \"FieldValueRequired\"",
                "@.fieldPath: Invalid: must be a valid path",
            ],
        );
        check(
            object(json!({"rule": "self.n ==\n1"})),
            &["@.message: Required: message must be specified if rule contains line breaks"],
        );
        check(
            object(json!({"rule": "true", "optionalOldSelf": true})),
            &["@.optionalOldSelf: Invalid: may not be set if oldSelf is not used in rule"],
        );
    }

    #[test]
    fn rules_that_may_cost_too_much_are_refused() {
        let advice = "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength \
                      where arrays, maps, and strings are declared)";
        let over =
            |name: &str| format!("{name} exceeds budget by factor of more than 100x {advice}");
        check(
            object(json!({"rule": "self.list.all(a, self.list.all(b, a.contains(b)))"})),
            &[
                &format!("@.rule: Forbidden: {}", over("estimated rule cost")),
                "@.rule: Forbidden: contributed to estimated rule cost total exceeding cost \
                 limit for entire OpenAPIv3 schema",
                &format!(
                    "spec.validation.openAPIV3Schema: Forbidden: {}",
                    over(
                        "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 \
                         schema"
                    )
                ),
            ],
        );
        let bounded = json!({"type": "array", "maxItems": 10, "items":
            {"type": "string", "maxLength": 20}, "x-kubernetes-validations":
            [{"rule": "self.all(a, self.all(b, a.contains(b)))"}]});
        check(bounded, &[]);
    }

    #[test]
    fn what_was_cannot_be_asked_where_items_have_no_past() {
        let schema = json!({"type": "array", "maxItems": 5, "items": {"type": "integer",
            "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}});
        let at = "spec.validation.openAPIV3Schema.properties[spec]";
        check(
            schema,
            &[&format!(
                "{at}.items.x-kubernetes-validations[0].rule: Invalid: oldSelf cannot be used on \
                 the uncorrelatable portion of the schema within {at}"
            )],
        );
    }
}
