//! Evaluation: a walk over the tree that pays for each step before it goes on.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ast::{Call, Entry, Expr, Item, Kind, Literal, Select};
use crate::budget::Budget;
use crate::cost;
use crate::error::EvalError;
use crate::parser::ACCUMULATOR;
use crate::program::Program;
use crate::value::{Key, List, Map, Text, Value};

mod fold;
mod variables;

use variables::Bound;
pub use variables::Variables;

/// Programs that use one another's values: so many inside one another, and no more.
const PROGRAMS_MAX: usize = 16;
/// What making an element of a list or map counts as work: about its bytes.
pub(crate) const ELEMENT: u64 = 16;

type Evaluated<'a> = Result<Value<'a>, EvalError>;

pub(crate) fn evaluate<'a>(
    program: &'a Program,
    variables: &Variables<'a>,
    budget: &mut Budget,
) -> Evaluated<'a> {
    Evaluation { program, variables, locals: Vec::new(), budget, programs: 0 }.expr(&program.root)
}

struct Evaluation<'a, 'e> {
    program: &'a Program,
    variables: &'e Variables<'a>,
    /// A failure is kept where a later item of a loop may make it meaningless.
    locals: Vec<(&'a str, Evaluated<'a>)>,
    budget: &'e mut Budget,
    /// Inside how many others this program is evaluated.
    programs: usize,
}

