//! The JSONPath that columns, scale and selectable fields of custom kinds use: fields, indexes,
//! wildcards and simple filters.

use std::cmp::Ordering;

use serde_json::Value;

/// A path into an object: `.spec.replicas`, `.status.conditions[?(@.type=="Ready")].status`.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPath(Vec<Step>);

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Field(String),
    Index(i64),
    All,
    Filter { path: JsonPath, test: Option<(Test, Value)> },
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Test {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A text that is no path, or one of the kinds we do not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a path that can be read: {1}")]
pub struct JsonPathError(String, &'static str);

const TESTS: [(&str, Test); 6] = [
    ("==", Test::Equal),
    ("!=", Test::NotEqual),
    ("<=", Test::LessOrEqual),
    (">=", Test::GreaterOrEqual),
    ("<", Test::Less),
    (">", Test::Greater),
];

impl std::str::FromStr for JsonPath {
    type Err = JsonPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parser = Parser { rest: text };
        let path = parser.path();
        let path = path.map_err(|why| JsonPathError(text.to_owned(), why))?;
        match parser.rest {
            "" => Ok(path),
            _ => Err(JsonPathError(text.to_owned(), "unexpected text")),
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn eat(&mut self, prefix: &str) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Everything up to `end`, which is eaten too.
    fn until(&mut self, end: &str) -> Option<&'a str> {
        let (head, tail) = self.rest.split_once(end)?;
        self.rest = tail;
        Some(head)
    }

    fn path(&mut self) -> Result<JsonPath, &'static str> {
        let mut steps = Vec::new();
        _ = self.eat("$");
        loop {
            if self.rest.starts_with("..") {
                return Err("recursive descent is not supported");
            }
            if self.eat(".") {
                // `.[0]` and a lone dot name nothing by themselves.
                if self.rest.is_empty() || self.rest.starts_with('[') {
                    continue;
                }
                steps.push(self.field()?);
            } else if self.eat("[") {
                steps.push(self.bracket()?);
            } else {
                return Ok(JsonPath(steps));
            }
        }
    }

    fn field(&mut self) -> Result<Step, &'static str> {
        let mut name = String::new();
        let mut chars = self.rest.char_indices();
        let end = loop {
            match chars.next() {
                Some((_, '\\')) => name.extend(chars.next().map(|(_, c)| c)),
                Some((at, '.' | '[' | ' ' | '=' | '!' | '<' | '>' | ')')) => break at,
                Some((_, c)) => name.push(c),
                None => break self.rest.len(),
            }
        };
        self.rest = &self.rest[end..];
        match name.as_str() {
            "" => Err("a field has no name"),
            "*" => Ok(Step::All),
            _ => Ok(Step::Field(name)),
        }
    }

    fn bracket(&mut self) -> Result<Step, &'static str> {
        if self.eat("?(") {
            return self.filter();
        }
        for quote in ["'", "\""] {
            if self.eat(quote) {
                let name = self.until(quote).ok_or("a quote is open")?.to_owned();
                return if self.eat("]") {
                    Ok(Step::Field(name))
                } else {
                    Err("no ] after a name")
                };
            }
        }
        match self.until("]").ok_or("a bracket is open")?.trim() {
            "*" => Ok(Step::All),
            number => number.parse().map(Step::Index).map_err(|_| "an index is no number"),
        }
    }

    fn filter(&mut self) -> Result<Step, &'static str> {
        self.rest = self.rest.trim_start();
        if !self.eat("@") {
            return Err("a filter does not begin with @");
        }
        let path = self.path()?;
        self.rest = self.rest.trim_start();
        let test = TESTS.into_iter().find(|(sign, _)| self.rest.starts_with(sign));
        let test = match test {
            Some((sign, test)) => {
                self.rest = self.rest[sign.len()..].trim_start();
                Some((test, self.literal()?))
            }
            None => None,
        };
        self.rest = self.rest.trim_start();
        if self.eat(")]") { Ok(Step::Filter { path, test }) } else { Err("a filter is open") }
    }

    fn literal(&mut self) -> Result<Value, &'static str> {
        for quote in ["'", "\""] {
            if self.eat(quote) {
                return self.until(quote).map(Value::from).ok_or("a quote is open");
            }
        }
        let end = self.rest.find([')', ' ']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        serde_json::from_str(word).map_err(|_| "a filter compares with no literal")
    }
}

