//! Which types fit which, and what type parameters stand for.

use std::sync::Arc;

use crate::types::Type;

/// Types are no deeper: expressions are not.
const DEPTH_MAX: usize = 300;

/// What type parameters were found to be.
#[derive(Default)]
pub(super) struct Unifier {
    bound: Vec<Option<Type>>,
    /// Those that were bound, in order, so that a try can be taken back.
    trail: Vec<u32>,
}

impl Unifier {
    pub(super) fn fresh(&mut self) -> Type {
        Type::Param(self.fresh_many(1))
    }

    pub(super) fn fresh_many(&mut self, count: u32) -> u32 {
        let base = self.bound.len() as u32;
        self.bound.resize(self.bound.len() + count as usize, None);
        base
    }

    pub(super) fn mark(&self) -> usize {
        self.trail.len()
    }

    pub(super) fn undo(&mut self, mark: usize) {
        for index in self.trail.drain(mark..) {
            self.bound[index as usize] = None;
        }
    }

    /// The type behind a parameter, as far as it is known.
    pub(super) fn resolved(&self, kind: &Type) -> Type {
        let mut kind = kind;
        while let Type::Param(index) = kind {
            match &self.bound[*index as usize] {
                Some(next) => kind = next,
                None => break,
            }
        }
        kind.clone()
    }

    /// With all parameters replaced; what is unknown is dyn.
    pub(super) fn settled(&self, kind: &Type) -> Type {
        self.settled_at(kind, 0)
    }

    fn settled_at(&self, kind: &Type, depth: usize) -> Type {
        if depth > DEPTH_MAX {
            return Type::Dyn;
        }
        let next = |kind: &Type| self.settled_at(kind, depth + 1);
        match self.resolved(kind) {
            Type::Param(_) => Type::Dyn,
            Type::Kind(of) => Type::Kind(Arc::new(next(&of))),
            Type::List(of) => Type::list(next(&of)),
            Type::Map(of) => Type::map(next(&of.0), next(&of.1)),
            Type::Opaque(name, params) => Type::Opaque(name, params.iter().map(next).collect()),
            other => other,
        }
    }

    /// May a value of one type stand where another is wanted?
    pub(super) fn assign(&mut self, to: &Type, from: &Type) -> bool {
        self.assign_at(to, from, 0)
    }

    fn assign_at(&mut self, to: &Type, from: &Type, depth: usize) -> bool {
        if depth > DEPTH_MAX {
            return false;
        }
        let (to, from) = (self.resolved(to), self.resolved(from));
        match (&to, &from) {
            (Type::Param(a), Type::Param(b)) if a == b => true,
            (Type::Param(index), other) | (other, Type::Param(index)) => self.bind(*index, other),
            (Type::Dyn | Type::Error, _) | (_, Type::Dyn | Type::Error) => true,
            (Type::Object(_) | Type::Opaque(..) | Type::Timestamp | Type::Duration, Type::Null) => {
                true
            }
            (Type::Null, Type::Object(_) | Type::Opaque(..) | Type::Timestamp | Type::Duration) => {
                true
            }
            (Type::Kind(_), Type::Kind(_)) => true,
            (Type::List(a), Type::List(b)) => self.assign_at(a, b, depth + 1),
            (Type::Map(a), Type::Map(b)) => {
                self.assign_at(&a.0, &b.0, depth + 1) && self.assign_at(&a.1, &b.1, depth + 1)
            }
            (Type::Opaque(a, params), Type::Opaque(b, others)) => {
                a == b
                    && params.len() == others.len()
                    && params.iter().zip(&**others).all(|(a, b)| self.assign_at(a, b, depth + 1))
            }
            (a, b) => a == b,
        }
    }

    fn bind(&mut self, index: u32, kind: &Type) -> bool {
        if self.occurs(index, kind, 0) {
            return false;
        }
        self.bound[index as usize] = Some(kind.clone());
        self.trail.push(index);
        true
    }

    /// A type that held itself would have no end.
    fn occurs(&self, index: u32, kind: &Type, depth: usize) -> bool {
        if depth > DEPTH_MAX {
            return true;
        }
        let below = |kind: &Type| self.occurs(index, kind, depth + 1);
        match self.resolved(kind) {
            Type::Param(other) => other == index,
            Type::Kind(of) | Type::List(of) => below(&of),
            Type::Map(of) => below(&of.0) || below(&of.1),
            Type::Opaque(_, params) => params.iter().any(below),
            _ => false,
        }
    }
}
