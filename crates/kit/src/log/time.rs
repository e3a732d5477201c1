//! The present time as RFC 3339 text in UTC, formatted once per second and thread.

use std::cell::Cell;
use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

const SECONDS_PER_DAY: u64 = 86_400;

thread_local! {
    /// The second that was formatted last, and its text without the fraction.
    static LAST: Cell<(u64, [u8; 19])> = const { Cell::new((u64::MAX, [b'0'; 19])) };
}

/// Appends such as `2026-01-02T03:04:05.678Z`.
pub(super) fn push_now(text: &mut String) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (mut second, mut formatted) = LAST.get();
    if second != now.as_secs() {
        second = now.as_secs();
        formatted = format_second(second);
        LAST.set((second, formatted));
    }
    text.push_str(std::str::from_utf8(&formatted).expect("digits and separators are ASCII"));
    write!(text, ".{:03}Z", now.subsec_millis()).expect("writing to a String does not fail");
}

fn format_second(unix: u64) -> [u8; 19] {
    let (days, second) = (unix / SECONDS_PER_DAY, unix % SECONDS_PER_DAY);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    let mut bytes = [b'0'; 19];
    let length = text.len().min(19);
    bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
    bytes
}

/// The Gregorian date of a day since 1970. Years are counted from March, so that the leap day is
/// the last of its year, in eras of 400 years, which all have 146,097 days.
fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let leap_days = day_of_era / 1_460 + day_of_era / 146_096 - day_of_era / 36_524;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(unix: u64, expected: &str) {
        assert_eq!(std::str::from_utf8(&format_second(unix)).unwrap(), expected);
    }

    #[test]
    fn seconds_are_formatted_as_dates() {
        check(0, "1970-01-01T00:00:00");
        check(951_782_399, "2000-02-28T23:59:59");
        check(951_782_400, "2000-02-29T00:00:00");
        check(1_709_164_800, "2024-02-29T00:00:00");
        check(1_735_689_599, "2024-12-31T23:59:59");
        check(4_107_542_400, "2100-03-01T00:00:00");
    }
}