impl JsonPath {
    /// All values that the path leads to.
    pub fn find<'v>(&self, value: &'v Value) -> Vec<&'v Value> {
        let mut found = vec![value];
        for step in &self.0 {
            found = found.into_iter().flat_map(|value| step.from(value)).collect();
        }
        found
    }

    /// The names on the way, where there are only names: `["spec", "replicas"]`.
    pub fn names(&self) -> Option<Vec<&str>> {
        let name = |step: &'_ Step| matches!(step, Step::Field(_));
        self.0.iter().all(name).then(|| {
            let names = self.0.iter().filter_map(|step| match step {
                Step::Field(name) => Some(name.as_str()),
                _ => None,
            });
            names.collect()
        })
    }
}

impl Step {
    fn from<'v>(&self, value: &'v Value) -> Vec<&'v Value> {
        match (self, value) {
            (Self::Field(name), Value::Object(fields)) => fields.get(name).into_iter().collect(),
            (Self::Index(index), Value::Array(items)) => {
                let len = i64::try_from(items.len()).unwrap_or(i64::MAX);
                let at = if *index < 0 { len + index } else { *index };
                usize::try_from(at).ok().and_then(|at| items.get(at)).into_iter().collect()
            }
            (Self::All, Value::Array(items)) => items.iter().collect(),
            (Self::All, Value::Object(fields)) => fields.values().collect(),
            (Self::Filter { path, test }, Value::Array(items)) => {
                items.iter().filter(|item| holds(path, test.as_ref(), item)).collect()
            }
            _ => Vec::new(),
        }
    }
}

fn holds(path: &JsonPath, test: Option<&(Test, Value)>, item: &Value) -> bool {
    let found = path.find(item);
    let Some((test, wanted)) = test else { return !found.is_empty() };
    let Some(value) = found.first() else { return false };
    let order = match (value.as_f64(), wanted.as_f64(), value.as_str(), wanted.as_str()) {
        (Some(a), Some(b), _, _) => a.partial_cmp(&b),
        (_, _, Some(a), Some(b)) => Some(a.cmp(b)),
        _ if *value == wanted => Some(Ordering::Equal),
        _ => None,
    };
    match test {
        Test::Equal => order == Some(Ordering::Equal),
        Test::NotEqual => order != Some(Ordering::Equal),
        Test::Less => order == Some(Ordering::Less),
        Test::LessOrEqual => order.is_some_and(Ordering::is_le),
        Test::Greater => order == Some(Ordering::Greater),
        Test::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(path: &str, expected: Value) {
        let object = json!({
            "spec": {"replicas": 3, "list": [{"n": "a"}, {"n": "b"}], "a.b": {"c": 1}},
            "status": {"conditions": [
                {"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"},
            ]},
        });
        let path: JsonPath = path.parse().unwrap();
        let found: Vec<Value> = path.find(&object).into_iter().cloned().collect();
        assert_eq!(Value::from(found), expected);
    }

    #[test]
    fn paths_lead_to_values() {
        check(".spec.replicas", json!([3]));
        check(".spec.nothing", json!([]));
        check(".spec.list[0].n", json!(["a"]));
        check(".spec.list[-1].n", json!(["b"]));
        check(".spec.list[*].n", json!(["a", "b"]));
        check(r".spec.a\.b.c", json!([1]));
        check(".spec['a.b'].c", json!([1]));
        check(r#".status.conditions[?(@.type=="Ready")].status"#, json!(["True"]));
        check(r#".status.conditions[?(@.type == 'Other')].status"#, json!(["False"]));
        check(".spec.list[?(@.n)].n", json!(["a", "b"]));
    }

    #[test]
    fn names_are_known_where_there_are_only_names() {
        let path: JsonPath = ".spec.replicas".parse().unwrap();
        assert_eq!(path.names(), Some(vec!["spec", "replicas"]));
        assert_eq!(".a[0]".parse::<JsonPath>().unwrap().names(), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in r#"[a-z.\[\]?(@=)'"\\*0-9é-]{0,30}"#) {
            let _ = text.parse::<JsonPath>();
        }
    }
}