impl<'a> Evaluation<'a, '_> {
    fn expr(&mut self, expr: &'a Expr) -> Evaluated<'a> {
        match &expr.kind {
            Kind::Literal(literal) => Ok(literal_value(literal)),
            Kind::Ident(name) => self.ident(expr, name),
            Kind::Select(select) => self.select(select),
            Kind::Call(call) => self.call(expr.id, call),
            Kind::List(items) => self.list(items),
            Kind::Map(entries) => self.map(entries),
            Kind::Struct(_, fields) => self.object(fields),
            Kind::Fold(fold) => self.fold(fold),
        }
    }

    #[inline(never)]
    fn ident(&mut self, expr: &Expr, name: &'a Arc<str>) -> Evaluated<'a> {
        self.budget.spend(1)?;
        if let Some((_, value)) = self.locals.iter().rev().find(|(known, _)| *known == &**name) {
            return value.clone();
        }
        let declared = self.program.declared.get(&**name);
        match self.variables.get(name) {
            Some(Bound::Json(json)) => Ok(Value::of_json(json, declared.map(|d| &**d))),
            Some(Bound::Value(value)) => Ok(value.clone()),
            Some(Bound::Programs) => Ok(Value::Map(Map::Composed)),
            None if declared.is_none() => Ok(Value::Kind(type_name(self.program, expr, name))),
            None => Err(EvalError::new(format!("no such attribute(s): {name}"))),
        }
    }

    #[inline(never)]
    fn select(&mut self, select: &'a Select) -> Evaluated<'a> {
        let operand = self.expr(&select.operand)?;
        if !select.test {
            self.budget.spend(1)?;
        }
        let (operand, optional) = match operand {
            Value::Optional(None) if select.test => return Ok(Value::Bool(false)),
            Value::Optional(None) => return Ok(Value::Optional(None)),
            Value::Optional(Some(inner)) => (Value::clone(&inner), true),
            other => (other, false),
        };
        let Value::Map(map) = &operand else {
            let kind = operand.kind_name();
            return Err(match select.test {
                true => EvalError::no_overload(),
                false => EvalError::new(format!("unsupported index type '{kind}' in select")),
            });
        };
        if select.test {
            return Ok(Value::Bool(self.has_field(map, &select.field)));
        }
        let found = match map {
            Map::Composed => Some(self.composed(&select.field)?),
            map => map.field(&select.field),
        };
        match (found, optional) {
            (Some(value), true) => Ok(Value::some(value)),
            (None, true) => Ok(Value::Optional(None)),
            (Some(value), false) => Ok(value),
            (None, false) => Err(EvalError::new(format!("no such key: {}", select.field))),
        }
    }

    fn has_field(&self, map: &Map<'a>, field: &str) -> bool {
        match map {
            Map::Composed => self.variables.program(field).is_some(),
            map => map.field(field).is_some(),
        }
    }

    /// The value of another program, evaluated once.
    fn composed(&mut self, name: &str) -> Evaluated<'a> {
        if let Some(known) = self.variables.known(name) {
            return known;
        }
        let Some(program) = self.variables.program(name) else {
            return Err(EvalError::new(format!("no such key: {name}")));
        };
        if self.programs >= PROGRAMS_MAX {
            return Err(EvalError::new(format!("composited variable {name:?} is too deep")));
        }
        let value = Evaluation {
            program,
            variables: self.variables,
            locals: Vec::new(),
            budget: self.budget,
            programs: self.programs + 1,
        }
        .expr(&program.root);
        let value = match value {
            Err(EvalError::Failed(why)) => Err(EvalError::new(format!(
                "composited variable {name:?} fails to evaluate: {why}"
            ))),
            other => other,
        };
        self.variables.remember(name, &value);
        value
    }

    #[inline(never)]
    fn call(&mut self, id: usize, call: &'a Call) -> Evaluated<'a> {
        match (&*call.function, call.args.as_slice()) {
            ("_&&_", [left, right]) => self.logical(left, right, false),
            ("_||_", [left, right]) => self.logical(left, right, true),
            ("_?_:_", [condition, yes, no]) => match self.expr(condition)? {
                Value::Bool(true) => self.expr(yes),
                Value::Bool(false) => self.expr(no),
                _ => Err(EvalError::no_overload()),
            },
            ("@not_strictly_false", [arg]) => self.not_strictly_false(arg),
            ("_+_", [Expr { kind: Kind::Ident(name), .. }, right]) if &**name == ACCUMULATOR => {
                self.append(id, right)
            }
            ("cel.@mapInsert", [_, right]) => self.insert(right),
            _ => self.apply(id, call),
        }
    }

    /// The value of one side can decide, whatever happens on the other.
    fn logical(&mut self, left: &'a Expr, right: &'a Expr, decides: bool) -> Evaluated<'a> {
        let first = self.expr(left);
        match first {
            Ok(Value::Bool(value)) if value == decides => return first,
            Err(ref error) if error.is_limit() => return first,
            _ => {}
        }
        let second = self.expr(right);
        match (first, second) {
            (_, Ok(Value::Bool(value))) if value == decides => Ok(Value::Bool(decides)),
            (_, Err(error)) if error.is_limit() => Err(error),
            (Err(error), _) | (_, Err(error)) => Err(error),
            (Ok(Value::Bool(_)), Ok(Value::Bool(_))) => Ok(Value::Bool(!decides)),
            _ => Err(EvalError::no_overload()),
        }
    }

    fn not_strictly_false(&mut self, arg: &'a Expr) -> Evaluated<'a> {
        let value = match self.expr(arg) {
            Err(error) if error.is_limit() => return Err(error),
            Ok(Value::Bool(value)) => value,
            _ => true,
        };
        self.budget.spend(1)?;
        Ok(Value::Bool(value))
    }

    fn apply(&mut self, id: usize, call: &'a Call) -> Evaluated<'a> {
        let mut args = Vec::with_capacity(call.args.len() + 1);
        for arg in call.target.as_deref().into_iter().chain(&call.args) {
            args.push(self.expr(arg)?);
        }
        let result = self.result(id, &args)?;
        self.budget.spend(cost::of_call(&call.function, &args, &result))?;
        Ok(result)
    }

    /// The first of the functions of that name that takes such values.
    fn result(&mut self, id: usize, args: &[Value<'a>]) -> Evaluated<'a> {
        let mut error = EvalError::no_overload();
        for function in self.program.functions[id].iter().rev() {
            match function(args, self.budget) {
                Err(other) if other == error => error = other,
                result => return result,
            }
        }
        Err(error)
    }

    #[inline(never)]
    fn list(&mut self, items: &'a [Item]) -> Evaluated<'a> {
        self.budget.work(items.len() as u64 * ELEMENT)?;
        let mut list = Vec::with_capacity(items.len());
        for item in items {
            let value = self.expr(&item.value)?;
            match (item.optional, value) {
                (false, value) => list.push(value),
                (true, Value::Optional(value)) => list.extend(value.map(|v| Value::clone(&v))),
                (true, _) => return Err(EvalError::no_overload()),
            }
        }
        self.budget.spend(cost::LIST)?;
        Ok(Value::list(list))
    }

    #[inline(never)]
    fn map(&mut self, entries: &'a [Entry]) -> Evaluated<'a> {
        self.budget.work(2 * entries.len() as u64 * ELEMENT)?;
        let mut map = BTreeMap::new();
        for entry in entries {
            let key = self.expr(&entry.key)?;
            let kind = key.kind_name();
            let key = Key::of(&key)
                .ok_or_else(|| EvalError::new(format!("unsupported key type: {kind}")))?;
            let value = self.expr(&entry.value)?;
            if map.contains_key(&key) {
                return Err(EvalError::new("Failed with repeated key"));
            }
            match (entry.optional, value) {
                (false, value) => _ = map.insert(key, value),
                (true, Value::Optional(Some(value))) => _ = map.insert(key, Value::clone(&value)),
                (true, Value::Optional(None)) => {}
                (true, _) => return Err(EvalError::no_overload()),
            }
        }
        self.budget.spend(cost::MAP)?;
        Ok(Value::Map(Map::Made(Arc::new(map))))
    }

    #[inline(never)]
    fn object(&mut self, fields: &'a [(Arc<str>, Expr, bool)]) -> Evaluated<'a> {
        self.budget.work(2 * fields.len() as u64 * ELEMENT)?;
        let mut map = BTreeMap::new();
        for (name, value, optional) in fields {
            let value = match (optional, self.expr(value)?) {
                (false, value) => Some(value),
                (true, Value::Optional(value)) => value.map(|value| Value::clone(&value)),
                (true, _) => return Err(EvalError::no_overload()),
            };
            if let Some(value) = value {
                map.insert(Key::String(name.clone()), value);
            }
        }
        self.budget.spend(cost::STRUCT)?;
        Ok(Value::Map(Map::Made(Arc::new(map))))
    }
}

fn literal_value(literal: &Literal) -> Value<'_> {
    match literal {
        Literal::Null => Value::Null,
        Literal::Bool(value) => Value::Bool(*value),
        Literal::Int(value) => Value::Int(*value),
        Literal::Uint(value) => Value::Uint(*value),
        Literal::Double(value) => Value::Double(*value),
        Literal::String(text) => Value::String(Text::Borrowed(text)),
        Literal::Bytes(bytes) => Value::Bytes(bytes.clone()),
    }
}

/// A name that is no variable is a type's: the checker has seen to it.
fn type_name(program: &Program, expr: &Expr, name: &Arc<str>) -> Arc<str> {
    match &program.types[expr.id] {
        crate::Type::Kind(_) => name.clone(),
        _ => "dyn".into(),
    }
}

/// The list in a value, if it is one.
fn as_list<'a>(value: &Value<'a>) -> Option<List<'a>> {
    match value {
        Value::List(list) => Some(list.clone()),
        _ => None,
    }
}
