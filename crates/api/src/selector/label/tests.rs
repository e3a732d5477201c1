//! Label selectors, read and matched as kubectl's users expect.

use proptest::prelude::*;
use serde_json::json;

use super::*;

#[track_caller]
fn check(selector: &str, labels: Value, matches: bool) {
    let parsed: LabelSelector = selector.parse().unwrap_or_else(|e| panic!("{selector}: {e}"));
    assert_eq!(parsed.matches_labels(&labels), matches, "{selector} on {labels}");
}

#[track_caller]
fn check_error(selector: &str, part: &str) {
    let error = selector.parse::<LabelSelector>().unwrap_err().to_string();
    assert!(error.contains(part), "{selector}: {error}");
}

#[test]
fn equality() {
    check("a=b", json!({"a": "b"}), true);
    check("a==b", json!({"a": "c"}), false);
    check(" a = b , c = d ", json!({"a": "b", "c": "d"}), true);
    check("a=b,c=d", json!({"a": "b"}), false);
    check("a=", json!({"a": ""}), true);
    check("a!=b", json!({"a": "c"}), true);
    check("a!=b", json!({}), true);
    check("a!=b", json!({"a": "b"}), false);
}

#[test]
fn sets() {
    check("a in (b,c)", json!({"a": "c"}), true);
    check("a in (b, c)", json!({}), false);
    check("a notin (b,c)", json!({"a": "c"}), false);
    check("a notin (b)", json!({}), true);
    check("a in (b,)", json!({"a": ""}), true);
    check("a in (b),c notin (d),e", json!({"a": "b", "e": ""}), true);
}

#[test]
fn existence() {
    check("a", json!({"a": ""}), true);
    check("a", json!({}), false);
    check("!a", json!({}), true);
    check("! a", json!({"a": "x"}), false);
    check("app.kubernetes.io/name", json!({"app.kubernetes.io/name": "x"}), true);
    check("in", json!({"in": "x"}), true);
}

#[test]
fn order() {
    check("a>1", json!({"a": "2"}), true);
    check("a<1", json!({"a": "2"}), false);
    check("a>1", json!({"a": "x"}), false);
}

#[test]
fn an_empty_text_selects_everything() {
    check("", json!({}), true);
    check("  ", json!({"a": "b"}), true);
}

#[test]
fn what_is_no_selector_is_refused_with_what_was_expected() {
    check_error("a in b", "found 'b' expected: '('");
    check_error("a b", "found 'b', expected: in, notin, =, ==, !=, gt, lt");
    check_error("a=b,", "identifier after ','");
    check_error("=b", "identifier");
    check_error("a in (b", "',' or ')'");
    check_error("a=b c", "',' or 'end of string'");
    check_error("-a=b", "<nil>: Invalid value: \"-a\"");
    check_error("a in (", "',', ')' or identifier");
    check_error("a=-b", "a valid label must be");
    check_error("a>b", "must be an integer");
}

#[test]
fn objects_select_with_all_of_their_parts() {
    let selector = LabelSelector::from_object(&json!({
        "matchLabels": {"a": "b"},
        "matchExpressions": [
            {"key": "c", "operator": "In", "values": ["d", "e"]},
            {"key": "f", "operator": "DoesNotExist"},
        ],
    }))
    .unwrap();
    assert!(selector.matches_labels(&json!({"a": "b", "c": "e"})));
    assert!(!selector.matches_labels(&json!({"a": "b", "c": "e", "f": ""})));
    assert_eq!(selector.to_string(), "a=b,c in (d,e),!f");
}

#[test]
fn no_object_is_nothing_and_an_empty_one_everything() {
    assert!(!LabelSelector::from_object(&Value::Null).unwrap().matches_labels(&json!({})));
    assert!(LabelSelector::from_object(&json!({})).unwrap().is_everything());
    assert!(!LabelSelector::nothing().is_everything());
}

#[test]
fn unknown_operators_are_refused() {
    let selector = json!({"matchExpressions": [{"key": "a", "operator": "Near"}]});
    assert_eq!(
        LabelSelector::from_object(&selector).unwrap_err().to_string(),
        "\"Near\" is not a valid label selector operator"
    );
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in "[a-z!=(),<> \\PC]{0,40}") {
        let _ = text.parse::<LabelSelector>();
    }

    #[test]
    fn what_is_printed_reads_back_as_the_same(
        parts in prop::collection::vec(
            prop::sample::select(vec!["a=b", "c!=d", "e in (f,g)", "h notin (i,j)", "k", "!l", "m>3"]),
            0..5,
        ),
    ) {
        let selector: LabelSelector = parts.join(",").parse().unwrap();
        prop_assert_eq!(selector.to_string().parse::<LabelSelector>().unwrap(), selector);
    }
}
