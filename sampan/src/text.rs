//! How things look on a terminal: failures, tables, sizes, times.

use std::time::Duration;

/// An error with its causes, one line each: what was attempted first, why it failed below.
pub fn failure(error: &anyhow::Error) -> String {
    let mut lines = vec![format!("error: {error}")];
    let mut last = error.to_string();
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        // Some libraries repeat their cause in their own text.
        if !last.contains(&text) {
            lines.push(format!("  because: {text}"));
        }
        last = text;
    }
    lines.join("\n")
}

/// An error with its causes in one line, for where there is only one.
pub fn causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        if text.contains(&cause) { text } else { format!("{text}: {cause}") }
    })
}

/// Rows under a header, columns aligned, three spaces between them, as kubectl does.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([header[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("   ").trim_end().to_owned() + "\n"
    };
    let body = rows.iter().map(|row| line(row.iter().map(String::as_str).collect()));
    line(header.to_vec()) + &body.collect::<String>()
}

/// `4.1 MB`; powers of ten, as Docker prints image sizes.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// `0.4s`, `12.3s`, `2m05s`.
pub fn seconds(time: Duration) -> String {
    let tenths = time.as_millis() / 100;
    match time.as_secs() {
        0..60 => format!("{}.{}s", tenths / 10, tenths % 10),
        whole => format!("{}m{:02}s", whole / 60, whole % 60),
    }
}

/// How long ago, in the largest unit: `5s`, `3m`, `7h`, `12d`.
pub fn age(seconds: i64) -> String {
    match seconds.max(0) {
        s @ 0..120 => format!("{s}s"),
        s @ 120..7200 => format!("{}m", s / 60),
        s @ 7200..172_800 => format!("{}h", s / 3600),
        s => format!("{}d", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_shows_each_cause_once() {
        let error = anyhow::anyhow!("no such file").context("open a").context("load it");
        assert_eq!(failure(&error), "error: load it\n  because: open a\n  because: no such file");
        let repeated = anyhow::anyhow!("disk full").context("write: disk full");
        assert_eq!(failure(&repeated), "error: write: disk full");
    }

    #[test]
    fn columns_align() {
        let rows = [vec!["a".to_owned(), "1".to_owned()], vec!["long".to_owned(), "2".to_owned()]];
        assert_eq!(table(&["NAME", "N"], &rows), "NAME   N\na      1\nlong   2\n");
    }

    #[test]
    fn sizes_and_times_are_short() {
        assert_eq!([size(999), size(4_123_456), size(1_500)], ["999 B", "4.1 MB", "1.5 kB"]);
        let times = [0.44, 12.35, 125.0].map(|s| seconds(Duration::from_secs_f64(s)));
        assert_eq!(times, ["0.4s", "12.3s", "2m05s"]);
        assert_eq!([age(5), age(180), age(90_000)], ["5s", "3m", "25h"]);
    }
}
