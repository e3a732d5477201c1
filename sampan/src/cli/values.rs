//! How values are written on the command line: times, sizes, addresses that may be off.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

/// Where the etcd API listens, if it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EtcdListen {
    Off,
    At(SocketAddr),
}

impl FromStr for EtcdListen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            _ => text.parse().map(Self::At).map_err(|_| {
                format!(
                    "{text:?} is no address with a port, such as 127.0.0.1:2379, and not \"off\""
                )
            }),
        }
    }
}

impl fmt::Display for EtcdListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::At(address) => address.fmt(f),
        }
    }
}

/// Reads a name or an address that a certificate can carry.
pub fn host_name(text: &str) -> Result<String, String> {
    match apiserver::pki::is_name(text) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is no host name and no address")),
    }
}

/// Reads `90s`, `5m`, `1h` or `1m30s`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration =
        text.parse().map_err(|_| format!("{text:?} is no duration; try 90s, 5m or 1h"))?;
    Duration::try_from(span).map_err(|_| format!("{text:?} is negative"))
}

/// A duration as [`duration`] reads it, whole seconds.
pub fn duration_text(time: Duration) -> String {
    format!("{}s", time.as_secs())
}

/// The units that sizes may have.
const UNITS: [(&str, u64); 10] = [
    ("", 1),
    ("B", 1),
    ("kB", 1000),
    ("KB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Reads `1048576`, `512MiB`, `2GB`.
pub fn size(text: &str) -> Result<u64, String> {
    let refuse = || format!("{text:?} is no size; try 512MiB, 2GB or a number of bytes");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| refuse())?;
    let (_, bytes) = UNITS.iter().find(|(name, _)| *name == unit.trim()).ok_or_else(refuse)?;
    number.checked_mul(*bytes).ok_or_else(refuse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert!(duration("soon").is_err());
        assert!(duration("-5s").is_err());
        assert_eq!(duration(&duration_text(Duration::from_secs(90))), duration("90s"));
    }

    #[test]
    fn names_are_those_of_hosts_and_addresses() {
        for good in ["box", "box.example", "*.box.example", "10.1.2.3", "::1"] {
            assert_eq!(host_name(good).as_deref(), Ok(good));
        }
        for bad in ["", "a b", "-", "https://box", "box:6443"] {
            assert!(host_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_are_read_with_and_without_a_unit() {
        assert_eq!(size("77"), Ok(77));
        assert_eq!(size("512MiB"), Ok(512 << 20));
        assert_eq!(size("2 GB"), Ok(2_000_000_000));
        for bad in ["", "MiB", "-1", "1.5GB", "1 parsec", "99999999999999999999", "99999999TiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_etcd_api_listens_somewhere_or_is_off() {
        assert_eq!("off".parse(), Ok(EtcdListen::Off));
        let at: EtcdListen = "[::1]:2379".parse().unwrap();
        assert_eq!(at.to_string(), "[::1]:2379");
        assert!("localhost".parse::<EtcdListen>().unwrap_err().contains("off"));
    }
}
