//! Points and spans of time as texts.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// The units of Go's durations, in nanoseconds.
const UNITS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("μs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
];

/// RFC 3339, or a date alone.
pub(crate) fn parse_timestamp(text: &str) -> Option<Timestamp> {
    if let Ok(date) = text.parse::<Date>()
        && text.len() == 10
    {
        return date.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    }
    let bytes = text.as_bytes();
    // jiff takes more than the standard does.
    let shaped = bytes.len() >= 20 && matches!(bytes[10], b'T' | b't') && bytes[4] == b'-';
    text.parse::<Timestamp>().ok().filter(|at| shaped && in_range(at))
}

/// From the year 1 to 9999.
pub(crate) fn in_range(at: &Timestamp) -> bool {
    (-62_135_596_800..=253_402_300_799).contains(&at.as_second())
}

/// Go's: `1h30m`, `-1.5s`, `0`.
pub(crate) fn parse_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut nanos: i128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
        nanos = nanos.checked_add(amount(number, *scale as i128)?)?;
        rest = tail;
    }
    i64::try_from(if negative { -nanos } else { nanos }).ok()
}

fn amount(number: &str, scale: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let digits = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<i64>().ok() };
    // More digits than these are below a nanosecond of any unit.
    let fraction = &fraction[..fraction.len().min(18)];
    let divisor = 10i128.pow(fraction.len() as u32);
    let part = i128::from(digits(fraction)?) * scale / divisor;
    i128::from(digits(whole)?).checked_mul(scale)?.checked_add(part)
}

/// As the language shows them: seconds.
pub(crate) fn show_duration(nanos: i64) -> String {
    let (sign, nanos) = (if nanos < 0 { "-" } else { "" }, nanos.unsigned_abs());
    let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    if rest == 0 {
        return format!("{sign}{seconds}s");
    }
    format!("{sign}{seconds}.{}s", format!("{rest:09}").trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_shown() {
        for (text, expected) in [
            ("1h30m", Some("5400s")),
            ("-1.5s", Some("-1.5s")),
            ("1ms", Some("0.001s")),
            ("0", Some("0s")),
            ("1", None),
            ("", None),
            ("s", None),
            ("1.s", Some("1s")),
            (".s", None),
            ("1..2s", None),
            ("999999999999h", None),
            ("1x", None),
        ] {
            assert_eq!(parse_duration(text).map(show_duration).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn timestamps_are_those_of_the_standard() {
        for (text, valid) in [
            ("2020-01-01T00:00:00Z", true),
            ("2020-01-01T00:00:00.123+02:00", true),
            ("2020-01-01", true),
            ("2020-01-01T00:00:00", false),
            ("2020-13-01T00:00:00Z", false),
            ("-000001-01-01T00:00:00Z", false),
            ("soon", false),
        ] {
            assert_eq!(parse_timestamp(text).is_some(), valid, "{text}");
        }
    }
}
