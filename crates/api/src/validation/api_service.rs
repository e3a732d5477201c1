//! APIServices.

use super::field::Field;
use crate::names;

const GROUP_PRIORITIES: std::ops::RangeInclusive<i64> = 1..=20_000;
const VERSION_PRIORITIES: std::ops::RangeInclusive<i64> = 1..=1000;

pub(super) fn check(object: &Field<'_>) {
    let (name, spec) = (object.at("metadata").at("name"), object.at("spec"));
    let (group, version) = (spec.at("group"), spec.at("version"));
    let wanted = format!("{}.{}", version.text(), group.text());
    if name.text() != wanted {
        name.invalid_text(format!("must be `spec.version+\".\"+spec.group`: {wanted:?}"));
    }
    match group.text() {
        "" if version.text() != "v1" => {
            group.required("only v1 may have an empty group and it better be legacy kube");
        }
        "" => {}
        _ => group.well_formed(names::dns_subdomain),
    }
    for problem in names::dns1035_label(version.text()) {
        version.invalid_text(problem);
    }
    if !GROUP_PRIORITIES.contains(&spec.at("groupPriorityMinimum").number()) {
        spec.at("groupPriorityMinimum").invalid_number("must be positive and less than 20000");
    }
    if !VERSION_PRIORITIES.contains(&spec.at("versionPriority").number()) {
        spec.at("versionPriority").invalid_number("must be positive and less than 1000");
    }
    match spec.at("service").is_some() {
        true => remote(&spec),
        false => local(&spec),
    }
}

fn local(spec: &Field<'_>) {
    let bundle = spec.at("caBundle");
    if !bundle.is_empty() {
        let bytes = format!("{} bytes", bundle.text().len() / 4 * 3);
        bundle.invalid_as(bytes, "local APIServices may not have a caBundle");
    }
    let insecure = spec.at("insecureSkipTLSVerify");
    if insecure.flag() {
        insecure.invalid("local APIServices may not have insecureSkipTLSVerify");
    }
}

fn remote(spec: &Field<'_>) {
    for name in ["namespace", "name"] {
        let field = spec.at("service").at(name);
        if field.is_empty() {
            field.required("");
        }
    }
    let insecure = spec.at("insecureSkipTLSVerify");
    if insecure.flag() && !spec.at("caBundle").is_empty() {
        insecure.invalid("may not be true if caBundle is present");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::create;
    use crate::Gvk;

    #[track_caller]
    fn check(name: &str, spec: Value, expected: &[&str]) {
        let object = json!({"metadata": {"name": name}, "spec": spec});
        let errors = create(&Gvk::new("apiregistration.k8s.io", "v1", "APIService"), &object);
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(texts, expected);
    }

    fn spec(more: Value) -> Value {
        let mut spec = json!({"group": "e.io", "version": "v1", "groupPriorityMinimum": 100,
            "versionPriority": 10});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    }

    #[test]
    fn an_api_service_is_named_after_its_version_and_group() {
        check("v1.e.io", spec(json!({})), &[]);
        check(
            "v1.",
            json!({"version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1}),
            &[],
        );
        check(
            "other",
            spec(json!({})),
            &[
                "metadata.name: Invalid value: \"other\": must be `spec.version+\".\"+spec.group`: \"v1.e.io\"",
            ],
        );
    }

    #[test]
    fn what_is_local_has_nobody_to_trust_and_what_is_not_has_a_service() {
        check(
            "v1.e.io",
            spec(json!({"caBundle": "YWJj", "groupPriorityMinimum": 0, "versionPriority": 1001})),
            &[
                "spec.groupPriorityMinimum: Invalid value: 0: must be positive and less than 20000",
                "spec.versionPriority: Invalid value: 1001: must be positive and less than 1000",
                "spec.caBundle: Invalid value: \"3 bytes\": local APIServices may not have a caBundle",
            ],
        );
        check(
            "v1.e.io",
            spec(
                json!({"service": {"name": "s"}, "caBundle": "YWJj", "insecureSkipTLSVerify": true}),
            ),
            &[
                "spec.service.namespace: Required value",
                "spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present",
            ],
        );
    }
}
