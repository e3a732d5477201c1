//! Conflicts: fields that an apply would change and others own.

use std::fmt;

use super::managed::{Identity, Operation};
use super::set::{FieldSet, Path};

/// Fields that others own, manager by manager. Displays as the message of the Status.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflicts(Vec<Conflict>);

/// One field and one manager that owns it.
#[derive(Debug, Clone, PartialEq)]
struct Conflict {
    manager: Identity,
    path: Path,
}

/// One entry of `Status.details.causes`, of reason `FieldManagerConflict`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictCause {
    /// `conflict with "kubectl-client-side-apply" using apps/v1`
    pub message: String,
    /// `.spec.replicas`
    pub field: String,
}

impl Conflicts {
    /// `None` where there are none.
    pub(super) fn of(fields: impl IntoIterator<Item = (Identity, FieldSet)>) -> Option<Self> {
        let mut conflicts = Vec::new();
        for (manager, set) in fields {
            set.for_each(&mut |path| {
                let conflict = Conflict { manager: manager.clone(), path: path.clone() };
                conflicts.push(conflict);
            });
        }
        (!conflicts.is_empty()).then_some(Self(conflicts))
    }

    /// Those outside a set of fields that may be taken.
    pub(super) fn outside(&self, allowed: &FieldSet) -> Option<Self> {
        let left = self.0.iter().filter(|conflict| !allowed.contains(&conflict.path.0));
        let left: Vec<_> = left.cloned().collect();
        (!left.is_empty()).then_some(Self(left))
    }

    /// For `Status.details.causes`.
    pub fn causes(&self) -> Vec<ConflictCause> {
        let cause = |conflict: &Conflict| ConflictCause {
            message: format!("conflict with {}", Name(&conflict.manager)),
            field: conflict.path.to_string(),
        };
        self.0.iter().map(cause).collect()
    }
}

impl fmt::Display for Conflicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [one] = self.0.as_slice() {
            let Conflict { manager, path } = one;
            let name = Name(manager);
            return write!(f, "Apply failed with 1 conflict: conflict with {name}: {path}");
        }
        write!(f, "Apply failed with {} conflicts: ", self.0.len())?;
        let mut last = None;
        for (index, Conflict { manager, path }) in self.0.iter().enumerate() {
            let break_line = if index > 0 { "\n" } else { "" };
            if last != Some(manager) {
                write!(f, "{break_line}conflicts with {}:", Name(manager))?;
                last = Some(manager);
            }
            write!(f, "\n- {path}")?;
        }
        Ok(())
    }
}

/// A manager as messages name it.
struct Name<'a>(&'a Identity);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Identity { manager, operation, api_version, subresource } = self.0;
        write!(f, "{manager:?}")?;
        if !subresource.is_empty() {
            write!(f, " with subresource {subresource:?}")?;
        }
        match operation {
            Operation::Update => write!(f, " using {api_version}"),
            Operation::Apply => Ok(()),
        }
    }
}
