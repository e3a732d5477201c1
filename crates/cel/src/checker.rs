//! Types: every node gets one, and what does not fit is told in cel-go's words.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ast::{Entry, Expr, Fold, Item, Kind, Literal, Select};
use crate::library::{Functions, Overload};
use crate::parser::{Parsed, qualified};
use crate::source::Issue;
use crate::types::Type;

mod calls;
mod literals;
mod unify;

use unify::Unifier;

/// More faults than these are not looked for.
const ISSUES_MAX: usize = 100;

/// What expressions are about.
pub(crate) struct Scope<'a> {
    pub functions: &'a Functions,
    pub variables: &'a BTreeMap<String, Type>,
    /// Names of objects that may be made: `Object` and all `Object.…`.
    pub objects: &'a [String],
}

/// What the checker found out, by the ids of nodes.
pub(crate) struct Checked {
    pub types: Vec<Type>,
    /// Of calls: all overloads that may be meant.
    pub overloads: Vec<Vec<Arc<Overload>>>,
    /// The variables that are used.
    pub used: Vec<String>,
}

/// Finds the types of all nodes.
pub(crate) fn check(parsed: &mut Parsed, scope: &Scope<'_>) -> Result<Checked, Vec<Issue>> {
    let mut checker = Checker {
        scope,
        unifier: Unifier::default(),
        types: vec![Type::Error; parsed.nodes],
        overloads: vec![Vec::new(); parsed.nodes],
        locals: Vec::new(),
        used: Vec::new(),
        issues: Vec::new(),
    };
    checker.expr(&mut parsed.root);
    if checker.issues.is_empty() {
        literals::check(&parsed.root, &mut checker.issues);
    }
    if !checker.issues.is_empty() {
        return Err(checker.issues);
    }
    let Checker { unifier, types, overloads, used, .. } = checker;
    let types = types.iter().map(|kind| unifier.settled(kind)).collect();
    Ok(Checked { types, overloads, used })
}

struct Checker<'a> {
    scope: &'a Scope<'a>,
    unifier: Unifier,
    types: Vec<Type>,
    overloads: Vec<Vec<Arc<Overload>>>,
    locals: Vec<(Arc<str>, Type)>,
    used: Vec<String>,
    issues: Vec<Issue>,
}

