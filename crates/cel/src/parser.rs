//! From tokens to a tree, by recursive descent with a bound on its depth.

use std::sync::Arc;

use crate::ast::{Call, Entry, Expr, Item, Kind, Literal, Select};
use crate::lexer::{Token, TokenKind, tokens};
use crate::source::Issue;

mod macros;

pub(crate) use macros::ACCUMULATOR;

/// Longer expressions are refused, in characters.
const TEXT_MAX: usize = 100_000;
/// Expressions inside expressions: more are refused, as reading them recurses.
const NESTED_MAX: usize = 100;
/// Deeper trees, with their macros spelled out, are refused: all that walks them recurses.
const DEPTH_MAX: usize = 250;
/// What the grammar would take where an operand has to stand.
const OPERANDS: &str = "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, \
                        NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";
/// Words that no name may be, beside the literals and `in`.
pub const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];
/// By strength of binding: operators and the functions that they call.
const OPERATORS: [&[(&str, &str)]; 5] = [
    &[("||", "_||_")],
    &[("&&", "_&&_")],
    &[
        ("==", "_==_"),
        ("!=", "_!=_"),
        ("<", "_<_"),
        ("<=", "_<=_"),
        (">", "_>_"),
        (">=", "_>=_"),
        ("in", "@in"),
    ],
    &[("+", "_+_"), ("-", "_-_")],
    &[("*", "_*_"), ("/", "_/_"), ("%", "_%_")],
];

/// A tree and the number of its nodes.
pub(crate) struct Parsed {
    pub root: Expr,
    pub nodes: usize,
}

