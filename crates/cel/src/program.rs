//! From an expression to a program.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ast::{Expr, Kind};
use crate::budget::Budget;
use crate::checker::{self, Checked, Scope};
use crate::cost::{self, Estimate};
use crate::declared::Declared;
use crate::error::EvalError;
use crate::eval::{self, Variables};
use crate::library::{self, Function, Functions, Library, Overload};
use crate::parser;
use crate::source::{CompileError, Issue};
use crate::types::Type;
use crate::value::Value;

/// What expressions can be about: variables, functions, objects that may be made.
#[derive(Debug, Clone)]
pub struct Environment {
    functions: Arc<Functions>,
    variables: BTreeMap<String, Arc<Declared>>,
    objects: Vec<String>,
}

impl Default for Environment {
    fn default() -> Self {
        Self::new()
    }
}

impl Environment {
    /// The language, its usual libraries, and no variables.
    pub fn new() -> Self {
        let functions = Arc::new(library::standard().clone());
        Self { functions, variables: BTreeMap::new(), objects: Vec::new() }
    }

    /// With the functions of a library.
    #[must_use]
    pub fn with_library(mut self, library: &Library) -> Self {
        Arc::make_mut(&mut self.functions).add(library);
        self
    }

    /// With a variable.
    #[must_use]
    pub fn with_variable(mut self, name: &str, declared: impl Into<Arc<Declared>>) -> Self {
        self.variables.insert(name.to_owned(), declared.into());
        self
    }

    /// With objects that may be made: `Object{…}`, `Object.spec{…}`.
    #[must_use]
    pub fn with_object(mut self, name: &str) -> Self {
        self.objects.push(name.to_owned());
        self
    }

    /// Reads an expression and finds its types.
    pub fn compile(&self, text: &str) -> Result<Program, CompileError> {
        let failed = |issues: Vec<Issue>| CompileError::new(text, issues);
        let mut parsed = parser::parse(text).map_err(|issue| failed(vec![issue]))?;
        let variables: BTreeMap<String, Type> =
            self.variables.iter().map(|(name, d)| (name.clone(), d.kind())).collect();
        let scope =
            Scope { functions: &self.functions, variables: &variables, objects: &self.objects };
        let Checked { types, overloads, used } =
            checker::check(&mut parsed, &scope).map_err(failed)?;
        let mut functions = vec![Vec::new(); parsed.nodes];
        self.bind(&parsed.root, &mut functions);
        let declared = self.variables.iter().filter(|(name, _)| used.contains(name));
        let declared = declared.map(|(name, d)| (name.clone(), d.clone())).collect();
        Ok(Program { root: parsed.root, types, overloads, functions, declared })
    }

    /// Which functions each call calls.
    fn bind(&self, expr: &Expr, functions: &mut [Vec<Function>]) {
        if let Kind::Call(call) = &expr.kind
            && let Some(found) = self.functions.functions(&call.function)
        {
            functions[expr.id] = found.to_vec();
        }
        expr.children().into_iter().for_each(|below| self.bind(below, functions));
    }
}

/// An expression that is ready to be evaluated, as often as wanted and from any thread.
#[derive(Debug)]
pub struct Program {
    pub(crate) root: Expr,
    pub(crate) types: Vec<Type>,
    pub(crate) overloads: Vec<Vec<Arc<Overload>>>,
    pub(crate) functions: Vec<Vec<Function>>,
    /// The variables that it uses.
    pub(crate) declared: BTreeMap<String, Arc<Declared>>,
}

impl Program {
    /// What its values are.
    pub fn kind(&self) -> &Type {
        &self.types[self.root.id]
    }

    /// Does it use a variable?
    pub fn uses(&self, variable: &str) -> bool {
        self.declared.contains_key(variable)
    }

    /// What it can cost, by the bounds of its variables' declarations.
    pub fn estimate(&self) -> Estimate {
        cost::estimate(self)
    }

    /// Its value. The limits of the budget end an evaluation as errors.
    pub fn evaluate<'a>(
        &'a self,
        variables: &Variables<'a>,
        budget: &mut Budget,
    ) -> Result<Value<'a>, EvalError> {
        eval::evaluate(self, variables, budget)
    }
}
