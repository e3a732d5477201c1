//! Which overloads of a function a call can mean.

use super::Checker;
use crate::ast::{Call, Expr, Kind, Literal};
use crate::parser::qualified;
use crate::types::Type;

/// What is called and with what.
struct Applied<'a> {
    function: &'a str,
    member: bool,
    args: Vec<Type>,
}

impl Checker<'_> {
    pub(super) fn call(&mut self, id: usize, offset: usize, call: &mut Call) -> Type {
        // `sets.contains(…)` is a function with a dot in its name.
        if let Some(target) = &call.target
            && let Some(prefix) = qualified(target)
            && self.local(prefix.split('.').next().unwrap_or_default()).is_none()
        {
            let name = format!("{prefix}.{}", call.function);
            if self.scope.functions.overloads(&name).is_some() {
                call.function = name.into();
                call.target = None;
            }
        }
        let member = call.target.is_some();
        let mut args = Vec::new();
        for arg in call.target.as_deref_mut().into_iter().chain(&mut call.args) {
            args.push(self.expr(arg));
        }
        if &*call.function == "_?._" {
            return self.optional_field(offset, &call.args, &args[0]);
        }
        self.applied(id, offset, &Applied { function: &call.function, member, args })
    }

    /// `a.?b`.
    fn optional_field(&mut self, offset: usize, args: &[Expr], operand: &Type) -> Type {
        let operand = self.unifier.resolved(operand);
        let operand = operand.in_optional().cloned().unwrap_or(operand);
        let operand = self.unifier.resolved(&operand);
        match &args[1].kind {
            Kind::Literal(Literal::String(field)) => {
                Type::optional(self.field(offset, &operand, field))
            }
            _ => Type::optional(Type::Dyn),
        }
    }

    fn applied(&mut self, id: usize, offset: usize, call: &Applied<'_>) -> Type {
        let functions = self.scope.functions;
        let Some(overloads) = functions.overloads(call.function) else {
            let message = format!("undeclared reference to '{}' (in container '')", call.function);
            return self.issue(offset, message);
        };
        let mut result: Option<Type> = None;
        for overload in overloads {
            if overload.member != call.member || overload.params.len() != call.args.len() {
                continue;
            }
            let base = self.unifier.fresh_many(overload.generics);
            let mark = self.unifier.mark();
            let fits = overload
                .params
                .iter()
                .zip(&call.args)
                .all(|(param, arg)| self.unifier.assign(&shifted(param, base), arg));
            if !fits {
                self.unifier.undo(mark);
                continue;
            }
            let found = self.unifier.resolved(&shifted(&overload.result, base));
            result = Some(match result {
                None => found,
                // What else it might be must not narrow what is known.
                Some(first) => {
                    self.unifier.undo(mark);
                    if first == found { first } else { Type::Dyn }
                }
            });
            self.overloads[id].push(overload.clone());
        }
        match result {
            Some(found) => found,
            None if call.args.contains(&Type::Error) => Type::Error,
            None => self.no_overload(offset, call),
        }
    }

    fn no_overload(&mut self, offset: usize, call: &Applied<'_>) -> Type {
        let args: Vec<String> =
            call.args.iter().map(|arg| self.unifier.settled(arg).to_string()).collect();
        let shown = match (call.member, args.split_first()) {
            (true, Some((target, rest))) => format!("{target}.({})", rest.join(", ")),
            _ => format!("({})", args.join(", ")),
        };
        let message =
            format!("found no matching overload for '{}' applied to '{shown}'", call.function);
        self.issue(offset, message)
    }
}

/// The type with parameters of its own.
fn shifted(kind: &Type, base: u32) -> Type {
    match kind {
        Type::Param(index) => Type::Param(base + index),
        Type::Kind(of) => Type::Kind(std::sync::Arc::new(shifted(of, base))),
        Type::List(of) => Type::list(shifted(of, base)),
        Type::Map(of) => Type::map(shifted(&of.0, base), shifted(&of.1, base)),
        Type::Opaque(name, params) => {
            Type::Opaque(name.clone(), params.iter().map(|p| shifted(p, base)).collect())
        }
        other => other.clone(),
    }
}
