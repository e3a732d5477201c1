//! Kubernetes' resource.Quantity: `100m`, `1.5Gi`, `2e3`.
//!
//! Held as a whole number of billionths, upstream's smallest step; finer values round up (away
//! from zero) and values past 2^63-1 stop there, as upstream's do.

use std::cmp::Ordering;
use std::fmt;
use std::ops::{Add, Neg, Sub};
use std::str::FromStr;

use serde_json::Value;

mod parse;

pub use parse::QuantityError;

const NANO: i128 = 1_000_000_000;
/// Upstream's largest amount, in billionths.
const MAX: i128 = i64::MAX as i128 * NANO;

/// An amount and the way it is written.
#[derive(Debug, Clone, Copy)]
pub struct Quantity {
    nano: i128,
    format: Format,
}

/// The family of suffixes a quantity was written with, which its canonical text keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `Ki`, `Mi`, …
    BinarySi,
    /// `m`, none, `k`, `M`, …
    DecimalSi,
    /// `e3`, `E6`, …
    DecimalExponent,
}

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self { nano: 0, format: Format::DecimalSi };

    /// Whole units: bytes, cores, pods.
    pub fn units(units: i64) -> Self {
        Self { nano: i128::from(units) * NANO, format: Format::DecimalSi }
    }

    /// Thousandths: CPU millicores.
    pub fn milli(milli: i64) -> Self {
        Self { nano: i128::from(milli) * (NANO / 1000), format: Format::DecimalSi }
    }

    /// Bytes, written with `Ki`, `Mi`, ….
    pub fn bytes(bytes: i64) -> Self {
        Self { format: Format::BinarySi, ..Self::units(bytes) }
    }

    /// From an object's field, which may be a string or a number.
    pub fn from_value(value: &Value) -> Result<Self, QuantityError> {
        match value {
            Value::String(text) => text.parse(),
            Value::Number(number) => number.to_string().parse(),
            _ => Err(QuantityError::Format),
        }
    }

    /// In whole units, rounded up as upstream's `Value()`.
    pub fn value(&self) -> i64 {
        self.in_steps_of(NANO)
    }

    /// In thousandths, rounded up as upstream's `MilliValue()`.
    pub fn milli_value(&self) -> i64 {
        self.in_steps_of(NANO / 1000)
    }

    /// As a floating-point number, as near as there is one.
    pub fn as_f64(&self) -> f64 {
        self.nano as f64 / NANO as f64
    }

    /// Is it nothing?
    pub fn is_zero(&self) -> bool {
        self.nano == 0
    }

    /// Is it below nothing?
    pub fn is_negative(&self) -> bool {
        self.nano < 0
    }

    /// Is it a whole number of units?
    pub fn is_whole(&self) -> bool {
        self.nano % NANO == 0
    }

    fn in_steps_of(&self, step: i128) -> i64 {
        let steps = div_away_from_zero(self.nano, step);
        i64::try_from(steps).unwrap_or(if steps < 0 { i64::MIN } else { i64::MAX })
    }

    fn capped(nano: i128, format: Format) -> Self {
        Self { nano: nano.clamp(-MAX, MAX), format }
    }
}

fn div_away_from_zero(value: i128, by: i128) -> i128 {
    value / by + if value % by == 0 { 0 } else { value.signum() }
}

impl Default for Quantity {
    fn default() -> Self {
        Self::ZERO
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nano == other.nano
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nano.cmp(&other.nano)
    }
}

/// The sum, written as the first was unless that was nothing.
impl Add for Quantity {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let format = if self.is_zero() { other.format } else { self.format };
        Self::capped(self.nano + other.nano, format)
    }
}

impl Neg for Quantity {
    type Output = Self;

    fn neg(self) -> Self {
        Self { nano: -self.nano, ..self }
    }
}

impl Sub for Quantity {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse::parse(text)
    }
}

/// The canonical text: the largest suffix that needs no fraction.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nano == 0 {
            return f.write_str("0");
        }
        // Below 1024, and where there is a fraction, upstream avoids binary suffixes.
        let small = self.nano.abs() < 1024 * NANO;
        if self.format == Format::BinarySi && !small && self.is_whole() {
            return self.write_binary(f);
        }
        self.write_decimal(f)
    }
}

impl Quantity {
    fn write_binary(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SUFFIXES: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
        let (mut units, mut power) = (self.nano / NANO, 0);
        while units % 1024 == 0 && power + 1 < SUFFIXES.len() {
            units /= 1024;
            power += 1;
        }
        write!(f, "{units}{}", SUFFIXES[power])
    }

    fn write_decimal(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SUFFIXES: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
        let (mut steps, mut power) = (self.nano, 0);
        while steps % 1000 == 0 && power + 1 < SUFFIXES.len() {
            steps /= 1000;
            power += 1;
        }
        match (self.format, 3 * power as i32 - 9) {
            (Format::DecimalExponent, 0) => write!(f, "{steps}"),
            (Format::DecimalExponent, exponent) => write!(f, "{steps}e{exponent}"),
            _ => write!(f, "{steps}{}", SUFFIXES[power]),
        }
    }
}

#[cfg(test)]
mod tests;
