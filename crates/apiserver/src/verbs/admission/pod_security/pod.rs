//! A pod or a pod's template, as the checks look at it.

use serde_json::Value;

/// A pod or a pod's template.
pub(super) struct Pod<'a> {
    pub(super) metadata: &'a Value,
    pub(super) spec: &'a Value,
}

/// One container of any kind.
#[derive(Clone, Copy)]
pub(super) struct Container<'a>(pub(super) &'a Value);

impl<'a> Pod<'a> {
    pub(super) fn of(object: &'a Value) -> Self {
        Self { metadata: &object["metadata"], spec: &object["spec"] }
    }

    /// All containers, in the order in which upstream names them.
    pub(super) fn containers(&self) -> impl Iterator<Item = Container<'a>> + use<'a> {
        let spec = self.spec;
        ["initContainers", "containers", "ephemeralContainers"]
            .into_iter()
            .flat_map(move |list| spec[list].as_array().into_iter().flatten())
            .map(Container)
    }

    /// The names of those of which this is true.
    pub(super) fn names_where(&self, bad: impl Fn(Container<'a>) -> bool) -> Vec<&'a str> {
        self.containers().filter(|container| bad(*container)).map(Container::name).collect()
    }

    /// The security context of all containers together.
    pub(super) fn context(&self) -> &'a Value {
        &self.spec["securityContext"]
    }

    pub(super) fn annotations(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let all = self.metadata["annotations"].as_object().into_iter().flatten();
        all.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
    }

    pub(super) fn volumes(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        self.spec["volumes"].as_array().into_iter().flatten()
    }

    /// Do its users mean nothing on the host?
    pub(super) fn has_own_users(&self) -> bool {
        self.spec["hostUsers"] == false
    }

    pub(super) fn is_windows(&self) -> bool {
        self.spec["os"]["name"] == "windows"
    }
}

impl<'a> Container<'a> {
    pub(super) fn name(self) -> &'a str {
        self.0["name"].as_str().unwrap_or("")
    }

    pub(super) fn context(self) -> &'a Value {
        &self.0["securityContext"]
    }
}

/// `one`, or `many` where there are others than one.
pub(super) fn plural(one: &'static str, many: &'static str, count: usize) -> &'static str {
    if count == 1 { one } else { many }
}

/// `"a", "b"`
pub(super) fn quoted<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> String {
    let quoted: Vec<String> =
        items.into_iter().map(|item| format!("\"{}\"", item.as_ref())).collect();
    quoted.join(", ")
}

/// `container "a"`, `containers "a", "b"`
pub(super) fn containers(names: &[&str]) -> String {
    format!("{} {}", plural("container", "containers", names.len()), quoted(names))
}

/// `pod and container "a"`: who has set something. `None` where nobody has.
pub(super) fn setters(pod: bool, names: &[&str]) -> Option<String> {
    match (pod, names) {
        (false, []) => None,
        (true, []) => Some("pod".to_owned()),
        (false, names) => Some(containers(names)),
        (true, names) => Some(format!("pod and {}", containers(names))),
    }
}