impl Checker<'_> {
    fn issue(&mut self, offset: usize, message: String) -> Type {
        if self.issues.len() < ISSUES_MAX {
            self.issues.push(Issue { offset, message });
        }
        Type::Error
    }

    fn expr(&mut self, expr: &mut Expr) -> Type {
        let kind = self.kind(expr);
        self.types[expr.id] = kind.clone();
        kind
    }

    fn kind(&mut self, expr: &mut Expr) -> Type {
        let (id, offset) = (expr.id, expr.offset);
        if let Some(name) = self.type_name(expr) {
            // A type that is written with dots becomes one name.
            expr.kind = Kind::Ident(name.as_str().into());
            return Type::Kind(Arc::new(named(&name)));
        }
        if let Some(name) = self.dotted_variable(expr) {
            expr.kind = Kind::Ident(name.as_str().into());
        }
        match &mut expr.kind {
            Kind::Literal(literal) => literal_kind(literal),
            Kind::Ident(name) => self.ident(offset, name),
            Kind::Select(select) => self.select(offset, select),
            Kind::Call(call) => self.call(id, offset, call),
            Kind::List(items) => self.list(items),
            Kind::Map(entries) => self.map(entries),
            Kind::Struct(name, fields) => self.object(offset, name, fields),
            Kind::Fold(fold) => self.fold(fold),
        }
    }

    fn local(&self, name: &str) -> Option<&Type> {
        self.locals.iter().rev().find(|(known, _)| **known == *name).map(|(_, kind)| kind)
    }

    /// `int`, `net.IP`: a type as a value.
    fn type_name(&self, expr: &Expr) -> Option<String> {
        let (Kind::Ident(_) | Kind::Select(Select { test: false, .. })) = &expr.kind else {
            return None;
        };
        let name = qualified(expr)?;
        let root = name.split('.').next()?;
        if self.local(root).is_some() || self.scope.variables.contains_key(root) {
            return None;
        }
        let known = BASIC_TYPES.contains(&&*name) || self.scope.functions.types.contains(&name);
        known.then_some(name)
    }

    /// `a.b`, where that is a variable itself. It comes before a field of `a`.
    fn dotted_variable(&self, expr: &Expr) -> Option<String> {
        let Kind::Select(Select { test: false, .. }) = &expr.kind else { return None };
        let name = qualified(expr)?;
        let root = name.split('.').next()?;
        let known = self.scope.variables.contains_key(&name) && self.local(root).is_none();
        known.then_some(name)
    }

    fn ident(&mut self, offset: usize, name: &str) -> Type {
        if let Some(kind) = self.local(name) {
            return kind.clone();
        }
        let Some(kind) = self.scope.variables.get(name) else {
            let message = format!("undeclared reference to '{name}' (in container '')");
            return self.issue(offset, message);
        };
        if !self.used.iter().any(|used| used == name) {
            self.used.push(name.to_owned());
        }
        kind.clone()
    }

    fn select(&mut self, offset: usize, select: &mut Select) -> Type {
        let operand = self.expr(&mut select.operand);
        let operand = self.unifier.resolved(&operand);
        let kind = match operand.in_optional() {
            Some(inner) => {
                let inner = self.unifier.resolved(inner);
                Type::optional(self.field(offset, &inner, &select.field))
            }
            None => self.field(offset, &operand, &select.field),
        };
        if select.test { Type::Bool } else { kind }
    }

    fn field(&mut self, offset: usize, operand: &Type, field: &str) -> Type {
        match operand {
            Type::Object(object) => match object.fields.get(field) {
                Some(field) => field.declared.kind(),
                None if object.open => Type::Dyn,
                None => self.issue(offset, format!("undefined field '{field}'")),
            },
            Type::Map(of) => of.1.clone(),
            Type::Dyn | Type::Error | Type::Param(_) => Type::Dyn,
            other => {
                let other = self.unifier.settled(other);
                let message = format!("type '{other}' does not support field selection");
                self.issue(offset, message)
            }
        }
    }

    fn list(&mut self, items: &mut [Item]) -> Type {
        let mut of: Option<Type> = None;
        for item in items {
            let mut kind = self.expr(&mut item.value);
            if item.optional {
                kind = self.inside_optional(item.value.offset, &kind);
            }
            of = Some(self.join(item.value.offset, of, kind));
        }
        Type::list(of.unwrap_or_else(|| self.unifier.fresh()))
    }

    fn map(&mut self, entries: &mut [Entry]) -> Type {
        let (mut key, mut value): (Option<Type>, Option<Type>) = (None, None);
        for entry in entries {
            let kind = self.expr(&mut entry.key);
            key = Some(self.join(entry.key.offset, key, kind));
            let mut kind = self.expr(&mut entry.value);
            if entry.optional {
                kind = self.inside_optional(entry.value.offset, &kind);
            }
            value = Some(self.join(entry.value.offset, value, kind));
        }
        let key = key.unwrap_or_else(|| self.unifier.fresh());
        Type::map(key, value.unwrap_or_else(|| self.unifier.fresh()))
    }

    /// The type of `?x` in a list or map.
    fn inside_optional(&mut self, offset: usize, kind: &Type) -> Type {
        let kind = self.unifier.resolved(kind);
        match kind.in_optional() {
            Some(inner) => inner.clone(),
            None if matches!(kind, Type::Dyn | Type::Error) => Type::Dyn,
            None => {
                let message = format!("expected type 'optional_type(dyn)' but found '{kind}'");
                self.issue(offset, message)
            }
        }
    }

    /// Lists and maps hold values of one type.
    fn join(&mut self, offset: usize, sofar: Option<Type>, next: Type) -> Type {
        let Some(sofar) = sofar else { return next };
        if self.unifier.assign(&sofar, &next) {
            return if matches!(next, Type::Dyn) { next } else { sofar };
        }
        let (sofar, next) = (self.unifier.settled(&sofar), self.unifier.settled(&next));
        self.issue(offset, format!("expected type '{sofar}' but found '{next}'"))
    }

    fn object(
        &mut self,
        offset: usize,
        name: &Arc<str>,
        fields: &mut [(Arc<str>, Expr, bool)],
    ) -> Type {
        for (_, value, _) in fields.iter_mut() {
            self.expr(value);
        }
        let root = name.split('.').next().unwrap_or_default();
        if !self.scope.objects.iter().any(|known| known == root || **known == **name) {
            let message = format!("undeclared reference to '{name}' (in container '')");
            return self.issue(offset, message);
        }
        let name = name.to_string();
        Type::Object(Arc::new(crate::types::Object { name, fields: BTreeMap::new(), open: true }))
    }

    fn fold(&mut self, fold: &mut Fold) -> Type {
        let range = self.expr(&mut fold.range);
        let range = self.unifier.resolved(&range);
        let two = fold.second.is_some();
        let (first, second) = match &range {
            Type::List(item) if two => (Type::Int, Type::clone(item)),
            Type::List(item) => (Type::clone(item), Type::Dyn),
            Type::Map(of) => (of.0.clone(), of.1.clone()),
            Type::Dyn | Type::Error | Type::Param(_) => (Type::Dyn, Type::Dyn),
            other => {
                let message = format!(
                    "expression of type '{}' cannot be range of a comprehension \
                     (must be list, map, or dynamic)",
                    self.unifier.settled(other)
                );
                (self.issue(fold.range.offset, message), Type::Error)
            }
        };
        let accumulator = self.expr(&mut fold.init);
        let scopes = self.locals.len();
        self.locals.push((fold.accumulator.clone(), accumulator.clone()));
        self.locals.push((fold.variable.clone(), first));
        if let Some(name) = &fold.second {
            self.locals.push((name.clone(), second));
        }
        let condition = self.expr(&mut fold.condition);
        self.expect(fold.condition.offset, &Type::Bool, &condition);
        let step = self.expr(&mut fold.step);
        self.expect(fold.step.offset, &accumulator, &step);
        self.locals.truncate(scopes + 1);
        let result = self.expr(&mut fold.result);
        self.locals.truncate(scopes);
        self.unifier.resolved(&result)
    }

    fn expect(&mut self, offset: usize, expected: &Type, found: &Type) {
        if !self.unifier.assign(expected, found) {
            let (expected, found) = (self.unifier.settled(expected), self.unifier.settled(found));
            self.issue(offset, format!("expected type '{expected}' but found '{found}'"));
        }
    }
}

const BASIC_TYPES: [&str; 14] = [
    "bool",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "list",
    "map",
    "null_type",
    "type",
    "dyn",
    "optional_type",
    "google.protobuf.Timestamp",
    "google.protobuf.Duration",
];

fn named(name: &str) -> Type {
    match name {
        "bool" => Type::Bool,
        "int" => Type::Int,
        "uint" => Type::Uint,
        "double" => Type::Double,
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "null_type" => Type::Null,
        "list" => Type::list(Type::Dyn),
        "map" => Type::map(Type::Dyn, Type::Dyn),
        "google.protobuf.Timestamp" => Type::Timestamp,
        "google.protobuf.Duration" => Type::Duration,
        "type" | "dyn" => Type::Dyn,
        "optional_type" => Type::optional(Type::Dyn),
        name => Type::opaque(name),
    }
}

fn literal_kind(literal: &Literal) -> Type {
    match literal {
        Literal::Null => Type::Null,
        Literal::Bool(_) => Type::Bool,
        Literal::Int(_) => Type::Int,
        Literal::Uint(_) => Type::Uint,
        Literal::Double(_) => Type::Double,
        Literal::String(_) => Type::String,
        Literal::Bytes(_) => Type::Bytes,
    }
}
