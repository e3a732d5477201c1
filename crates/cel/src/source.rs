//! Where something is wrong in an expression, and how that is shown.

use std::fmt;

/// Why an expression does not compile: every fault that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileError {
    pub(crate) text: String,
    /// Ordered by place.
    pub issues: Vec<Issue>,
}

/// One fault and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// In characters from the start.
    pub offset: usize,
    /// What is wrong.
    pub message: String,
}

/// So many faults are shown; one mistake easily makes many.
const ISSUES_MAX: usize = 10;

impl CompileError {
    pub(crate) fn new(text: &str, mut issues: Vec<Issue>) -> Self {
        issues.sort_by_key(|issue| issue.offset);
        issues.dedup();
        issues.truncate(ISSUES_MAX);
        Self { text: text.to_owned(), issues }
    }
}

impl std::error::Error for CompileError {}

/// As cel-go shows it: the fault, its line, and a mark below the place.
impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, issue) in self.issues.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            let (line, column, text) = place(&self.text, issue.offset);
            writeln!(f, "ERROR: <input>:{line}:{}: {}", column + 1, issue.message)?;
            writeln!(f, " | {}", text.replace('\t', " "))?;
            write!(f, " | {}^", ".".repeat(column))?;
        }
        Ok(())
    }
}

/// The line's number and text, and the column in it.
fn place(text: &str, offset: usize) -> (usize, usize, &str) {
    let mut rest = offset;
    let mut last = (1, 0, "");
    for (index, line) in text.split('\n').enumerate() {
        let len = line.chars().count();
        if rest <= len {
            return (index + 1, rest, line);
        }
        rest -= len + 1;
        last = (index + 1, len, line);
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_shown_below_its_line() {
        let issues = vec![Issue { offset: 5, message: "what".to_owned() }];
        let error = CompileError::new("ab\n d e", issues);
        assert_eq!(error.to_string(), "ERROR: <input>:2:3: what\n |  d e\n | ..^");
    }
}