/// Reads an expression.
pub(crate) fn parse(text: &str) -> Result<Parsed, Issue> {
    let size = text.chars().count();
    if size > TEXT_MAX {
        let message =
            format!("expression code point size exceeds limit: size: {size}, limit {TEXT_MAX}");
        return Err(Issue { offset: 0, message });
    }
    let mut parser = Parser { tokens: tokens(text)?, at: 0, nodes: 0, depth: 0 };
    let root = parser.expression()?;
    match parser.peek().kind {
        TokenKind::End => Ok(Parsed { root, nodes: parser.nodes }),
        _ => Err(parser.unexpected("extraneous", "<EOF>")),
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    nodes: usize,
    depth: usize,
}

/// An operator between two operands.
struct Sign {
    level: usize,
    function: &'static str,
    offset: usize,
}

/// How strongly an operator binds, and the function that it calls.
fn operator(sign: &str) -> Option<(usize, &'static str)> {
    OPERATORS.iter().enumerate().find_map(|(level, all)| {
        all.iter().find(|(known, _)| *known == sign).map(|(_, function)| (level, *function))
    })
}

type Parse<T = Expr> = Result<T, Issue>;

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn advance(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn accept(&mut self, sign: &'static str) -> Option<usize> {
        let token = self.peek();
        let offset = token.offset;
        (token.kind == TokenKind::Sign(sign)).then(|| {
            self.at += 1;
            offset
        })
    }

    fn expect(&mut self, sign: &'static str) -> Parse<usize> {
        match self.accept(sign) {
            Some(offset) => Ok(offset),
            None => Err(self.unexpected("mismatched", &format!("'{sign}'"))),
        }
    }

    fn unexpected(&self, how: &str, expected: &str) -> Issue {
        let Token { offset, text, .. } = self.peek();
        let message = format!("Syntax error: {how} input '{text}' expecting {expected}");
        Issue { offset: *offset, message }
    }

    /// A node; its depth follows from what is below.
    fn node(&mut self, offset: usize, kind: Kind) -> Parse {
        let id = self.nodes;
        self.nodes += 1;
        let mut node = Expr { id, offset, depth: 1, kind };
        node.depth += node.children().iter().map(|child| child.depth).max().unwrap_or(0);
        if node.depth > DEPTH_MAX { Err(too_deep(offset)) } else { Ok(node) }
    }

    fn call(&mut self, offset: usize, function: &str, args: Vec<Expr>) -> Parse {
        let function = function.into();
        self.node(offset, Kind::Call(Call { function, target: None, args }))
    }

    fn ident(&mut self, offset: usize, name: &str) -> Parse {
        self.node(offset, Kind::Ident(name.into()))
    }

    fn literal(&mut self, offset: usize, literal: Literal) -> Parse {
        self.node(offset, Kind::Literal(literal))
    }

    fn expression(&mut self) -> Parse {
        self.depth += 1;
        if self.depth > NESTED_MAX {
            return Err(too_deep(self.peek().offset));
        }
        let mut expr = self.binary()?;
        if let Some(offset) = self.accept("?") {
            let yes = self.binary()?;
            self.expect(":")?;
            let no = self.expression()?;
            expr = self.call(offset, "_?_:_", vec![expr, yes, no])?;
        }
        self.depth -= 1;
        Ok(expr)
    }

    /// Operands and operators in a row first: a level of nesting is few calls deep.
    fn binary(&mut self) -> Parse {
        let mut operands = vec![self.unary()?];
        let mut signs = Vec::new();
        while let TokenKind::Sign(sign) = self.peek().kind
            && let Some((level, function)) = operator(sign)
        {
            let offset = self.advance().offset;
            signs.push(Sign { level, function, offset });
            operands.push(self.unary()?);
        }
        self.group(operands, &signs, 0)
    }

    /// The operands between the operators of a level are groups of the levels that bind stronger.
    fn group(&mut self, operands: Vec<Expr>, signs: &[Sign], level: usize) -> Parse {
        if level >= OPERATORS.len() {
            return Ok(operands.into_iter().next().expect("there is a first operand"));
        }
        let mut operands = operands.into_iter();
        let (mut groups, mut between) = (Vec::new(), Vec::new());
        let mut rest = signs;
        loop {
            let len = rest.iter().position(|sign| sign.level == level).unwrap_or(rest.len());
            let group: Vec<Expr> = operands.by_ref().take(len + 1).collect();
            groups.push(self.group(group, &rest[..len], level + 1)?);
            let Some(sign) = rest.get(len) else { break };
            between.push((sign.offset, sign.function));
            rest = &rest[len + 1..];
        }
        if level < 2 { self.balance(groups, &between) } else { self.chain(groups, &between) }
    }

    /// `a + b + c`, from the left.
    fn chain(&mut self, operands: Vec<Expr>, signs: &[(usize, &str)]) -> Parse {
        let mut operands = operands.into_iter();
        let mut expr = operands.next().expect("there is a first operand");
        for ((offset, function), right) in signs.iter().zip(operands) {
            expr = self.call(*offset, function, vec![expr, right])?;
        }
        Ok(expr)
    }

    /// `a && b && c && d`, as a tree that is as flat as can be.
    fn balance(&mut self, mut operands: Vec<Expr>, signs: &[(usize, &str)]) -> Parse {
        if operands.len() == 1 {
            return Ok(operands.pop().expect("there is one operand"));
        }
        let right = operands.split_off(operands.len() / 2);
        let here = operands.len() - 1;
        let (offset, function) = signs[here];
        let left = self.balance(operands, &signs[..here])?;
        let right = self.balance(right, &signs[here + 1..])?;
        self.call(offset, function, vec![left, right])
    }

    fn unary(&mut self) -> Parse {
        let Token { kind: TokenKind::Sign(sign @ ("!" | "-")), offset, .. } = self.peek().clone()
        else {
            return self.member();
        };
        let mut count = 0;
        while self.accept(sign).is_some() {
            count += 1;
        }
        if sign == "-" && count == 1 {
            match self.peek().kind {
                TokenKind::Int(value) => return self.negative(offset, value),
                TokenKind::Double(value) => {
                    self.at += 1;
                    let literal = self.literal(offset, Literal::Double(-value))?;
                    return self.members(literal);
                }
                _ => {}
            }
        }
        let operand = self.member()?;
        let function = if sign == "!" { "!_" } else { "-_" };
        // Two of them are none.
        if count % 2 == 0 { Ok(operand) } else { self.call(offset, function, vec![operand]) }
    }

    fn negative(&mut self, offset: usize, value: u64) -> Parse {
        self.at += 1;
        // The lexer lets through what fits when negative.
        let value = 0i64.checked_sub_unsigned(value).unwrap_or(i64::MIN);
        let literal = self.literal(offset, Literal::Int(value))?;
        self.members(literal)
    }

    fn member(&mut self) -> Parse {
        let primary = self.primary()?;
        self.members(primary)
    }

    fn members(&mut self, mut expr: Expr) -> Parse {
        loop {
            if let Some(offset) = self.accept(".") {
                expr = self.after_dot(expr, offset)?;
            } else if let Some(offset) = self.accept("[") {
                let function = if self.accept("?").is_some() { "_[?_]" } else { "_[_]" };
                let index = self.expression()?;
                self.expect("]")?;
                expr = self.call(offset, function, vec![expr, index])?;
            } else if let TokenKind::Sign("{") = self.peek().kind {
                let Some(name) = qualified(&expr) else { return Ok(expr) };
                expr = self.object(expr.offset, name.into())?;
            } else {
                return Ok(expr);
            }
        }
    }

    fn after_dot(&mut self, operand: Expr, offset: usize) -> Parse {
        let optional = self.accept("?").is_some();
        let TokenKind::Ident(field) = self.peek().kind.clone() else {
            return Err(self.unexpected("no viable alternative at", "IDENTIFIER"));
        };
        self.at += 1;
        if optional {
            let field = self.literal(offset, Literal::String(field))?;
            return self.call(offset, "_?._", vec![operand, field]);
        }
        let Some(at) = self.accept("(") else {
            let operand = Box::new(operand);
            return self.node(offset, Kind::Select(Select { operand, field, test: false }));
        };
        let args = self.list(")")?;
        if let Some(expanded) = self.receiver_macro(at, operand.clone(), &field, &args) {
            return expanded;
        }
        let target = Some(Box::new(operand));
        self.node(at, Kind::Call(Call { function: field, target, args }))
    }

    /// Expressions up to a closing bracket.
    fn list(&mut self, end: &'static str) -> Parse<Vec<Expr>> {
        let mut list = Vec::new();
        while self.accept(end).is_none() {
            list.push(self.expression()?);
            if self.accept(",").is_none() {
                self.expect(end)?;
                break;
            }
        }
        Ok(list)
    }

    fn primary(&mut self) -> Parse {
        let token = self.advance();
        let offset = token.offset;
        match token.kind {
            TokenKind::Ident(name) => self.name(offset, name),
            TokenKind::Int(value) => match i64::try_from(value) {
                Ok(value) => self.literal(offset, Literal::Int(value)),
                Err(_) => Err(Issue { offset, message: "invalid int literal".to_owned() }),
            },
            TokenKind::Uint(value) => self.literal(offset, Literal::Uint(value)),
            TokenKind::Double(value) => self.literal(offset, Literal::Double(value)),
            TokenKind::String(value) => self.literal(offset, Literal::String(value)),
            TokenKind::Bytes(value) => self.literal(offset, Literal::Bytes(value)),
            TokenKind::Sign("true") => self.literal(offset, Literal::Bool(true)),
            TokenKind::Sign("false") => self.literal(offset, Literal::Bool(false)),
            TokenKind::Sign("null") => self.literal(offset, Literal::Null),
            TokenKind::Sign("(") => {
                let inner = self.expression()?;
                self.expect(")")?;
                Ok(inner)
            }
            TokenKind::Sign("[") => self.items(offset),
            TokenKind::Sign("{") => self.entries(offset),
            // `.name` is the name in the outermost scope, which is the only one.
            TokenKind::Sign(".") => match self.advance().kind {
                TokenKind::Ident(name) => self.name(offset, name),
                _ => self.no_operand(),
            },
            _ => self.no_operand(),
        }
    }

    fn no_operand(&mut self) -> Parse {
        self.at -= 1;
        Err(self.unexpected("mismatched", OPERANDS))
    }

    fn name(&mut self, offset: usize, name: Arc<str>) -> Parse {
        if RESERVED.contains(&&*name) {
            return Err(Issue { offset, message: format!("reserved identifier: {name}") });
        }
        let Some(at) = self.accept("(") else { return self.node(offset, Kind::Ident(name)) };
        let args = self.list(")")?;
        match (&*name, args.as_slice()) {
            ("has", [_]) => self.has(at, args),
            _ => self.node(at, Kind::Call(Call { function: name, target: None, args })),
        }
    }

    fn items(&mut self, offset: usize) -> Parse {
        let mut items = Vec::new();
        while self.accept("]").is_none() {
            let optional = self.accept("?").is_some();
            items.push(Item { value: self.expression()?, optional });
            if self.accept(",").is_none() {
                self.expect("]")?;
                break;
            }
        }
        self.node(offset, Kind::List(items))
    }

    fn entries(&mut self, offset: usize) -> Parse {
        let mut entries = Vec::new();
        while self.accept("}").is_none() {
            let optional = self.accept("?").is_some();
            let key = self.expression()?;
            self.expect(":")?;
            entries.push(Entry { key, value: self.expression()?, optional });
            if self.accept(",").is_none() {
                self.expect("}")?;
                break;
            }
        }
        self.node(offset, Kind::Map(entries))
    }

    /// `Name{field: value}`.
    fn object(&mut self, offset: usize, name: Arc<str>) -> Parse {
        self.expect("{")?;
        let mut fields = Vec::new();
        while self.accept("}").is_none() {
            let optional = self.accept("?").is_some();
            let TokenKind::Ident(field) = self.peek().kind.clone() else {
                return Err(self.unexpected("mismatched", "IDENTIFIER"));
            };
            self.at += 1;
            self.expect(":")?;
            fields.push((field, self.expression()?, optional));
            if self.accept(",").is_none() {
                self.expect("}")?;
                break;
            }
        }
        self.node(offset, Kind::Struct(name, fields))
    }
}

fn too_deep(offset: usize) -> Issue {
    Issue { offset, message: format!("expression recursion limit exceeded: {DEPTH_MAX}") }
}

/// `a.b.c`, as one name.
pub(crate) fn qualified(expr: &Expr) -> Option<String> {
    match &expr.kind {
        Kind::Ident(name) => Some(name.to_string()),
        Kind::Select(Select { operand, field, test: false }) => {
            Some(format!("{}.{field}", qualified(operand)?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
