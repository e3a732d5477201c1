//! The Common Expression Language, as Kubernetes uses it.
//!
//! [`Environment::compile`] turns an expression into a [`Program`] or a [`CompileError`] that
//! shows the place. A program is immutable and shared: compile once, evaluate often. Its types
//! are known ([`Program::kind`]), and so is what it can cost at worst ([`Program::estimate`]).
//! [`Program::evaluate`] needs the [`Variables`] (JSON stays where it is, no copy is made) and a
//! [`Budget`], which bounds time and memory whatever the expression is.
//!
//! ```
//! use sampan_cel::{Budget, Declared, Environment, Value, Variables};
//!
//! let object = serde_json::json!({"spec": {"replicas": 3}});
//! let environment = Environment::new().with_variable("object", Declared::anything());
//! let program = environment.compile("object.spec.replicas <= 5").unwrap();
//! let mut variables = Variables::new();
//! variables.json("object", &object);
//! let mut budget = Budget::new(1_000_000);
//! let value = program.evaluate(&variables, &mut budget).unwrap();
//! assert!(matches!(value, Value::Bool(true)));
//! ```
//!
//! Functions beyond the language's come as a [`Library`], with values of their own types
//! ([`Opaque`]). Values of other programs come by [`Variables::programs`]: each is evaluated when
//! it is first asked for, once. What is deliberately not here: protocol buffer messages, and
//! anything that waits or does I/O.

mod ast;
mod budget;
mod checker;
mod cost;
mod declared;
mod error;
mod eval;
#[doc(hidden)]
pub mod fuzzing;
mod lexer;
mod library;
mod parser;
mod program;
mod source;
mod types;
mod value;

pub use budget::{Budget, WORK_MAX};
pub use cost::Estimate;
pub use declared::{Declared, ListKind, Shape};
pub use error::EvalError;
pub use eval::Variables;
pub use library::{Function, Library};
pub use parser::RESERVED;
pub use program::{Environment, Program};
pub use source::{CompileError, Issue};
pub use types::{Field, Object, Type};
pub use value::{Key, List, Map, Opaque, Text, Timestamp, Value};
