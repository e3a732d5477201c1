//! Human ages, as Kubernetes prints them.

use jiff::Timestamp;

/// How long ago an RFC 3339 time was: `3m12s`, `5d`, `<unknown>`.
pub(crate) fn since(time: &str) -> String {
    match time.parse::<Timestamp>() {
        Ok(time) => human(whole_seconds(time, Timestamp::now())),
        Err(_) => "<unknown>".to_owned(),
    }
}

/// How long it was from one RFC 3339 time to another.
pub(crate) fn between(start: &str, end: &str) -> String {
    match (start.parse::<Timestamp>(), end.parse::<Timestamp>()) {
        (Ok(start), Ok(end)) => human(whole_seconds(start, end)),
        _ => "<unknown>".to_owned(),
    }
}

/// Of what lies between, fractions are dropped.
fn whole_seconds(start: Timestamp, end: Timestamp) -> i64 {
    (end.as_millisecond() - start.as_millisecond()) / 1000
}

/// Seconds as one or two units.
pub(crate) fn human(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let days = hours / 24;
    match () {
        () if seconds < -1 => "<invalid>".to_owned(),
        () if seconds < 0 => "0s".to_owned(),
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => two(hours, "h", minutes % 60, "m"),
        () if hours < 48 => format!("{hours}h"),
        () if days < 8 => two(days, "d", hours % 24, "h"),
        () if days < 365 * 2 => format!("{days}d"),
        () if days < 365 * 8 => two(days / 365, "y", days % 365, "d"),
        () => format!("{}y", days / 365),
    }
}

fn two(large: i64, large_unit: &str, small: i64, small_unit: &str) -> String {
    match small {
        0 => format!("{large}{large_unit}"),
        small => format!("{large}{large_unit}{small}{small_unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn ages_have_at_most_two_units() {
        const DAY: i64 = 24 * 3600;
        for (seconds, expected) in [
            (-5, "<invalid>"),
            (-1, "0s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (600, "10m"),
            (3 * 3600, "3h"),
            (3 * 3600 + 60, "3h1m"),
            (9 * 3600, "9h"),
            (2 * DAY, "2d"),
            (2 * DAY + 3600, "2d1h"),
            (9 * DAY, "9d"),
            (3 * 365 * DAY + DAY, "3y1d"),
            (9 * 365 * DAY, "9y"),
        ] {
            assert_eq!(human(seconds), expected);
        }
    }
}
