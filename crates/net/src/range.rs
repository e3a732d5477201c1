//! A range of IPv4 addresses in CIDR notation.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// The longest prefix that still leaves room for a node address and some others.
const PREFIX_MAX: u8 = 29;
/// The shortest prefix accepted: a whole class A network.
const PREFIX_MIN: u8 = 8;

/// IPv4 addresses that share a prefix, for example `10.42.0.0/16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressRange {
    base: u32,
    prefix: u8,
}

/// Why a text is no usable range.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RangeError {
    /// Not of the form `address/prefix`.
    #[error("{0:?} is no IPv4 range: write it as 10.42.0.0/16")]
    Syntax(String),
    /// Too large or too small to be useful.
    #[error("range prefix /{0} is outside /{PREFIX_MIN} to /{PREFIX_MAX}")]
    Prefix(u8),
    /// Bits are set to the right of the prefix.
    #[error("{given} is not the start of its range: write {start}/{prefix}")]
    HostBits {
        /// The address that was given.
        given: Ipv4Addr,
        /// The address the range starts with.
        start: Ipv4Addr,
        /// The prefix length.
        prefix: u8,
    },
}

impl AddressRange {
    /// The range that starts at `base` and fixes the first `prefix` bits.
    pub fn new(base: Ipv4Addr, prefix: u8) -> Result<AddressRange, RangeError> {
        if !(PREFIX_MIN..=PREFIX_MAX).contains(&prefix) {
            return Err(RangeError::Prefix(prefix));
        }
        let start = u32::from(base) & mask(prefix);
        if start != u32::from(base) {
            return Err(RangeError::HostBits { given: base, start: start.into(), prefix });
        }
        Ok(AddressRange { base: start, prefix })
    }

    /// The range's own address, the first of all.
    pub fn base(&self) -> Ipv4Addr {
        self.base.into()
    }

    /// How many leading bits the addresses share.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// How many addresses there are, base and broadcast included.
    pub fn size(&self) -> u32 {
        1 << (32 - u32::from(self.prefix))
    }

    /// The address `offset` steps after the base, unless that is outside.
    pub fn nth(&self, offset: u32) -> Option<Ipv4Addr> {
        (offset < self.size()).then(|| Ipv4Addr::from(self.base + offset))
    }

    /// The first usable address: base + 1.
    pub fn first(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.base + 1)
    }

    /// The last address of all, which a subnet keeps for broadcast.
    pub fn last(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.base + (self.size() - 1))
    }

    /// Whether the address lies inside.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        u32::from(address) & mask(self.prefix) == self.base
    }

    /// Whether the two ranges share an address.
    pub fn overlaps(&self, other: &AddressRange) -> bool {
        self.contains(other.base()) || other.contains(self.base())
    }

    /// The distance of an address from the base, if it lies inside.
    pub fn offset(&self, address: Ipv4Addr) -> Option<u32> {
        self.contains(address).then(|| u32::from(address) - self.base)
    }

    /// The prefix as a network mask.
    pub fn mask(&self) -> Ipv4Addr {
        mask(self.prefix).into()
    }
}

fn mask(prefix: u8) -> u32 {
    u32::MAX << (32 - u32::from(prefix))
}

impl FromStr for AddressRange {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<AddressRange, RangeError> {
        let syntax = || RangeError::Syntax(text.to_owned());
        let (base, prefix) = text.split_once('/').ok_or_else(syntax)?;
        let base = base.parse().map_err(|_| syntax())?;
        let prefix = prefix.parse().map_err(|_| syntax())?;
        AddressRange::new(base, prefix)
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.base(), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(&str, &str, u32), &str>) {
        let got = text.parse::<AddressRange>().map_err(|error| error.to_string());
        match (got, expected) {
            (Ok(range), Ok((first, last, size))) => {
                assert_eq!(range.first().to_string(), first);
                assert_eq!(range.last().to_string(), last);
                assert_eq!(range.size(), size);
                assert_eq!(range.to_string(), text);
            }
            (Err(got), Err(expected)) => assert!(got.contains(expected), "{got}"),
            (got, expected) => panic!("{text}: {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn ranges_are_read_in_cidr_notation() {
        check("10.42.0.0/16", Ok(("10.42.0.1", "10.42.255.255", 65536)));
        check("192.168.8.8/29", Ok(("192.168.8.9", "192.168.8.15", 8)));
    }

    #[test]
    fn a_bad_range_says_what_to_write() {
        check("10.42.0.0", Err("write it as"));
        check("10.42.0/16", Err("write it as"));
        check("10.42.0.0/32", Err("outside"));
        check("10.42.0.0/0", Err("outside"));
        check("10.42.0.1/16", Err("write 10.42.0.0/16"));
    }

    #[test]
    fn contains_and_overlaps_look_at_the_prefix() {
        let range: AddressRange = "10.42.0.0/16".parse().unwrap();
        assert!(range.contains("10.42.255.255".parse().unwrap()));
        assert!(!range.contains("10.43.0.0".parse().unwrap()));
        assert!(range.overlaps(&"10.0.0.0/8".parse().unwrap()));
        assert!(range.overlaps(&"10.42.7.0/24".parse().unwrap()));
        assert!(!range.overlaps(&"10.43.0.0/16".parse().unwrap()));
        assert_eq!(range.nth(65535), Some(range.last()));
        assert_eq!(range.nth(65536), None);
    }
}
