//! Values as Go's `%v` prints them, for error texts that upstream clients know.

use std::fmt::Write as _;

use serde_json::Value;

use super::Object;

/// The most characters of a value that an error quotes: upstream quotes all, megabytes too.
const QUOTED_MAX: usize = 2000;

pub(super) fn value(value: &Value) -> String {
    let mut out = String::new();
    print(&mut out, value);
    shorten(out)
}

pub(super) fn object(object: &Object) -> String {
    let mut out = String::new();
    print_object(&mut out, object);
    shorten(out)
}

pub(super) fn values(values: &[Value]) -> String {
    let mut out = String::new();
    print_list(&mut out, values);
    shorten(out)
}

/// The Go type that a JSON value decodes to.
pub(super) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

fn shorten(mut text: String) -> String {
    if text.len() > QUOTED_MAX {
        let cut = text.floor_char_boundary(QUOTED_MAX);
        text.truncate(cut);
        text.push('…');
    }
    text
}

fn print(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("<nil>"),
        Value::String(text) => out.push_str(text),
        Value::Array(items) => print_list(out, items),
        Value::Object(fields) => print_object(out, fields),
        // A String takes whatever is written to it.
        scalar => drop(write!(out, "{scalar}")),
    }
}

fn print_list(out: &mut String, items: &[Value]) {
    out.push('[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(' ');
        }
        print(out, item);
    }
    out.push(']');
}

fn print_object(out: &mut String, fields: &Object) {
    out.push_str("map[");
    for (index, (name, value)) in fields.iter().enumerate() {
        if index > 0 {
            out.push(' ');
        }
        out.push_str(name);
        out.push(':');
        print(out, value);
    }
    out.push(']');
}
