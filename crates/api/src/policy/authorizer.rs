//! `authorizer`: may the writer, or a service account, do something else?

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use cel::{Budget, EvalError, Library, Opaque, Value};

/// Answers the questions of expressions.
pub trait Authorize: fmt::Debug + Send + Sync {
    /// May this be done?
    fn authorize(&self, question: &Question) -> Answer;
}

/// What is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    /// Namespace and name of a service account; `None`: whoever writes.
    pub account: Option<(String, String)>,
    /// A URL path; empty where a resource is meant.
    pub path: String,
    /// The API group.
    pub group: String,
    /// The plural.
    pub resource: String,
    /// The subresource, or empty.
    pub subresource: String,
    /// The namespace, or empty.
    pub namespace: String,
    /// The object's name, or empty.
    pub name: String,
    /// `get`, `create`, …
    pub verb: String,
}

/// What the authorizer says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// It may.
    pub allowed: bool,
    /// Why, or why not; may be empty.
    pub reason: String,
}

pub(super) const LIBRARY: Library = Library {
    declarations: "\
path: kubernetes.authorization.Authorizer.(string) -> kubernetes.authorization.PathCheck
group: kubernetes.authorization.Authorizer.(string) -> kubernetes.authorization.GroupCheck
serviceAccount: kubernetes.authorization.Authorizer.(string, string) -> kubernetes.authorization.Authorizer
resource: kubernetes.authorization.GroupCheck.(string) -> kubernetes.authorization.ResourceCheck
subresource: kubernetes.authorization.ResourceCheck.(string) -> kubernetes.authorization.ResourceCheck
namespace: kubernetes.authorization.ResourceCheck.(string) -> kubernetes.authorization.ResourceCheck
name: kubernetes.authorization.ResourceCheck.(string) -> kubernetes.authorization.ResourceCheck
fieldSelector: kubernetes.authorization.ResourceCheck.(string) -> kubernetes.authorization.ResourceCheck
labelSelector: kubernetes.authorization.ResourceCheck.(string) -> kubernetes.authorization.ResourceCheck
check: kubernetes.authorization.PathCheck.(string) -> kubernetes.authorization.Decision
check: kubernetes.authorization.ResourceCheck.(string) -> kubernetes.authorization.Decision
allowed: kubernetes.authorization.Decision.() -> bool
reason: kubernetes.authorization.Decision.() -> string
errored: kubernetes.authorization.Decision.() -> bool
error: kubernetes.authorization.Decision.() -> string
",
    functions: &[
        ("path", |args, _| asked(args, Step::Authorizer, Step::Path, |q, text| q.path = text)),
        ("group", |args, _| asked(args, Step::Authorizer, Step::Group, |q, text| q.group = text)),
        ("serviceAccount", service_account),
        ("resource", |args, _| asked(args, Step::Group, Step::Resource, |q, t| q.resource = t)),
        ("subresource", |args, _| in_resource(args, |q, text| q.subresource = text)),
        ("namespace", |args, _| in_resource(args, |q, text| q.namespace = text)),
        ("name", |args, _| in_resource(args, |q, text| q.name = text)),
        // Roles know no selectors: who may only see some objects is asked about all.
        ("fieldSelector", |args, _| in_resource(args, |_, _| {})),
        ("labelSelector", |args, _| in_resource(args, |_, _| {})),
        ("check", check),
        ("allowed", |args, _| Ok(Value::Bool(answer(args)?.allowed))),
        ("reason", |args, _| Ok(Value::text(answer(args)?.reason.as_str()))),
        // Every question has an answer here.
        ("errored", |args, _| answer(args).map(|_| Value::Bool(false))),
        ("error", |args, _| answer(args).map(|_| Value::text(""))),
    ],
};

/// How far a question is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Authorizer,
    Path,
    Group,
    Resource,
}

/// A question on its way.
#[derive(Debug, Clone)]
struct Asking {
    step: Step,
    question: Question,
    authorizer: Arc<dyn Authorize>,
}

/// The variable `authorizer`.
pub(super) fn authorizer<'a>(authorizer: Arc<dyn Authorize>) -> Value<'a> {
    let question = Question::default();
    Value::opaque(Asking { step: Step::Authorizer, question, authorizer })
}

/// The variable `authorizer.requestResource`: what the write is of.
pub(super) fn of_request<'a>(authorizer: Arc<dyn Authorize>, question: Question) -> Value<'a> {
    Value::opaque(Asking { step: Step::Resource, question, authorizer })
}

fn asked<'a>(
    args: &[Value<'a>],
    from: Step,
    to: Step,
    set: fn(&mut Question, String),
) -> Result<Value<'a>, EvalError> {
    let [target, text] = args else { return Err(EvalError::no_overload()) };
    let (Some(asking), Some(text)) = (target.as_opaque::<Asking>(), text.as_str()) else {
        return Err(EvalError::no_overload());
    };
    if asking.step != from {
        return Err(EvalError::no_overload());
    }
    let mut asking = Asking { step: to, ..asking.clone() };
    set(&mut asking.question, text.to_owned());
    Ok(Value::opaque(asking))
}

fn in_resource<'a>(
    args: &[Value<'a>],
    set: fn(&mut Question, String),
) -> Result<Value<'a>, EvalError> {
    asked(args, Step::Resource, Step::Resource, set)
}

fn service_account<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<Value<'a>, EvalError> {
    let [target, namespace, name] = args else { return Err(EvalError::no_overload()) };
    let texts = (namespace.as_str(), name.as_str());
    let (Some(asking), (Some(namespace), Some(name))) = (target.as_opaque::<Asking>(), texts)
    else {
        return Err(EvalError::no_overload());
    };
    let mut asking = asking.clone();
    asking.question.account = Some((namespace.to_owned(), name.to_owned()));
    Ok(Value::opaque(asking))
}

fn check<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<Value<'a>, EvalError> {
    let [target, verb] = args else { return Err(EvalError::no_overload()) };
    let (Some(asking), Some(verb)) = (target.as_opaque::<Asking>(), verb.as_str()) else {
        return Err(EvalError::no_overload());
    };
    let question = Question { verb: verb.to_owned(), ..asking.question.clone() };
    Ok(Value::opaque(asking.authorizer.authorize(&question)))
}

fn answer<'v>(args: &'v [Value<'_>]) -> Result<&'v Answer, EvalError> {
    let answer = args.first().and_then(Value::as_opaque::<Answer>);
    answer.ok_or_else(EvalError::no_overload)
}

impl Opaque for Asking {
    fn kind(&self) -> &'static str {
        match self.step {
            Step::Authorizer => "kubernetes.authorization.Authorizer",
            Step::Path => "kubernetes.authorization.PathCheck",
            Step::Group => "kubernetes.authorization.GroupCheck",
            Step::Resource => "kubernetes.authorization.ResourceCheck",
        }
    }

    fn equals(&self, other: &dyn Opaque) -> bool {
        let other = other.as_any().downcast_ref::<Self>();
        other.is_some_and(|other| self.step == other.step && self.question == other.question)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Opaque for Answer {
    fn kind(&self) -> &'static str {
        "kubernetes.authorization.Decision"
    }

    fn equals(&self, other: &dyn Opaque) -> bool {
        other.as_any().downcast_ref::<Self>() == Some(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
