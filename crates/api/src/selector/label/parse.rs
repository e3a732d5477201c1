//! The grammar of `-l`: `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1,m<2`.

use std::collections::BTreeSet;

use super::{Operator, Requirement};

/// Why a text is no label selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseError(String);

impl ParseError {
    /// Something stands where a requirement begins or ends.
    fn outside(found: Option<&Token>, expected: &str) -> Self {
        let found = found.map_or("", Token::text);
        Self(format!("found '{found}', expected: {expected}"))
    }

    /// Something stands within a requirement.
    fn found(found: Option<&Token>, expected: &str) -> Self {
        Self(format!("unable to parse requirement: {}", Self::outside(found, expected)))
    }

    fn no_list(found: Option<&Token>) -> Self {
        let found = found.map_or("", Token::text);
        Self(format!("unable to parse requirement: found '{found}' expected: '('"))
    }

    pub(super) fn operator(operator: &str) -> Self {
        Self(format!("{operator:?} is not a valid label selector operator"))
    }

    pub(super) fn key(key: &str, problem: &str) -> Self {
        Self(format!("unable to parse requirement: <nil>: Invalid value: {key:?}: {problem}"))
    }

    pub(super) fn value(value: &str, key: &str, problem: &str) -> Self {
        Self(format!(
            "unable to parse requirement: values[0][{key}]: Invalid value: {value:?}: {problem}"
        ))
    }

    pub(super) fn no_values() -> Self {
        Self(
            "unable to parse requirement: values: Invalid value: []: for 'in', 'notin' operators, \
             values set can't be empty"
                .to_owned(),
        )
    }

    fn not_a_number(text: &str) -> Self {
        Self(format!(
            "unable to parse requirement: values[0]: Invalid value: {text:?}: for 'Gt', 'Lt' \
             operators, the value must be an integer"
        ))
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Symbol(&'static str),
    Word(String),
}

impl Token {
    fn text(&self) -> &str {
        match self {
            Self::Symbol(symbol) => symbol,
            Self::Word(word) => word,
        }
    }
}

/// Longest first, so that `==` is not read as two `=`.
const SYMBOLS: [&str; 9] = ["==", "!=", "!", "=", "(", ")", ",", ">", "<"];

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if let Some(symbol) = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) {
            tokens.push(Token::Symbol(symbol));
            rest = rest[symbol.len()..].trim_start();
        } else {
            let ends = |c: char| c.is_whitespace() || "=!(),><".contains(c);
            let end = rest.find(ends).unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = rest[end..].trim_start();
        }
    }
    tokens
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

pub(super) fn parse(text: &str) -> Result<Vec<Requirement>, ParseError> {
    let mut parser = Parser { tokens: tokens(text), at: 0 };
    let mut requirements = Vec::new();
    while parser.peek().is_some() {
        requirements.push(parser.requirement()?);
        match parser.next() {
            None => break,
            Some(Token::Symbol(",")) => match parser.peek() {
                Some(Token::Word(_) | Token::Symbol("!")) => {}
                found => return Err(ParseError::outside(found, "identifier after ','")),
            },
            found => return Err(ParseError::outside(found.as_ref(), "',' or 'end of string'")),
        }
    }
    Ok(requirements)
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn takes(&mut self, symbol: &'static str) -> bool {
        let is = self.peek() == Some(&Token::Symbol(symbol));
        self.at += usize::from(is);
        is
    }

    fn requirement(&mut self) -> Result<Requirement, ParseError> {
        let negated = self.takes("!");
        let key = match self.next() {
            Some(Token::Word(key)) => key,
            found => {
                let expected = "!, identifier, or 'end of string'";
                return Err(ParseError::outside(found.as_ref(), expected));
            }
        };
        if negated {
            return Ok(Requirement { key, operator: Operator::DoesNotExist });
        }
        let operator = self.operator()?;
        Ok(Requirement { key, operator })
    }

    fn operator(&mut self) -> Result<Operator, ParseError> {
        match self.peek().cloned() {
            None | Some(Token::Symbol(",")) => return Ok(Operator::Exists),
            _ => {}
        }
        match self.next().as_ref().map_or("", Token::text) {
            "=" | "==" => Ok(Operator::In(BTreeSet::from([self.value()?]))),
            "!=" => Ok(Operator::NotIn(BTreeSet::from([self.value()?]))),
            "in" => Ok(Operator::In(self.values()?)),
            "notin" => Ok(Operator::NotIn(self.values()?)),
            ">" => Ok(Operator::GreaterThan(self.number()?)),
            "<" => Ok(Operator::LessThan(self.number()?)),
            found => Err(ParseError::found(
                Some(&Token::Word(found.to_owned())),
                "in, notin, =, ==, !=, gt, lt",
            )),
        }
    }

    /// A single value; none at all is the empty one.
    fn value(&mut self) -> Result<String, ParseError> {
        match self.peek() {
            None | Some(Token::Symbol(",")) => Ok(String::new()),
            Some(Token::Word(word)) => {
                let word = word.clone();
                self.at += 1;
                Ok(word)
            }
            found => Err(ParseError::found(found, "identifier")),
        }
    }

    fn number(&mut self) -> Result<i64, ParseError> {
        let text = self.value()?;
        text.parse().map_err(|_| ParseError::not_a_number(&text))
    }

    /// `(a,b)`; `(a,)` and `()` hold the empty value, as upstream reads them.
    fn values(&mut self) -> Result<BTreeSet<String>, ParseError> {
        if !self.takes("(") {
            return Err(ParseError::no_list(self.peek()));
        }
        if self.peek().is_none() {
            return Err(ParseError::found(None, "',', ')' or identifier"));
        }
        let mut values = BTreeSet::new();
        loop {
            let value = match self.peek() {
                Some(Token::Symbol(")" | ",")) => String::new(),
                _ => self.value()?,
            };
            values.insert(value);
            match self.next() {
                Some(Token::Symbol(",")) => {}
                Some(Token::Symbol(")")) => return Ok(values),
                found => return Err(ParseError::found(found.as_ref(), "',' or ')'")),
            }
        }
    }
}
