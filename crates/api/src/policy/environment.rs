//! What expressions of policies can be about.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use cel::{Declared, Environment, EvalError, Field, Library, Object, Shape, Type, Value};

use super::authorizer;
use super::declared;
use super::expression::{Expression, Result};

/// The variable whose fields are the policy's own variables.
pub(super) const VARIABLES: &str = "variables";

const PATCHES: Library = Library {
    declarations: "jsonpatch.escapeKey: (string) -> string\n",
    functions: &[("jsonpatch.escapeKey", |args, _| match args {
        [key] => {
            let key = key.as_str().ok_or_else(EvalError::no_overload)?;
            Ok(Value::text(key.replace('~', "~0").replace('/', "~1")))
        }
        _ => Err(EvalError::no_overload()),
    })],
};

/// What every expression sees.
static BASE: LazyLock<Environment> = LazyLock::new(|| {
    crate::cel::environment()
        .with_library(&authorizer::LIBRARY)
        .with_variable("object", Declared::anything())
        .with_variable("oldObject", Declared::anything())
        .with_variable("request", declared::request())
        .with_variable("namespaceObject", declared::namespace())
});

/// What one policy's expressions see: more with each variable that it declares.
#[derive(Debug, Clone)]
pub struct Scope {
    environment: Environment,
    variables: BTreeMap<String, Field>,
}

impl Scope {
    /// Without variables; with parameters, where the policy has some.
    pub fn new(params: bool) -> Self {
        let environment = match params {
            true => BASE.clone().with_variable("params", Declared::anything()),
            false => BASE.clone(),
        };
        Self { environment, variables: BTreeMap::new() }.with_variables()
    }

    /// The same, where it is known what the objects are.
    pub(super) fn typed(object: &Arc<Declared>, params: Option<&Arc<Declared>>) -> Self {
        let mut scope = Self::new(false);
        let typed = scope
            .environment
            .with_variable("object", object.clone())
            .with_variable("oldObject", object.clone());
        scope.environment = match params {
            Some(params) => typed.with_variable("params", params.clone()),
            None => typed,
        };
        scope
    }

    fn with_variables(mut self) -> Self {
        let object = Object {
            name: "kubernetes.variables".to_owned(),
            fields: self.variables.clone(),
            open: false,
        };
        let mut declared = Declared::anything();
        declared.shape = Shape::Object(Arc::new(object));
        self.environment = self.environment.with_variable(VARIABLES, declared);
        self
    }

    /// From now on expressions see a variable of this name.
    pub fn declare(&mut self, name: &str, expression: &Expression) {
        let declared = Arc::new(Declared::plain(expression.kind()));
        let field = Field { json_name: name.to_owned(), declared };
        self.variables.insert(name.to_owned(), field);
        *self = self.clone().with_variables();
    }

    /// Compiles an expression.
    pub fn expression(&self, text: &str, wanted: Result) -> Expression {
        let environment = self.environment.clone();
        let environment = match wanted {
            // Upstream's messages may not ask about access.
            Result::Message => environment,
            _ => with_authorizer(environment),
        };
        let environment = match wanted {
            Result::Configuration | Result::Patch => {
                environment.with_library(&PATCHES).with_object("Object").with_object("JSONPatch")
            }
            _ => environment,
        };
        Expression::compile(&environment, text, wanted)
    }
}

fn with_authorizer(environment: Environment) -> Environment {
    let of = |name: &str| Declared::plain(Type::opaque(name));
    environment
        .with_variable("authorizer", of("kubernetes.authorization.Authorizer"))
        .with_variable("authorizer.requestResource", of("kubernetes.authorization.ResourceCheck"))
}
