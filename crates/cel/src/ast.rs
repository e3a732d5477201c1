//! An expression as a tree. Macros are gone: what they stand for is there.

use std::sync::Arc;

/// A node.
#[derive(Debug, Clone)]
pub(crate) struct Expr {
    /// Its place in the tables of types and functions.
    pub id: usize,
    /// In characters from the start of the text.
    pub offset: usize,
    /// The longest way down from here.
    pub depth: usize,
    pub kind: Kind,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Literal(Literal),
    Ident(Arc<str>),
    Select(Select),
    Call(Call),
    List(Vec<Item>),
    Map(Vec<Entry>),
    Struct(Arc<str>, Vec<(Arc<str>, Expr, bool)>),
    Fold(Box<Fold>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Arc<str>),
    Bytes(Arc<[u8]>),
}

/// `operand.field`, or `has(operand.field)`.
#[derive(Debug, Clone)]
pub(crate) struct Select {
    pub operand: Box<Expr>,
    pub field: Arc<str>,
    pub test: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub function: Arc<str>,
    pub target: Option<Box<Expr>>,
    pub args: Vec<Expr>,
}

#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub value: Expr,
    pub optional: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub key: Expr,
    pub value: Expr,
    pub optional: bool,
}

/// A loop over a list or a map: what `all`, `map` and the like become.
#[derive(Debug, Clone)]
pub(crate) struct Fold {
    pub variable: Arc<str>,
    pub second: Option<Arc<str>>,
    pub range: Expr,
    pub accumulator: Arc<str>,
    pub init: Expr,
    pub condition: Expr,
    pub step: Expr,
    pub result: Expr,
}

impl Expr {
    /// All nodes directly below.
    pub(crate) fn children(&self) -> Vec<&Expr> {
        match &self.kind {
            Kind::Literal(_) | Kind::Ident(_) => Vec::new(),
            Kind::Select(select) => vec![&select.operand],
            Kind::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
            Kind::List(items) => items.iter().map(|item| &item.value).collect(),
            Kind::Map(entries) => entries.iter().flat_map(|e| [&e.key, &e.value]).collect(),
            Kind::Struct(_, fields) => fields.iter().map(|(_, value, _)| value).collect(),
            Kind::Fold(fold) => {
                vec![&fold.range, &fold.init, &fold.condition, &fold.step, &fold.result]
            }
        }
    }
}
