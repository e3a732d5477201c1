//! Macros: what looks like a function and is a loop.

use std::sync::Arc;

use super::{Parse, Parser};
use crate::ast::{Call, Entry, Expr, Fold, Item, Kind, Literal, Select};
use crate::source::Issue;

/// No name that can be written.
pub(crate) const ACCUMULATOR: &str = "@result";
const TARGET: &str = "@target";
const UNUSED: &str = "#unused";

/// What a loop over a range is made of.
struct Loop {
    init: Expr,
    condition: Expr,
    step: Expr,
    result: Expr,
}

impl Parser {
    /// `has(a.b)`.
    pub(super) fn has(&mut self, offset: usize, mut args: Vec<Expr>) -> Parse {
        match args.pop().map(|arg| arg.kind) {
            Some(Kind::Select(Select { operand, field, test: false })) => {
                self.node(offset, Kind::Select(Select { operand, field, test: true }))
            }
            _ => Err(Issue { offset, message: "invalid argument to has() macro".to_owned() }),
        }
    }

    /// What a call on a target stands for, if it is a macro's.
    pub(super) fn receiver_macro(
        &mut self,
        at: usize,
        target: Expr,
        name: &str,
        args: &[Expr],
    ) -> Option<Parse> {
        let known = match (name, args.len()) {
            ("all" | "exists" | "exists_one" | "existsOne" | "filter", 2) => 1,
            ("map", 2 | 3) | ("optMap" | "optFlatMap", 2) => 1,
            ("all" | "exists" | "exists_one" | "existsOne", 3) => 2,
            ("transformList" | "transformMap" | "transformMapEntry", 3 | 4) => 2,
            _ => return None,
        };
        Some(self.expand(at, target, name, args, known))
    }

    fn expand(
        &mut self,
        at: usize,
        target: Expr,
        name: &str,
        args: &[Expr],
        variables: usize,
    ) -> Parse {
        let mut names = Vec::new();
        for arg in &args[..variables] {
            names.push(simple_name(arg)?);
        }
        if names.len() == 2 && names[0] == names[1] {
            let message = format!("duplicate variable name: {}", names[0]);
            return Err(Issue { offset: args[1].offset, message });
        }
        let rest = args[variables..].to_vec();
        if let "optMap" | "optFlatMap" = name {
            return self.optional_map(at, target, &names[0], rest, name == "optMap");
        }
        let parts = match name {
            "all" => self.all(at, rest)?,
            "exists" => self.exists(at, rest)?,
            "exists_one" | "existsOne" => self.exists_one(at, rest)?,
            "filter" => {
                let item = self.ident(at, &names[0])?;
                self.collect(at, vec![rest[0].clone(), item])?
            }
            "transformMap" | "transformMapEntry" => {
                self.collect_map(at, &names[0], rest, name == "transformMap")?
            }
            _ => self.collect(at, rest)?,
        };
        let second = names.get(1).cloned();
        self.fold(at, target, (names[0].clone(), second), ACCUMULATOR, parts)
    }

    fn fold(
        &mut self,
        at: usize,
        range: Expr,
        (variable, second): (Arc<str>, Option<Arc<str>>),
        accumulator: &str,
        parts: Loop,
    ) -> Parse {
        let Loop { init, condition, step, result } = parts;
        let accumulator = accumulator.into();
        let fold = Fold { variable, second, range, accumulator, init, condition, step, result };
        self.node(at, Kind::Fold(Box::new(fold)))
    }

    fn result(&mut self, at: usize) -> Parse {
        self.ident(at, ACCUMULATOR)
    }

    fn all(&mut self, at: usize, mut args: Vec<Expr>) -> Parse<Loop> {
        let init = self.literal(at, Literal::Bool(true))?;
        let sofar = self.result(at)?;
        let condition = self.call(at, "@not_strictly_false", vec![sofar])?;
        let sofar = self.result(at)?;
        let step = self.call(at, "_&&_", vec![sofar, args.remove(0)])?;
        Ok(Loop { init, condition, step, result: self.result(at)? })
    }

    fn exists(&mut self, at: usize, mut args: Vec<Expr>) -> Parse<Loop> {
        let init = self.literal(at, Literal::Bool(false))?;
        let sofar = self.result(at)?;
        let negated = self.call(at, "!_", vec![sofar])?;
        let condition = self.call(at, "@not_strictly_false", vec![negated])?;
        let sofar = self.result(at)?;
        let step = self.call(at, "_||_", vec![sofar, args.remove(0)])?;
        Ok(Loop { init, condition, step, result: self.result(at)? })
    }

