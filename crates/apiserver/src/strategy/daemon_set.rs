//! DaemonSets: how often the template has changed is told in an annotation, for old readers' sake.

use serde_json::Value;

const GENERATION: &str = "deprecated.daemonset.template.generation";

/// Writes the count. The client's own is of no weight once there is one.
pub(super) fn count(old: Option<&Value>, new: &mut Value) {
    let count = match old {
        None => of(new).max(1),
        Some(old) => of(old).max(1) + i64::from(old["spec"]["template"] != new["spec"]["template"]),
    };
    api::meta::set_annotation(new, GENERATION, &count.to_string());
}

fn of(set: &Value) -> i64 {
    let text = api::meta::annotation(set, GENERATION);
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_of_the_template_are_counted() {
        let set = |image: &str| json!({"metadata": {"name": "a"}, "spec": {"template": {"image": image}}});
        let mut first = set("a:1");
        count(None, &mut first);
        assert_eq!(of(&first), 1);
        let mut same = set("a:1");
        count(Some(&first), &mut same);
        assert_eq!(of(&same), 1);
        let mut second = set("a:2");
        api::meta::set_annotation(&mut second, GENERATION, "9");
        count(Some(&first), &mut second);
        assert_eq!(of(&second), 2);
    }
}
