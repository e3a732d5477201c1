//! Which type an object is: API group, version and kind.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

/// Group, version and kind. The core group is the empty string.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gvk {
    /// The API group, e.g. `apps`; empty for core.
    pub group: String,
    /// The version, e.g. `v1`.
    pub version: String,
    /// The kind, e.g. `Deployment`.
    pub kind: String,
}

/// An `apiVersion` that is not `version` or `group/version`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unexpected GroupVersion string: {0}")]
pub struct ApiVersionError(pub String);

impl Gvk {
    /// From its three parts.
    pub fn new(
        group: impl Into<String>,
        version: impl Into<String>,
        kind: impl Into<String>,
    ) -> Self {
        Self { group: group.into(), version: version.into(), kind: kind.into() }
    }

    /// A kind of the core `v1` group.
    pub fn core(kind: impl Into<String>) -> Self {
        Self::new("", "v1", kind)
    }

    /// From an object's `apiVersion` and `kind` texts.
    pub fn from_api_version(api_version: &str, kind: &str) -> Result<Self, ApiVersionError> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        if version.is_empty() || version.contains('/') {
            return Err(ApiVersionError(api_version.to_owned()));
        }
        Ok(Self::new(group, version, kind))
    }

    /// From an object's own `apiVersion` and `kind`; `None` where either is missing or malformed.
    pub fn of(object: &Value) -> Option<Self> {
        let api_version = object.get("apiVersion")?.as_str()?;
        let kind = object.get("kind")?.as_str()?;
        Self::from_api_version(api_version, kind).ok()
    }

    /// `v1`, `apps/v1`: as it stands in an object.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// `Pod`, `Deployment.apps`: how messages name a kind.
    pub fn group_kind(&self) -> String {
        if self.group.is_empty() {
            self.kind.clone()
        } else {
            format!("{}.{}", self.kind, self.group)
        }
    }

    /// Is this that kind of that group, in any version?
    pub fn is(&self, group: &str, kind: &str) -> bool {
        self.group == group && self.kind == kind
    }
}

/// As Kubernetes prints it: `apps/v1, Kind=Deployment`.
impl fmt::Display for Gvk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() {
            write!(f, "/{}, Kind={}", self.version, self.kind)
        } else {
            write!(f, "{}/{}, Kind={}", self.group, self.version, self.kind)
        }
    }
}

/// Reads `v1/Pod` and `apps/v1/Deployment`.
impl FromStr for Gvk {
    type Err = ApiVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (api_version, kind) =
            text.rsplit_once('/').ok_or_else(|| ApiVersionError(text.to_owned()))?;
        Self::from_api_version(api_version, kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(api_version: &str, kind: &str, group_kind: &str, display: &str) {
        let gvk = Gvk::from_api_version(api_version, kind).unwrap();
        assert_eq!(gvk.api_version(), api_version);
        assert_eq!(gvk.group_kind(), group_kind);
        assert_eq!(gvk.to_string(), display);
        assert_eq!(format!("{api_version}/{kind}").parse(), Ok(gvk));
    }

    #[test]
    fn core_and_named_groups_print_as_kubernetes_does() {
        check("v1", "Pod", "Pod", "/v1, Kind=Pod");
        check("apps/v1", "Deployment", "Deployment.apps", "apps/v1, Kind=Deployment");
    }

    #[test]
    fn malformed_api_versions_are_refused() {
        for bad in ["", "apps/", "a/b/c"] {
            assert!(Gvk::from_api_version(bad, "X").is_err(), "{bad}");
        }
    }

    #[test]
    fn an_object_without_a_kind_has_no_gvk() {
        assert_eq!(Gvk::of(&serde_json::json!({"apiVersion": "v1"})), None);
    }
}