    fn exists_one(&mut self, at: usize, mut args: Vec<Expr>) -> Parse<Loop> {
        let init = self.literal(at, Literal::Int(0))?;
        let condition = self.literal(at, Literal::Bool(true))?;
        let (sofar, one) = (self.result(at)?, self.literal(at, Literal::Int(1))?);
        let more = self.call(at, "_+_", vec![sofar, one])?;
        let same = self.result(at)?;
        let step = self.call(at, "_?_:_", vec![args.remove(0), more, same])?;
        let (sofar, one) = (self.result(at)?, self.literal(at, Literal::Int(1))?);
        let result = self.call(at, "_==_", vec![sofar, one])?;
        Ok(Loop { init, condition, step, result })
    }

    /// A list of what the last argument gives, where the first one holds if there are two.
    fn collect(&mut self, at: usize, mut args: Vec<Expr>) -> Parse<Loop> {
        let init = self.node(at, Kind::List(Vec::new()))?;
        let condition = self.literal(at, Literal::Bool(true))?;
        let value = args.pop().expect("the number of arguments was looked at");
        let item = self.node(at, Kind::List(vec![Item { value, optional: false }]))?;
        let sofar = self.result(at)?;
        let step = self.call(at, "_+_", vec![sofar, item])?;
        let step = self.only_where(at, args.pop(), step)?;
        Ok(Loop { init, condition, step, result: self.result(at)? })
    }

    fn collect_map(
        &mut self,
        at: usize,
        key: &str,
        mut args: Vec<Expr>,
        by_key: bool,
    ) -> Parse<Loop> {
        let init = self.node(at, Kind::Map(Vec::new()))?;
        let condition = self.literal(at, Literal::Bool(true))?;
        let value = args.pop().expect("the number of arguments was looked at");
        let added = if by_key {
            let key = self.ident(at, key)?;
            self.node(at, Kind::Map(vec![Entry { key, value, optional: false }]))?
        } else {
            value
        };
        let sofar = self.result(at)?;
        let step = self.call(at, "cel.@mapInsert", vec![sofar, added])?;
        let step = self.only_where(at, args.pop(), step)?;
        Ok(Loop { init, condition, step, result: self.result(at)? })
    }

    fn only_where(&mut self, at: usize, filter: Option<Expr>, step: Expr) -> Parse {
        let Some(filter) = filter else { return Ok(step) };
        let same = self.result(at)?;
        self.call(at, "_?_:_", vec![filter, step, same])
    }

    /// `target.optMap(name, expr)`: the target is evaluated once.
    fn optional_map(
        &mut self,
        at: usize,
        target: Expr,
        name: &str,
        mut args: Vec<Expr>,
        wrap: bool,
    ) -> Parse {
        let on_target = |parser: &mut Self, function: &str| {
            let target = Some(Box::new(parser.ident(at, TARGET)?));
            let call = Call { function: function.into(), target, args: Vec::new() };
            parser.node(at, Kind::Call(call))
        };
        let value = on_target(self, "value")?;
        let mut mapped = self.bind(at, name, value, args.remove(0))?;
        if wrap {
            mapped = self.call(at, "optional.of", vec![mapped])?;
        }
        let has = on_target(self, "hasValue")?;
        let none = self.call(at, "optional.none", Vec::new())?;
        let chosen = self.call(at, "_?_:_", vec![has, mapped, none])?;
        self.bind(at, TARGET, target, chosen)
    }

    /// A loop that never runs: a name for a value.
    fn bind(&mut self, at: usize, name: &str, value: Expr, result: Expr) -> Parse {
        let range = self.node(at, Kind::List(Vec::new()))?;
        let condition = self.literal(at, Literal::Bool(false))?;
        let step = self.ident(at, name)?;
        let parts = Loop { init: value, condition, step, result };
        self.fold(at, range, (UNUSED.into(), None), name, parts)
    }
}

fn simple_name(arg: &Expr) -> Parse<Arc<str>> {
    match &arg.kind {
        Kind::Ident(name) => Ok(name.clone()),
        _ => {
            let message = "argument must be a simple name".to_owned();
            Err(Issue { offset: arg.offset, message })
        }
    }
}
