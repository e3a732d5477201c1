//! The worst case, from the bounds of declarations: how often a loop can run, how long a text is.

use std::collections::HashMap;

use super::size::Estimate;
use super::{LIST, MAP, STRUCT, calls, is_binding};
use crate::ast::{Call, Expr, Fold, Kind, Literal, Select};
use crate::parser::ACCUMULATOR;
use crate::program::Program;
use crate::types::Type;

const ONE: Estimate = Estimate { min: 1, max: 1 };

/// A variable's name and the steps from there.
type Path = Vec<String>;

pub(super) struct Estimator<'p> {
    program: &'p Program,
    /// By node.
    paths: HashMap<usize, Path>,
    sizes: HashMap<usize, Estimate>,
    /// The sizes of what is in a list or map that was made: keys and values.
    entries: HashMap<usize, (Estimate, Estimate)>,
    locals: Vec<Local>,
}

struct Local {
    name: String,
    path: Path,
    size: Option<Estimate>,
    entries: Option<(Estimate, Estimate)>,
}

impl<'p> Estimator<'p> {
    pub(super) fn new(program: &'p Program) -> Self {
        Self {
            program,
            paths: HashMap::new(),
            sizes: HashMap::new(),
            entries: HashMap::new(),
            locals: Vec::new(),
        }
    }

    pub(super) fn cost(&mut self, expr: &Expr) -> Estimate {
        match &expr.kind {
            Kind::Literal(_) => Estimate::ZERO,
            Kind::Ident(name) => self.ident(expr, name),
            Kind::Select(select) => self.select(expr, select),
            Kind::Call(call) => self.call(expr, call),
            Kind::List(items) => {
                let mut sum = Estimate::fixed(LIST);
                for item in items {
                    sum = sum.plus(self.cost(&item.value));
                }
                let sizes: Vec<Estimate> =
                    items.iter().map(|item| self.size_or_unknown(&item.value)).collect();
                self.entries.insert(expr.id, (ONE, together(&sizes)));
                sum
            }
            Kind::Map(entries) => {
                let mut sum = Estimate::fixed(MAP);
                let (mut keys, mut values) = (Vec::new(), Vec::new());
                for entry in entries {
                    sum = sum.plus(self.cost(&entry.key)).plus(self.cost(&entry.value));
                    keys.push(self.size_or_unknown(&entry.key));
                    values.push(self.size_or_unknown(&entry.value));
                }
                self.entries.insert(expr.id, (together(&keys), together(&values)));
                sum
            }
            Kind::Struct(_, fields) => {
                let cost = |sum: Estimate, (_, value, _): &(_, Expr, _)| sum.plus(self.cost(value));
                fields.iter().fold(Estimate::fixed(STRUCT), cost)
            }
            Kind::Fold(fold) if is_binding(fold) => self.binding(expr, fold),
            Kind::Fold(fold) => self.fold(expr, fold),
        }
    }

    fn local(&self, name: &str) -> Option<&Local> {
        self.locals.iter().rev().find(|local| local.name == name)
    }

