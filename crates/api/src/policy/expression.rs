//! One expression: what it must be, and whether it is.

use cel::{Program, Type};

/// What an expression must evaluate to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Result {
    /// Whatever it is.
    Any,
    /// A condition or a validation.
    Bool,
    /// A message.
    Message,
    /// A text for the audit log, or null.
    Annotation,
    /// `Object{…}`.
    Configuration,
    /// A list of `JSONPatch{…}`.
    Patch,
}

/// An expression, or what is wrong with it.
#[derive(Debug)]
pub struct Expression {
    pub(super) text: String,
    pub(super) program: std::result::Result<Program, Problem>,
}

/// Why an expression cannot be used, in upstream's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Problem(pub String);

impl Expression {
    pub(super) fn compile(environment: &cel::Environment, text: &str, wanted: Result) -> Self {
        let program = environment.compile(text);
        let program = program.map_err(|error| Problem(format!("compilation failed: {error}")));
        let program = program.and_then(|program| wanted.check(program.kind()).map(|()| program));
        Self { text: text.to_owned(), program }
    }

    /// What is wrong with it.
    pub fn problem(&self) -> Option<&Problem> {
        self.program.as_ref().err()
    }

    /// What its values are; anything where it is wrong.
    pub(super) fn kind(&self) -> Type {
        self.program.as_ref().map_or(Type::Dyn, |program| program.kind().clone())
    }
}

impl Result {
    fn check(self, kind: &Type) -> std::result::Result<(), Problem> {
        let (fits, wanted) = match (self, kind) {
            (Self::Any, _) => (true, ""),
            (Self::Bool, kind) => (*kind == Type::Bool, "bool"),
            (Self::Message, kind) => (*kind == Type::String, "string"),
            (Self::Annotation, kind) => {
                (matches!(kind, Type::String | Type::Null), "one of [string null_type]")
            }
            (Self::Configuration, kind) => (is_object(kind, "Object"), "Object"),
            (Self::Patch, Type::List(item)) => (is_object(item, "JSONPatch"), "list(JSONPatch)"),
            (Self::Patch, _) => (false, "list(JSONPatch)"),
        };
        if fits {
            return Ok(());
        }
        Err(Problem(format!("must evaluate to {wanted} but got {kind}")))
    }
}

fn is_object(kind: &Type, name: &str) -> bool {
    matches!(kind, Type::Object(object) if object.name == name)
}
