//! Building one line of JSON without intermediate values.

use std::fmt::{self, Write};

use super::time;

/// A line under construction: `{"time":…,"level":…,"message":…,` and then its fields.
pub struct Line {
    text: String,
}

impl Line {
    /// Begins a line with the present time.
    pub fn new(level: &str, service: &str, message: &str) -> Self {
        let mut text = String::with_capacity(320);
        text.push_str("{\"time\":\"");
        time::push_now(&mut text);
        text.push('"');
        let line = Self { text };
        line.str("level", level).str("service", service).str("message", message)
    }

    /// Adds a text.
    pub fn str(mut self, name: &str, value: &str) -> Self {
        self.push_str(name, value);
        self
    }

    /// Adds a number, a boolean, or whatever displays as JSON by itself.
    pub fn raw(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.push_raw(name, &value);
        self
    }

    pub(super) fn push_str(&mut self, name: &str, value: &str) {
        self.key(name);
        self.text.push('"');
        escape(&mut self.text, value);
        self.text.push('"');
    }

    pub(super) fn push_raw(&mut self, name: &str, value: &dyn fmt::Display) {
        self.key(name);
        // Writing to a String fails only if the value's own Display does: then the field is empty.
        if write!(self.text, "{value}").is_err() {
            self.text.push_str("null");
        }
    }

    fn key(&mut self, name: &str) {
        self.text.push_str(",\"");
        escape(&mut self.text, name);
        self.text.push_str("\":");
    }

    /// The whole line with its line break.
    pub fn finish(mut self) -> String {
        self.text.push_str("}\n");
        self.text
    }
}

fn escape(text: &mut String, value: &str) {
    let mut clean = 0;
    for (at, byte) in value.bytes().enumerate() {
        let escaped = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 => "",
            _ => continue,
        };
        text.push_str(&value[clean..at]);
        text.push_str(escaped);
        if escaped.is_empty() {
            text.push_str("\\u00");
            text.push(char::from(b'0' + (byte >> 4)));
            text.push(char::from(b"0123456789abcdef"[usize::from(byte & 15)]));
        }
        clean = at + 1;
    }
    text.push_str(&value[clean..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_json_whatever_is_in_them() {
        let nasty = "a\"b\\c\nd\u{1}e\u{1f}ü\t";
        let line = Line::new("info", "s", nasty).str("x\"y", nasty).raw("n", 1.5).finish();
        assert!(line.ends_with("}\n") && line.lines().count() == 1);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["message"], nasty);
        assert_eq!(value["x\"y"], nasty);
        assert_eq!(value["n"], 1.5);
    }
}