    fn kind(&self, expr: &Expr) -> &'p Type {
        &self.program.types[expr.id]
    }

    fn ident(&mut self, expr: &Expr, name: &str) -> Estimate {
        let path = self.local(name).map_or_else(|| vec![name.to_owned()], |l| l.path.clone());
        self.paths.insert(expr.id, path);
        ONE
    }

    fn select(&mut self, expr: &Expr, select: &Select) -> Estimate {
        let sum = self.cost(&select.operand);
        if select.test {
            return sum;
        }
        let mut path = self.path(&select.operand);
        path.push(select.field.to_string());
        self.paths.insert(expr.id, path);
        match self.kind(&select.operand) {
            Type::Map(_) | Type::Object(_) | Type::Dyn => sum.plus(ONE),
            _ => sum,
        }
    }

    fn call(&mut self, expr: &Expr, call: &Call) -> Estimate {
        let mut costs = Vec::new();
        for arg in call.target.as_deref().into_iter().chain(&call.args) {
            costs.push(self.cost(arg));
        }
        let all: Vec<&Expr> = call.target.as_deref().into_iter().chain(&call.args).collect();
        match (&*call.function, all.as_slice()) {
            ("dyn", [arg]) => {
                if let Some(size) = self.size(arg) {
                    self.sizes.insert(expr.id, size);
                }
                return ONE.plus(costs[0]);
            }
            ("_&&_" | "_||_", _) => {
                return Estimate { min: costs[0].min, max: costs[0].plus(costs[1]).max };
            }
            ("_?_:_", [_, yes, no]) => {
                let size = self.size_or_unknown(yes).or(self.size_or_unknown(no));
                self.sizes.insert(expr.id, size);
                if let (Some(a), Some(b)) = (self.entry_sizes(yes), self.entry_sizes(no)) {
                    self.entries.insert(expr.id, (a.0.or(b.0), a.1.or(b.1)));
                }
                return costs[0].plus(costs[1].or(costs[2]));
            }
            _ => {}
        }
        self.index_path(expr, call, &all);
        let sum = costs.iter().fold(Estimate::ZERO, |sum, cost| sum.plus(*cost));
        sum.plus(self.function(expr, call, &all))
    }

    /// Over all overloads that may be meant.
    fn function(&mut self, expr: &Expr, call: &Call, args: &[&Expr]) -> Estimate {
        let sizes: Vec<Estimate> = args.iter().map(|arg| self.size_or_unknown(arg)).collect();
        let of_items = args.first().map(|first| self.item_size(first));
        let mut cost: Option<Estimate> = None;
        let mut result: Option<Estimate> = None;
        for overload in &self.program.overloads[expr.id] {
            let found = calls::estimate(overload, &sizes, of_items.unwrap_or(Estimate::UNKNOWN));
            cost = Some(cost.map_or(found.cost, |cost| cost.or(found.cost)));
            if let Some(size) = found.result {
                result = Some(result.map_or(size, |result| result.or(size)));
            }
        }
        if let Some(size) = result {
            self.sizes.insert(expr.id, size);
        }
        if &*call.function == "_+_"
            && let [left, right] = args
            && let (Some(a), Some(b)) = (self.entry_sizes(left), self.entry_sizes(right))
        {
            self.entries.insert(expr.id, (a.0.or(b.0), a.1.or(b.1)));
        }
        cost.unwrap_or(ONE)
    }

    fn index_path(&mut self, expr: &Expr, call: &Call, args: &[&Expr]) {
        let ("_[_]", [operand, _]) = (&*call.function, args) else { return };
        let step = match self.kind(operand) {
            Type::List(_) => "@items",
            Type::Map(_) => "@values",
            _ => return,
        };
        if let Some((_, value)) = self.entry_sizes(operand) {
            self.sizes.insert(expr.id, value);
        }
        let mut path = self.path(operand);
        path.push(step.to_owned());
        self.paths.insert(expr.id, path);
    }

    fn binding(&mut self, expr: &Expr, fold: &Fold) -> Estimate {
        let mut sum = self.cost(&fold.range).plus(self.cost(&fold.init));
        self.push_value(&fold.accumulator, &fold.init);
        sum = sum.plus(self.cost(&fold.result));
        self.locals.pop();
        if let Some(size) = self.size(&fold.result) {
            self.sizes.insert(expr.id, size);
        }
        sum
    }

    fn fold(&mut self, expr: &Expr, fold: &Fold) -> Estimate {
        let mut sum = self.cost(&fold.range).plus(self.cost(&fold.init));
        let scopes = self.locals.len();
        self.push_value(&fold.accumulator, &fold.init);
        let is_list = matches!(self.kind(&fold.range), Type::List(_));
        let item = if is_list { "@items" } else { "@values" };
        let key = if is_list { "@indices" } else { "@keys" };
        match &fold.second {
            Some(second) => {
                self.push_item(&fold.variable, &fold.range, key);
                self.push_item(second, &fold.range, item);
            }
            None => {
                let step = if is_list { item } else { key };
                self.push_item(&fold.variable, &fold.range, step);
            }
        }
        let turn = self.cost(&fold.step).plus(self.cost(&fold.condition));
        self.locals.truncate(scopes + 1);
        sum = sum.plus(self.cost(&fold.result));
        self.locals.truncate(scopes);
        let count = self.size_or_unknown(&fold.range);
        match &fold.init.kind {
            Kind::Literal(_) => _ = self.sizes.insert(expr.id, ONE),
            _ => {
                self.sizes.insert(expr.id, count);
                if let Some(entries) = self.entry_sizes(&fold.step) {
                    self.entries.insert(expr.id, entries);
                }
            }
        }
        sum.plus(count.times(turn))
    }

    fn push_value(&mut self, name: &str, value: &Expr) {
        let (path, size) = (self.path(value), self.size(value));
        let entries = self.entry_sizes(value);
        self.locals.push(Local { name: name.to_owned(), path, size, entries });
    }

    fn push_item(&mut self, name: &str, range: &Expr, step: &str) {
        let made = self.entry_sizes(range);
        let size = made.map(|(key, value)| match step {
            "@keys" | "@indices" => key,
            _ => value,
        });
        let mut path = self.path(range);
        path.push(step.to_owned());
        self.locals.push(Local { name: name.to_owned(), path, size, entries: None });
    }

    fn path(&self, expr: &Expr) -> Path {
        self.paths.get(&expr.id).cloned().unwrap_or_default()
    }

    fn entry_sizes(&self, expr: &Expr) -> Option<(Estimate, Estimate)> {
        let local = match &expr.kind {
            Kind::Ident(name) => self.local(name).and_then(|local| local.entries),
            _ => None,
        };
        self.entries.get(&expr.id).copied().or(local)
    }

    /// The size of the items of a list.
    fn item_size(&self, list: &Expr) -> Estimate {
        let Type::List(item) = self.kind(list) else { return Estimate::fixed(1) };
        if item.is_scalar() {
            return Estimate::fixed(1);
        }
        let mut path = self.path(list);
        path.push("@items".to_owned());
        let known = self.declared_size(&path).or(self.entry_sizes(list).map(|(_, value)| value));
        known.unwrap_or(Estimate::UNKNOWN)
    }

    fn size_or_unknown(&self, expr: &Expr) -> Estimate {
        self.size(expr).unwrap_or(Estimate::UNKNOWN)
    }

    fn size(&self, expr: &Expr) -> Option<Estimate> {
        if let Some(size) = self.sizes.get(&expr.id) {
            return Some(*size);
        }
        match &expr.kind {
            Kind::Literal(Literal::String(text)) => {
                return Some(Estimate::fixed(text.chars().count() as u64));
            }
            Kind::Literal(Literal::Bytes(bytes)) => {
                return Some(Estimate::fixed(bytes.len() as u64));
            }
            Kind::Literal(_) => return Some(ONE),
            Kind::List(items) => return Some(Estimate::fixed(items.len() as u64)),
            Kind::Map(entries) => return Some(Estimate::fixed(entries.len() as u64)),
            _ => {}
        }
        if let Some(size) = self.declared_size(&self.path(expr)) {
            return Some(size);
        }
        if self.kind(expr).is_scalar() {
            return Some(ONE);
        }
        match &expr.kind {
            Kind::Ident(name) => self.local(name).and_then(|local| local.size),
            _ => None,
        }
    }

    /// By the declaration at the end of a path.
    fn declared_size(&self, path: &[String]) -> Option<Estimate> {
        let (root, steps) = path.split_first()?;
        if root == ACCUMULATOR {
            return None;
        }
        let mut here = crate::Declared::clone(self.program.declared.get(root)?);
        for step in steps {
            here = here.part(step)?;
        }
        (here.max_elements != u64::MAX).then_some(Estimate { min: 0, max: here.max_elements })
    }
}

fn together(sizes: &[Estimate]) -> Estimate {
    sizes.iter().copied().reduce(Estimate::or).unwrap_or(Estimate::ZERO)
}
