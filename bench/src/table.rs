//! Medians in a Markdown table.

use std::fmt;

/// The results so far.
#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
}

struct Row {
    what: String,
    ours: String,
    rival: String,
    ratio: String,
}

impl Table {
    /// A measurement without a rival on this machine.
    pub fn alone(&mut self, what: &str, ours: String) {
        let none = String::from("-");
        eprintln!("{what}: {ours}");
        self.rows.push(Row { what: what.into(), ours, rival: none.clone(), ratio: none });
    }

    /// A measurement beside a rival's of the same run; the ratio is ours to theirs.
    pub fn beside(&mut self, what: &str, unit: &str, ours: f64, rival: (&str, f64)) {
        let (name, theirs) = rival;
        let shown = |value: f64| format!("{value:.*} {unit}", if value < 10.0 { 2 } else { 0 });
        eprintln!("{what}: {}, {name} {}", shown(ours), shown(theirs));
        self.rows.push(Row {
            what: what.into(),
            ours: shown(ours),
            rival: format!("{name} {}", shown(theirs)),
            ratio: format!("{:.2}", ours / theirs),
        });
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what | Sampan | rival | ratio |\n|---|---|---|---|")?;
        for Row { what, ours, rival, ratio } in &self.rows {
            writeln!(f, "| {what} | {ours} | {rival} | {ratio} |")?;
        }
        Ok(())
    }
}

/// The middle one; the lower of two.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.0);
    }
}
