//! The formats that values are held to; others say nothing.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex_lite::Regex;
use serde_json::Number;

/// The formats upstream knows.
const KNOWN: [&str; 34] = [
    "bsonobjectid",
    "uri",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "cidr",
    "mac",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
    "isbn",
    "isbn10",
    "isbn13",
    "creditcard",
    "ssn",
    "hexcolor",
    "rgbcolor",
    "byte",
    "password",
    "date",
    "duration",
    "datetime",
    "date-time",
    "int32",
    "int64",
    "float",
    "double",
    "int-or-string",
    "quantity",
    "k8s-short-name",
    "k8s-long-name",
    "ip",
];

/// Is it a format that means something? Upstream warns of others.
pub fn is_known(format: &str) -> bool {
    KNOWN.contains(&format)
}

static PATTERNS: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| {
    let pattern = |text: &str| Regex::new(text).expect("our own patterns are regular expressions");
    vec![
        ("uuid", pattern("(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$")),
        ("hostname", pattern(r"^([a-zA-Z0-9_]([a-zA-Z0-9_-]{0,62})(\.[a-zA-Z0-9_-]{0,62})*)$")),
        ("email", pattern(r"^[^@\s]+@[^@\s]+$")),
        ("mac", pattern("(?i)^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$")),
        ("hexcolor", pattern("^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$")),
        ("date", pattern("^[0-9]{4}-[0-9]{2}-[0-9]{2}$")),
        (
            "duration",
            pattern(r"^[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)\s*(ns|us|µs|ms|s|m|h|d|w|[a-z]+)?"),
        ),
        ("uri", pattern(r"^([A-Za-z][A-Za-z0-9+.-]*:|/)\S*$")),
    ]
});

pub(crate) fn fits_text(format: &str, text: &str) -> bool {
    match format.replace('-', "").as_str() {
        "" => true,
        "datetime" => text.parse::<jiff::Timestamp>().is_ok(),
        "date" => text.parse::<jiff::civil::Date>().is_ok(),
        "byte" => STANDARD.decode(text).is_ok(),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => is_cidr(text),
        plain => PATTERNS
            .iter()
            .find(|(name, _)| *name == plain)
            .is_none_or(|(_, pattern)| pattern.is_match(text)),
    }
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let Ok(bits) = bits.parse::<u8>() else { return false };
    match address.parse::<std::net::IpAddr>() {
        Ok(address) => bits <= if address.is_ipv4() { 32 } else { 128 },
        Err(_) => false,
    }
}

pub(super) fn fits_number(format: &str, number: &Number) -> bool {
    match format {
        "int32" => {
            number.as_f64().is_some_and(|n| (-2_147_483_648.0..=2_147_483_647.0).contains(&n))
        }
        "int64" => number.as_f64().is_some_and(|n| n.abs() <= 9_223_372_036_854_775_808.0),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_formats_are_checked() {
        let check =
            |format, text, fits| assert_eq!(fits_text(format, text), fits, "{format} {text}");
        check("ipv4", "10.0.0.1", true);
        check("ipv4", "10.0.0", false);
        check("cidr", "10.0.0.0/8", true);
        check("cidr", "10.0.0.0/33", false);
        check("uuid", "123e4567-e89b-12d3-a456-426614174000", true);
        check("uuid", "123", false);
        check("byte", "YQ==", true);
        check("byte", "?", false);
        check("date", "2020-02-30", false);
        check("hostname", "a.example.com", true);
        check("email", "a@b.c", true);
        check("email", "a", false);
        check("uri", "https://example.com/x", true);
        check("unheard-of", "x", true);
    }
}
