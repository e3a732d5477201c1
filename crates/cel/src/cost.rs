//! What expressions cost, in upstream's units: at worst ([`estimate`]), and as they are
//! evaluated ([`of_call`]). The numbers decide which definitions and objects are refused, so
//! they are cel-go's and Kubernetes'.

use crate::ast::{Expr, Kind};
use crate::program::Program;

mod calls;
mod estimate;
mod runtime;
mod size;

pub(crate) use runtime::of_call;
pub use size::Estimate;

/// Of making a list, a map, an object.
pub(crate) const LIST: u64 = 10;
pub(crate) const MAP: u64 = 30;
pub(crate) const STRUCT: u64 = 40;
/// Of going through a text, for each character.
const TRAVERSAL: f64 = 0.1;
/// Of a pattern, for each of its characters.
const PATTERN: f64 = 0.25;
/// Of asking an authorizer.
const CHECK: u64 = 350_000;

/// Between what and what an expression costs.
pub(crate) fn estimate(program: &Program) -> Estimate {
    let mut estimator = estimate::Estimator::new(program);
    estimator.cost(&program.root)
}

/// A name for a value, and no loop: `optMap` makes those.
fn is_binding(fold: &crate::ast::Fold) -> bool {
    let empty = matches!(&fold.range, Expr { kind: Kind::List(items), .. } if items.is_empty());
    empty && &*fold.accumulator != crate::parser::ACCUMULATOR
}
