//! Addresses and ranges of them.

use std::any::Any;
use std::net::IpAddr;

use crate::budget::Budget;
use crate::error::EvalError;
use crate::value::{Opaque, Value};

type Result<'a> = std::result::Result<Value<'a>, EvalError>;

#[derive(Debug, Clone, Copy, PartialEq)]
struct Address(IpAddr);

#[derive(Debug, Clone, Copy, PartialEq)]
struct Range {
    address: IpAddr,
    prefix: u8,
}

macro_rules! opaque {
    ($kind:ty, $name:literal, $size:expr) => {
        impl Opaque for $kind {
            fn kind(&self) -> &'static str {
                $name
            }
            fn equals(&self, other: &dyn Opaque) -> bool {
                other.as_any().downcast_ref::<Self>().is_some_and(|other| self == other)
            }
            fn size(&self) -> u64 {
                let size: fn(&Self) -> u64 = $size;
                size(self)
            }
            fn as_any(&self) -> &dyn Any {
                self
            }
        }
    };
}
pub(super) use opaque;

opaque!(Address, "net.IP", |address| width(address.0) / 8);
opaque!(Range, "net.CIDR", |range| u64::from(range.prefix).div_ceil(8));

fn width(address: IpAddr) -> u64 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Go's strict parsing; no zones, and no IPv4 address in the clothes of an IPv6 one.
fn parse_address(text: &str) -> std::result::Result<IpAddr, EvalError> {
    let failed = |why: &str| {
        Err(EvalError::new(format!(
            "IP Address {text:?} parse error during conversion from string: {why}"
        )))
    };
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) if address.to_ipv4_mapped().is_some() => {
            failed("IPv4-mapped IPv6 address is not allowed")
        }
        Ok(address) => Ok(address),
        Err(_) if text.contains('%') => failed("IP address with zone value is not allowed"),
        Err(_) => failed(&format!("ParseAddr({text:?}): unable to parse IP")),
    }
}

fn parse_range(text: &str) -> std::result::Result<Range, EvalError> {
    let failed = || {
        EvalError::new(format!(
            "network address parse error during conversion from string: netip.ParsePrefix({text:?})"
        ))
    };
    let (address, prefix) = text.split_once('/').ok_or_else(failed)?;
    let address = parse_address(address).map_err(|_| failed())?;
    let digits = !prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_digit());
    let leading = prefix.len() > 1 && prefix.starts_with('0');
    let prefix = prefix.parse::<u8>().ok().filter(|_| digits && !leading).ok_or_else(failed)?;
    if u64::from(prefix) > width(address) {
        return Err(failed());
    }
    Ok(Range { address, prefix })
}

impl Range {
    fn masked(self) -> Self {
        let prefix = u32::from(self.prefix);
        let address = match self.address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
                IpAddr::V4((u32::from(address) & mask).into())
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
                IpAddr::V6((u128::from(address) & mask).into())
            }
        };
        Self { address, ..self }
    }

    fn contains(self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4()
            && Self { address, ..self }.masked().address == self.masked().address
    }
}

/// The text of an address or a range.
pub(super) fn text(value: &Value<'_>) -> Option<String> {
    let address = value.as_opaque::<Address>().map(|address| address.0.to_string());
    address.or_else(|| {
        value.as_opaque::<Range>().map(|range| format!("{}/{}", range.address, range.prefix))
    })
}

pub(super) fn ip<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    match args {
        [Value::String(text)] => parse_address(text.as_str()).map(|a| Value::opaque(Address(a))),
        args => range(args).map(|range| Value::opaque(Address(range.address))),
    }
}

pub(super) fn is_ip<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    let [Value::String(text)] = args else { return Err(EvalError::no_overload()) };
    Ok(Value::Bool(parse_address(text.as_str()).is_ok()))
}

pub(super) fn is_canonical<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    let [Value::String(text)] = args else { return Err(EvalError::no_overload()) };
    let address = parse_address(text.as_str())?;
    Ok(Value::Bool(address.to_string() == text.as_str()))
}

fn address(args: &[Value<'_>]) -> std::result::Result<IpAddr, EvalError> {
    let address = args.first().and_then(|value| value.as_opaque::<Address>());
    address.map(|address| address.0).ok_or_else(EvalError::no_overload)
}

fn range(args: &[Value<'_>]) -> std::result::Result<Range, EvalError> {
    let range = args.first().and_then(|value| value.as_opaque::<Range>());
    range.copied().ok_or_else(EvalError::no_overload)
}

pub(super) fn family<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    address(args).map(|address| Value::Int(if address.is_ipv4() { 4 } else { 6 }))
}

fn test<'a>(args: &[Value<'a>], test: fn(IpAddr) -> bool) -> Result<'a> {
    address(args).map(|address| Value::Bool(test(address)))
}

pub(super) fn is_unspecified<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    test(args, |address| address.is_unspecified())
}

pub(super) fn is_loopback<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    test(args, |address| address.is_loopback())
}

fn local_multicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets()[..3] == [224, 0, 0],
        IpAddr::V6(address) => address.segments()[0] & 0xff0f == 0xff02,
    }
}

fn local_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.segments()[0] & 0xffc0 == 0xfe80,
    }
}

pub(super) fn is_link_local_multicast<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    test(args, local_multicast)
}

pub(super) fn is_link_local_unicast<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    test(args, local_unicast)
}

pub(super) fn is_global_unicast<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    test(args, |address| {
        let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
        let special = address.is_unspecified() || address.is_loopback() || address.is_multicast();
        !broadcast && !special && !local_unicast(address)
    })
}

pub(super) fn cidr<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    let [Value::String(text)] = args else { return Err(EvalError::no_overload()) };
    parse_range(text.as_str()).map(Value::opaque)
}

pub(super) fn is_cidr<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    let [Value::String(text)] = args else { return Err(EvalError::no_overload()) };
    Ok(Value::Bool(parse_range(text.as_str()).is_ok()))
}

pub(super) fn contains_ip<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    let range = range(args)?;
    let other = match &args[1..] {
        [Value::String(text)] => parse_address(text.as_str())?,
        other => address(other)?,
    };
    Ok(Value::Bool(range.contains(other)))
}

pub(super) fn contains_cidr<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    let outer = range(args)?;
    let inner = match &args[1..] {
        [Value::String(text)] => parse_range(text.as_str())?,
        other => range(other)?,
    };
    let inside = inner.prefix >= outer.prefix && outer.contains(inner.masked().address);
    Ok(Value::Bool(inside))
}

pub(super) fn masked<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    range(args).map(|range| Value::opaque(range.masked()))
}

pub(super) fn prefix_length<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    range(args).map(|range| Value::Int(range.prefix.into()))
}
