//! The form of a policy file, and what is wrong with one.

use serde::Deserialize;
use serde_json::Value;

use crate::audit::event::Stage;

/// How much of a request is recorded; each has what those before it have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::audit) enum Level {
    /// Nothing.
    #[default]
    None,
    /// Who, what and what came of it.
    Metadata,
    /// And the object that came with the request.
    Request,
    /// And the object that was answered.
    RequestResponse,
}

const LEVELS: [Level; 4] = [Level::None, Level::Metadata, Level::Request, Level::RequestResponse];

impl Level {
    pub(in crate::audit) fn name(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Metadata => "Metadata",
            Self::Request => "Request",
            Self::RequestResponse => "RequestResponse",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Read {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    #[expect(dead_code, reason = "a policy may have a name, which says nothing")]
    metadata: Value,
    #[serde(default)]
    pub(super) rules: Vec<Rule>,
    #[serde(default)]
    pub(super) omit_stages: Vec<String>,
    #[serde(default)]
    pub(super) omit_managed_fields: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Rule {
    #[serde(default)]
    level: String,
    #[serde(default)]
    pub(super) users: Vec<String>,
    #[serde(default)]
    pub(super) user_groups: Vec<String>,
    #[serde(default)]
    pub(super) verbs: Vec<String>,
    #[serde(default)]
    pub(super) resources: Vec<GroupResources>,
    #[serde(default)]
    pub(super) namespaces: Vec<String>,
    #[serde(default, rename = "nonResourceURLs")]
    pub(super) non_resource_urls: Vec<String>,
    #[serde(default)]
    pub(super) omit_stages: Vec<String>,
    pub(super) omit_managed_fields: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct GroupResources {
    #[serde(default)]
    pub(super) group: String,
    #[serde(default)]
    pub(super) resources: Vec<String>,
    #[serde(default)]
    pub(super) resource_names: Vec<String>,
}

impl Read {
    /// Everything that is wrong, in upstream's words.
    pub(super) fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        if (self.api_version.as_str(), self.kind.as_str()) != ("audit.k8s.io/v1", "Policy") {
            complaints.push(format!(
                "apiVersion and kind: Invalid value: \"{}, Kind={}\": must be audit.k8s.io/v1, Kind=Policy",
                self.api_version, self.kind
            ));
        }
        if self.rules.is_empty() {
            complaints.push("rules: loaded illegal policy with 0 rules".to_owned());
        }
        check_stages("omitStages", &self.omit_stages, &mut complaints);
        for (index, rule) in self.rules.iter().enumerate() {
            rule.complain(&format!("rules[{index}]"), &mut complaints);
        }
        complaints
    }
}

impl Rule {
    pub(super) fn level(&self) -> Level {
        LEVELS.into_iter().find(|level| level.name() == self.level).unwrap_or_default()
    }

    fn complain(&self, path: &str, complaints: &mut Vec<String>) {
        let known = LEVELS.map(Level::name);
        if self.level.is_empty() {
            complaints.push(format!("{path}.level: Required value"));
        } else if !known.contains(&self.level.as_str()) {
            let supported = known.map(|name| format!("{name:?}")).join(", ");
            complaints.push(format!(
                "{path}.level: Unsupported value: {:?}: supported values: {supported}",
                self.level
            ));
        }
        let urls = format!("{path}.nonResourceURLs");
        check_urls(&urls, &self.non_resource_urls, complaints);
        for resources in &self.resources {
            resources.complain(&format!("{path}.resources"), complaints);
        }
        check_stages(&format!("{path}.omitStages"), &self.omit_stages, complaints);
        let both = !self.resources.is_empty() || !self.namespaces.is_empty();
        if !self.non_resource_urls.is_empty() && both {
            complaints.push(format!(
                "{urls}: Invalid value: {}: rules cannot apply to both regular resources and non-resource URLs",
                listed(&self.non_resource_urls)
            ));
        }
    }
}

impl GroupResources {
    fn complain(&self, path: &str, complaints: &mut Vec<String>) {
        // The core group is empty.
        if !self.group.is_empty() {
            let why = api::names::dns_subdomain(&self.group).join(",");
            if !why.is_empty() {
                complaints.push(format!("{path}.group: Invalid value: {:?}: {why}", self.group));
            }
        }
        if !self.resource_names.is_empty() && self.resources.is_empty() {
            complaints.push(format!(
                "{path}.resourceNames: Invalid value: {}: using resourceNames requires at least one resource",
                listed(&self.resource_names)
            ));
        }
    }
}

fn listed(texts: &[String]) -> String {
    serde_json::to_string(texts).expect("texts are JSON")
}

fn check_urls(path: &str, urls: &[String], complaints: &mut Vec<String>) {
    for (index, url) in urls.iter().enumerate().filter(|(_, url)| *url != "*") {
        if !url.starts_with('/') {
            complaints.push(format!(
                "{path}[{index}]: Invalid value: {url:?}: non-resource URL rules must begin with a '/' character"
            ));
        }
        if url.find('*').is_some_and(|at| at + 1 < url.len()) {
            complaints.push(format!(
                "{path}[{index}]: Invalid value: {url:?}: non-resource URL wildcards '*' must be the final character of the rule"
            ));
        }
    }
}

fn check_stages(path: &str, stages: &[String], complaints: &mut Vec<String>) {
    for (index, stage) in stages.iter().enumerate().filter(|(_, s)| Stage::named(s).is_none()) {
        complaints.push(format!(
            "{path}[{index}]: Invalid value: {stage:?}: allowed stages are {}",
            Stage::ALL.map(Stage::name).join(",")
        ));
    }
}
