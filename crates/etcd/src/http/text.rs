//! The text format of Prometheus.

use std::fmt::{Display, Write as _};

/// Metrics as text, one family after the other.
#[derive(Default)]
pub(super) struct Text {
    out: String,
}

impl Text {
    /// A value that goes up and down.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    /// A value that only goes up.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "counter", help);
        self.sample(name, &[], value);
    }

    /// A one, with something that is said in a label.
    pub(super) fn info(&mut self, name: &str, help: &str, label: (&str, &str)) {
        self.family(name, "gauge", help);
        self.sample(name, &[label], 1);
    }

    /// Begins a family of samples.
    pub(super) fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    /// One sample of the family that was begun.
    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> =
            labels.iter().map(|(label, text)| format!("{label}=\"{}\"", escaped(text))).collect();
        if labels.is_empty() {
            self.line(format_args!("{name} {value}"));
        } else {
            self.line(format_args!("{name}{{{}}} {value}", labels.join(",")));
        }
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.out, "{line}").expect("a string takes whatever is written to it");
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_quoted() {
        let mut text = Text::default();
        text.info("who", "Who it is.", ("name", "a \"b\" \\ c\n"));
        text.gauge("size", "How large.", 7);
        let expected = "# HELP who Who it is.\n# TYPE who gauge\n\
            who{name=\"a \\\"b\\\" \\\\ c\\n\"} 1\n\
            # HELP size How large.\n# TYPE size gauge\nsize 7\n";
        assert_eq!(text.finish(), expected);
    }
}
