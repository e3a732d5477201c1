//! Levels and versions, as a namespace's labels name them.

use std::fmt;

use api::FieldError;
use api::validation::ErrorKind;
use serde_json::Value;

/// How strict; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Privileged,
    Baseline,
    Restricted,
}

/// As strict as which release of Kubernetes was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Latest,
    /// 1.x
    Minor(u32),
}

/// A level as of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LevelVersion {
    pub(super) level: Level,
    pub(super) version: Version,
}

/// What a namespace's labels ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Policy {
    /// Pods that violate it are refused.
    pub(super) enforce: LevelVersion,
    /// They are noted in the audit log.
    pub(super) audit: LevelVersion,
    /// Their writers are warned.
    pub(super) warn: LevelVersion,
}

impl Policy {
    /// Reads a namespace's labels. What cannot be read is as strict as can be for what is
    /// enforced, and nothing for what is only told.
    pub(super) fn read(namespace: &Value) -> (Self, Vec<FieldError>) {
        let mut errors = Vec::new();
        let mut mode = |name: &str, otherwise: Level| {
            let level = label(namespace, name).map(|text| {
                Level::parse(text).unwrap_or_else(|| {
                    let why = "must be one of privileged, baseline, restricted";
                    errors.push(error(name, text, why));
                    otherwise
                })
            });
            let key = format!("{name}-version");
            let version = label(namespace, &key).map(|text| {
                Version::parse(text).unwrap_or_else(|| {
                    errors.push(error(&key, text, "must be \"latest\" or \"v1.x\""));
                    Version::Latest
                })
            });
            LevelVersion {
                level: level.unwrap_or(Level::Privileged),
                version: version.unwrap_or(Version::Latest),
            }
        };
        let enforce = mode("enforce", Level::Restricted);
        let audit = mode("audit", Level::Privileged);
        let warn = mode("warn", Level::Privileged);
        (Self { enforce, audit, warn }, errors)
    }
}

fn label<'a>(namespace: &'a Value, name: &str) -> Option<&'a str> {
    namespace["metadata"]["labels"].get(format!("{}{name}", super::PREFIX))?.as_str()
}

fn error(name: &str, value: &str, why: &str) -> FieldError {
    FieldError {
        path: format!("metadata.labels[{}{name}]", super::PREFIX),
        kind: ErrorKind::Invalid,
        value: value.into(),
        detail: why.to_owned(),
    }
}

impl Level {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "privileged" => Some(Self::Privileged),
            "baseline" => Some(Self::Baseline),
            "restricted" => Some(Self::Restricted),
            _ => None,
        }
    }
}

impl Version {
    fn parse(text: &str) -> Option<Self> {
        if text == "latest" {
            return Some(Self::Latest);
        }
        let digits = text.strip_prefix("v1.")?;
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        let padded = digits.len() > 1 && digits.starts_with('0');
        (plain && !padded).then(|| digits.parse().ok().map(Self::Minor)).flatten()
    }

    /// The minor version, which for the latest is above all others.
    pub(super) fn minor(self) -> u32 {
        match self {
            Self::Latest => u32::MAX,
            Self::Minor(minor) => minor,
        }
    }
}

impl fmt::Display for LevelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Privileged => "privileged",
            Level::Baseline => "baseline",
            Level::Restricted => "restricted",
        };
        match self.version {
            Version::Latest => write!(f, "{level}:latest"),
            Version::Minor(minor) => write!(f, "{level}:v1.{minor}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(labels: &[(&str, &str)]) -> (String, Vec<String>) {
        let mut namespace = json!({"metadata": {"labels": {}}});
        for (name, value) in labels {
            namespace["metadata"]["labels"][format!("{}{name}", super::super::PREFIX)] =
                (*value).into();
        }
        let (policy, errors) = Policy::read(&namespace);
        let shown = format!("{} {} {}", policy.enforce, policy.audit, policy.warn);
        (shown, errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn labels_name_levels_and_versions() {
        let check = |labels: &[(&str, &str)], expected: &str| {
            assert_eq!(read(labels), (expected.to_owned(), Vec::new()));
        };
        check(&[], "privileged:latest privileged:latest privileged:latest");
        check(
            &[("enforce", "baseline"), ("enforce-version", "v1.20"), ("warn", "restricted")],
            "baseline:v1.20 privileged:latest restricted:latest",
        );
    }

    #[test]
    fn what_cannot_be_read_is_strict_where_it_is_enforced() {
        let (policy, errors) = read(&[
            ("enforce", "lax"),
            ("enforce-version", "v1.01"),
            ("audit", "lax"),
            ("warn-version", "1.2"),
        ]);
        assert_eq!(policy, "restricted:latest privileged:latest privileged:latest");
        let expected = [
            "metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: \"lax\": must be one of privileged, baseline, restricted",
            "metadata.labels[pod-security.kubernetes.io/enforce-version]: Invalid value: \"v1.01\": must be \"latest\" or \"v1.x\"",
            "metadata.labels[pod-security.kubernetes.io/audit]: Invalid value: \"lax\": must be one of privileged, baseline, restricted",
            "metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid value: \"1.2\": must be \"latest\" or \"v1.x\"",
        ];
        assert_eq!(errors, expected);
    }
}
