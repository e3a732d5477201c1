//! Loops.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{ELEMENT, Evaluated, Evaluation, as_list};
use crate::ast::{Expr, Fold, Kind, Literal};
use crate::error::EvalError;
use crate::parser::ACCUMULATOR;
use crate::value::{List, Map, Value};

impl<'a> Evaluation<'a, '_> {
    #[inline(never)]
    pub(super) fn fold(&mut self, fold: &'a Fold) -> Evaluated<'a> {
        let range = self.expr(&fold.range)?;
        let init = self.expr(&fold.init)?;
        let base = self.locals.len();
        self.locals.push((&fold.accumulator, Ok(init)));
        let result = match self.turns(fold, base, &range) {
            Ok(()) => {
                self.locals.truncate(base + 1);
                self.expr(&fold.result)
            }
            Err(error) => Err(error),
        };
        self.locals.truncate(base);
        result
    }

    fn turns(&mut self, fold: &'a Fold, base: usize, range: &Value<'a>) -> Result<(), EvalError> {
        match range {
            Value::List(list) => {
                for (index, item) in list.iter().enumerate() {
                    let first = match fold.second {
                        Some(_) => Value::Int(index as i64),
                        None => item.clone(),
                    };
                    if !self.turn(fold, base, first, item)? {
                        break;
                    }
                }
            }
            Value::Map(map) => {
                let keys = map.keys();
                self.budget.work(keys.len() as u64 * ELEMENT)?;
                for key in keys {
                    let value = match fold.second {
                        Some(_) => map.get(&key).unwrap_or(Value::Null),
                        None => Value::Null,
                    };
                    if !self.turn(fold, base, key.to_value(), value)? {
                        break;
                    }
                }
            }
            _ => return Err(EvalError::no_overload()),
        }
        Ok(())
    }

    /// One turn; false when the loop is over.
    fn turn(
        &mut self,
        fold: &'a Fold,
        base: usize,
        first: Value<'a>,
        second: Value<'a>,
    ) -> Result<bool, EvalError> {
        self.budget.work(1)?;
        self.locals.truncate(base + 1);
        self.locals.push((&fold.variable, Ok(first)));
        if let Some(name) = &fold.second {
            self.locals.push((name, Ok(second)));
        }
        if !matches!(self.expr(&fold.condition)?, Value::Bool(true)) {
            return Ok(false);
        }
        let step = self.expr(&fold.step);
        match &step {
            Err(error) if error.is_limit() => return step.map(|_| false),
            // `all` and `exists` go on: a later item may decide.
            Err(_) if !is_boolean(&fold.init) => return step.map(|_| false),
            _ => self.locals[base].1 = step,
        }
        Ok(true)
    }

    /// `accumulator + [x]`, without a copy of what is there.
    pub(super) fn append(&mut self, id: usize, right: &'a Expr) -> Evaluated<'a> {
        self.budget.spend(1)?;
        let added = self.expr(right)?;
        let slot = self.locals.iter().rposition(|(name, _)| *name == ACCUMULATOR);
        let Some(slot) = slot else { return Err(EvalError::no_overload()) };
        let sofar = std::mem::replace(&mut self.locals[slot].1, Ok(Value::Null))?;
        let result = match (sofar, as_list(&added)) {
            (Value::List(List::Made(mut list)), Some(added)) => {
                self.budget.work(added.len() as u64 * ELEMENT)?;
                Arc::make_mut(&mut list).extend(added.iter());
                Value::List(List::Made(list))
            }
            (sofar, _) => self.result(id, &[sofar, added])?,
        };
        self.budget.spend(1)?;
        Ok(result)
    }

    /// The accumulator with the entries of a map, each of them new.
    pub(super) fn insert(&mut self, right: &'a Expr) -> Evaluated<'a> {
        self.budget.spend(1)?;
        let added = self.expr(right)?;
        let slot = self.locals.iter().rposition(|(name, _)| *name == ACCUMULATOR);
        let Some(slot) = slot else { return Err(EvalError::no_overload()) };
        let sofar = std::mem::replace(&mut self.locals[slot].1, Ok(Value::Null))?;
        let (Value::Map(Map::Made(mut map)), Value::Map(added)) = (sofar, added) else {
            return Err(EvalError::no_overload());
        };
        let entries: &mut BTreeMap<_, _> = Arc::make_mut(&mut map);
        for key in added.keys() {
            self.budget.work(2 * ELEMENT)?;
            let value = added.get(&key).unwrap_or(Value::Null);
            if entries.insert(key, value).is_some() {
                return Err(EvalError::new("insert failed: key already exists"));
            }
        }
        self.budget.spend(1)?;
        Ok(Value::Map(Map::Made(map)))
    }
}

fn is_boolean(init: &Expr) -> bool {
    matches!(init.kind, Kind::Literal(Literal::Bool(_)))
}
