//! What a question about a list is narrowed to. Source: Kubernetes, KEP 4601, and its validation of
//! SubjectAccessReviews.

use api::names::qualified_name;
use api::selector::LabelSelector;
use api::selector::field::equalities;
use api::validation::ErrorKind;
use serde_json::Value;

use super::access::Errors;
use crate::object::text;

/// Notes what is wrong with the selectors of a question.
pub(super) fn check(errors: &mut Errors, resource: &Value) {
    for field in ["fieldSelector", "labelSelector"] {
        let selector = &resource[field];
        if selector.is_null() {
            continue;
        }
        let path = format!("spec.resourceAttributes.{field}");
        let (raw, list) = (text(selector, "/rawSelector"), requirements(selector));
        if !raw.is_empty() && !list.is_empty() {
            let detail = "may not specified at the same time as requirements";
            errors.add(&format!("{path}.rawSelector"), raw.into(), detail);
        }
        if raw.is_empty() && list.is_empty() {
            let detail =
                format!("when {path} is specified, requirements or rawSelector is required");
            errors.push(ErrorKind::Required, &format!("{path}.requirements"), Value::Null, &detail);
        }
        for (index, requirement) in list.iter().enumerate() {
            let path = format!("{path}.requirements[{index}]");
            check_requirement(errors, &path, requirement, field == "labelSelector");
        }
    }
}

fn requirements(selector: &Value) -> &[Value] {
    selector["requirements"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn check_requirement(errors: &mut Errors, path: &str, requirement: &Value, of_label: bool) {
    let key = text(requirement, "/key");
    if !of_label && key.is_empty() {
        errors.push(ErrorKind::Required, &format!("{path}.key"), Value::Null, "must be specified");
    }
    let none = requirement["values"].as_array().is_none_or(Vec::is_empty);
    let values = format!("{path}.values");
    match text(requirement, "/operator") {
        "In" | "NotIn" if none => {
            let detail = "must be specified when `operator` is 'In' or 'NotIn'";
            errors.push(ErrorKind::Required, &values, Value::Null, detail);
        }
        "Exists" | "DoesNotExist" if !none => {
            let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            errors.push(ErrorKind::Forbidden, &values, Value::Null, detail);
        }
        // Newer clients may know more of them: these are left out, and it is said.
        _ => {}
    }
    if of_label {
        for detail in qualified_name(key) {
            errors.add(&format!("{path}.key"), key.into(), &detail);
        }
    }
}

/// What was not understood of the selectors, in upstream's words; empty where all was.
pub(super) fn left_out(resource: &Value) -> String {
    let of = |field: &str| {
        let selector = &resource[field];
        let raw = text(selector, "/rawSelector");
        let readable = match field {
            "fieldSelector" => raw.split(',').all(|term| term.is_empty() || term.contains('=')),
            _ => raw.parse::<LabelSelector>().is_ok(),
        };
        let list = requirements(selector);
        let known = |requirement: &&Value| {
            let operators: &[&str] = match field {
                "fieldSelector" => &["In", "NotIn"],
                _ => &["In", "NotIn", "Exists", "DoesNotExist"],
            };
            operators.contains(&text(requirement, "/operator"))
        };
        let understood = list.iter().filter(known).count();
        let how = match (readable, understood) {
            (true, count) if count == list.len() => return None,
            (true, 1..) => "partially ignored",
            _ => "ignored",
        };
        Some(format!("spec.resourceAttributes.{field} {how} due to parse error"))
    };
    let said: Vec<String> = ["fieldSelector", "labelSelector"].into_iter().filter_map(of).collect();
    said.join("; ")
}

/// The fields that must have one value each. What else narrows the question is left out: the answer
/// is then that for more than is asked for.
pub(super) fn fields(resource: &Value) -> Vec<(String, String)> {
    let selector = &resource["fieldSelector"];
    let one_value = |requirement: &Value| {
        let [value] = requirement["values"].as_array()?.as_slice() else { return None };
        let is_in = requirement["operator"] == "In";
        is_in.then(|| {
            (text(requirement, "/key").to_owned(), value.as_str().unwrap_or("").to_owned())
        })
    };
    let raw = equalities(text(selector, "/rawSelector"));
    requirements(selector).iter().filter_map(one_value).chain(raw).collect()
}
