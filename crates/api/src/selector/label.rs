//! Label selectors: the text of `-l`, and LabelSelector objects.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::{names, read};

mod parse;

pub use parse::ParseError;

/// All of its requirements must hold; none at all is everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
    /// Made from no selector object at all, which selects nothing.
    nothing: bool,
}

/// One requirement on one label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The label's key.
    pub key: String,
    /// What must hold of its value.
    pub operator: Operator,
}

/// What must hold of a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operator {
    /// There, and one of these.
    In(BTreeSet<String>),
    /// Not there, or none of these.
    NotIn(BTreeSet<String>),
    /// There.
    Exists,
    /// Not there.
    DoesNotExist,
    /// There, a whole number, and greater.
    GreaterThan(i64),
    /// There, a whole number, and less.
    LessThan(i64),
}

impl LabelSelector {
    /// Selects every object.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Selects no object.
    pub fn nothing() -> Self {
        Self { requirements: Vec::new(), nothing: true }
    }

    /// From `key: value` pairs, as a Service's selector has them.
    pub fn from_map(map: &Value) -> Self {
        let pairs = map.as_object().into_iter().flatten();
        let requirements = pairs
            .filter_map(|(key, value)| Some((key, value.as_str()?)))
            .map(|(key, value)| Requirement {
                key: key.clone(),
                operator: Operator::In(BTreeSet::from([value.to_owned()])),
            })
            .collect();
        Self { requirements, nothing: false }
    }

    /// From a LabelSelector object. As upstream, null is nothing and `{}` is everything.
    pub fn from_object(selector: &Value) -> Result<Self, ParseError> {
        if selector.is_null() {
            return Ok(Self::nothing());
        }
        let labels = read::at(selector, &["matchLabels"]);
        let mut made = Self::from_map(labels);
        for expression in read::list(selector, "matchExpressions") {
            made.requirements.push(from_expression(expression)?);
        }
        Ok(made)
    }

    /// Does it select everything?
    pub fn is_everything(&self) -> bool {
        !self.nothing && self.requirements.is_empty()
    }

    /// The requirements, all of which must hold.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// Does it select what has these labels?
    pub fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        !self.nothing && self.requirements.iter().all(|r| r.operator.matches(label(&r.key)))
    }

    /// Does it select this object?
    pub fn matches_object(&self, object: &Value) -> bool {
        self.matches_labels(read::at(object, &["metadata", "labels"]))
    }

    /// Does it select what has this object as its labels?
    pub fn matches_labels(&self, labels: &Value) -> bool {
        self.matches(|key| labels.get(key)?.as_str())
    }

    /// Does it select what has these labels?
    pub fn matches_map(&self, labels: &BTreeMap<&str, &str>) -> bool {
        self.matches(|key| labels.get(key).copied())
    }
}

impl Operator {
    fn matches(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|v| v.parse::<i64>().ok());
        match self {
            Self::In(values) => value.is_some_and(|v| values.contains(v)),
            Self::NotIn(values) => value.is_none_or(|v| !values.contains(v)),
            Self::Exists => value.is_some(),
            Self::DoesNotExist => value.is_none(),
            Self::GreaterThan(bound) => number().is_some_and(|n| n > *bound),
            Self::LessThan(bound) => number().is_some_and(|n| n < *bound),
        }
    }
}

fn from_expression(expression: &Value) -> Result<Requirement, ParseError> {
    let key = read::text(expression, "key").to_owned();
    let values = read::list(expression, "values").iter();
    let values = values.filter_map(Value::as_str).map(str::to_owned).collect();
    let operator = match read::text(expression, "operator") {
        "In" => Operator::In(values),
        "NotIn" => Operator::NotIn(values),
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        other => return Err(ParseError::operator(other)),
    };
    Requirement { key, operator }.checked()
}

impl Requirement {
    /// Refuses keys and values that no label can have.
    fn checked(self) -> Result<Self, ParseError> {
        if let [problem, ..] = &names::qualified_name(&self.key)[..] {
            return Err(ParseError::key(&self.key, problem));
        }
        if let Operator::In(values) | Operator::NotIn(values) = &self.operator {
            if values.is_empty() {
                return Err(ParseError::no_values());
            }
            for value in values {
                if let [problem, ..] = &names::label_value(value)[..] {
                    return Err(ParseError::value(value, &self.key, problem));
                }
            }
        }
        Ok(self)
    }
}

impl FromStr for LabelSelector {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let requirements = parse::parse(text)?;
        let requirements =
            requirements.into_iter().map(Requirement::checked).collect::<Result<_, _>>()?;
        Ok(Self { requirements, nothing: false })
    }
}

/// The text of `-l`.
impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, requirement) in self.requirements.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            write!(f, "{requirement}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        let one_or_list = |f: &mut fmt::Formatter<'_>, values: &BTreeSet<String>, is, among| {
            let mut all = values.iter();
            match (all.next(), all.next()) {
                (Some(one), None) => write!(f, "{key}{is}{one}"),
                _ => {
                    let all: Vec<_> = values.iter().map(String::as_str).collect();
                    write!(f, "{key} {among} ({})", all.join(","))
                }
            }
        };
        match &self.operator {
            Operator::In(values) => one_or_list(f, values, "=", "in"),
            Operator::NotIn(values) => one_or_list(f, values, "!=", "notin"),
            Operator::Exists => f.write_str(key),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::GreaterThan(bound) => write!(f, "{key}>{bound}"),
            Operator::LessThan(bound) => write!(f, "{key}<{bound}"),
        }
    }
}

#[cfg(test)]
mod tests;
