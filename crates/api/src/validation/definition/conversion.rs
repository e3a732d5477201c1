//! Who converts the objects of a definition. Upstream's words name the fields of its internal
//! form: `webhookClientConfig` is what `webhook.clientConfig` is there.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::admission::{REVIEW_VERSIONS, client};
use super::super::certificate::has_certificates;
use super::super::field::Field;
use crate::{names, read};

const STRATEGIES: [&str; 2] = ["None", "Webhook"];
const FOREIGN: &str = "should not be set when strategy is not set to Webhook";

pub(super) fn check(conversion: &Field<'_>) {
    conversion.at("strategy").one_of(&STRATEGIES);
    let webhook = &conversion.value["webhook"];
    let config = conversion.at("webhookClientConfig").showing(&webhook["clientConfig"]);
    let versions = conversion.at("conversionReviewVersions");
    let versions = versions.showing(&webhook["conversionReviewVersions"]);
    if conversion.at("strategy").text() != "Webhook" {
        for field in [config, versions].iter().filter(|field| !field.is_empty()) {
            field.forbidden(FOREIGN);
        }
        return;
    }
    match config.is_some() {
        true => client(&config),
        false => config.required("required when strategy is set to Webhook"),
    }
    review_versions(&versions);
}

fn review_versions(versions: &Field<'_>) {
    if versions.is_empty() {
        versions.required("");
        return;
    }
    let mut seen = BTreeSet::new();
    for version in versions.items() {
        match seen.insert(version.text()) {
            true => version.well_formed(names::dns1035_label),
            false => version.invalid("duplicate version"),
        }
    }
    if !REVIEW_VERSIONS.iter().any(|version| seen.contains(version)) {
        let supported = REVIEW_VERSIONS.join(", ");
        versions.invalid(format!("must include at least one of {supported}"));
    }
}

/// A bundle that is none is taken only where there was no better one: before the definition is
/// established, or in the place of another such.
pub(super) fn check_bundle(conversion: &Field<'_>, old: &Value, established: bool) {
    const BUNDLE: [&str; 3] = ["webhook", "clientConfig", "caBundle"];
    let bundle = read::at(conversion.value, &BUNDLE);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let was = text(read::at(&old["spec"]["conversion"], &BUNDLE));
    let was_good = was.is_empty() || has_certificates(&was);
    let new = text(bundle);
    if established && was_good && !new.is_empty() && !has_certificates(&new) {
        let place = conversion.at("webhookClientConfig").at("caBundle");
        place.showing(bundle).invalid(
            "unable to load root certificates: data does not contain any valid RSA or ECDSA certificates",
        );
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::{create, update};
    use super::*;
    use crate::Gvk;

    fn definition(conversion: Value) -> Value {
        json!({
            "metadata": {"name": "tabs.example.com"},
            "spec": {
                "group": "example.com", "scope": "Namespaced",
                "names": {"plural": "tabs", "singular": "tab", "kind": "Tab", "listKind": "TabList"},
                "conversion": conversion,
                "versions": [{"name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object"}}}],
            },
        })
    }

    fn gvk() -> Gvk {
        Gvk::new("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
    }

    #[track_caller]
    fn check(conversion: Value, expected: &[&str]) {
        let errors = create(&gvk(), &definition(conversion));
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(texts, expected);
    }

    fn webhook(config: Value, versions: Value) -> Value {
        json!({"strategy": "Webhook", "webhook": {"clientConfig": config,
            "conversionReviewVersions": versions}})
    }

    #[test]
    fn a_webhook_has_a_place_and_speaks_a_known_review() {
        let service = json!({"service": {"namespace": "n", "name": "s", "port": 443}});
        check(webhook(service, json!(["v1"])), &[]);
        let config = "spec.conversion.webhookClientConfig";
        let versions = "spec.conversion.conversionReviewVersions";
        check(
            json!({"strategy": "Webhook"}),
            &[
                &format!("{config}: Required value: required when strategy is set to Webhook"),
                &format!("{versions}: Required value"),
            ],
        );
        check(
            webhook(json!({}), json!(["v2"])),
            &[
                &format!("{config}: Required value: exactly one of url or service is required"),
                &format!(
                    "{versions}: Invalid value: [\"v2\"]: must include at least one of v1, v1beta1"
                ),
            ],
        );
        check(
            webhook(json!({"url": "http://h"}), json!(["v1"])),
            &[&format!(
                "{config}.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired format: https://host[/path]"
            )],
        );
    }

    #[test]
    fn without_the_strategy_a_webhook_has_no_place() {
        let mut given = webhook(json!({"url": "https://h"}), json!(["v1"]));
        given["strategy"] = "None".into();
        check(
            given,
            &[
                &format!("spec.conversion.webhookClientConfig: Forbidden: {FOREIGN}"),
                &format!("spec.conversion.conversionReviewVersions: Forbidden: {FOREIGN}"),
            ],
        );
        check(
            json!({"strategy": "Other"}),
            &[
                "spec.conversion.strategy: Unsupported value: \"Other\": supported values: \"None\", \"Webhook\"",
            ],
        );
    }

    #[test]
    fn a_bundle_does_not_become_worse() {
        let with = |bundle: &str, established: &str| {
            let config = json!({"url": "https://h", "caBundle": bundle});
            let mut definition = definition(webhook(config, json!(["v1"])));
            definition["status"] =
                json!({"conditions": [{"type": "Established", "status": established}]});
            definition
        };
        let count = |new: &Value, old: &Value| update(&gvk(), new, old).len();
        let bad = "YmFk";
        assert_eq!(count(&with(bad, "True"), &with("", "True")), 1);
        assert_eq!(count(&with(bad, "True"), &with("d29yc2U=", "True")), 0);
        assert_eq!(count(&with(bad, "False"), &with("", "False")), 0);
    }
}
