//! Reading a quantity's text.

use super::{Format, MAX, NANO, Quantity, div_away_from_zero};

/// What is wrong with a quantity's text, in upstream's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// It is not a number and a suffix.
    #[error(
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )]
    Format,
    /// The number is not one.
    #[error("unable to parse numeric part of quantity")]
    Number,
    /// The suffix is not known.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

/// The largest amount has this many digits when it is counted in billionths.
const WHOLE_DIGITS_MAX: usize = 28;
/// Whole and fraction together: what an i128 surely holds.
const DIGITS_MAX: usize = 37;
/// Of a fraction that is multiplied by up to 2^60, so that the product fits.
const BINARY_FRACTION_DIGITS_MAX: usize = 19;

pub(super) fn parse(text: &str) -> Result<Quantity, QuantityError> {
    let (negative, rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (number, suffix) = rest.split_at(end);
    if number.is_empty() {
        return Err(QuantityError::Format);
    }
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
        return Err(QuantityError::Number);
    }
    let (format, scale) = read_suffix(suffix)?;
    let nano = amount(whole, fraction, scale);
    let format = match format {
        Format::BinarySi if nano < NANO => Format::DecimalSi,
        format => format,
    };
    Ok(Quantity::capped(if negative { -nano } else { nano }, format))
}

/// By what the number is multiplied.
enum Scale {
    TenTo(i32),
    TwoTo(u32),
}

fn read_suffix(suffix: &str) -> Result<(Format, Scale), QuantityError> {
    let decimal = |power| Ok((Format::DecimalSi, Scale::TenTo(power)));
    let binary = |power| Ok((Format::BinarySi, Scale::TwoTo(power)));
    match suffix {
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(10),
        "Mi" => binary(20),
        "Gi" => binary(30),
        "Ti" => binary(40),
        "Pi" => binary(50),
        "Ei" => binary(60),
        _ => read_exponent(suffix),
    }
}

fn read_exponent(suffix: &str) -> Result<(Format, Scale), QuantityError> {
    let Some(exponent) = suffix.strip_prefix(['e', 'E']) else {
        let known = |c: char| "eEinumkKMGTP+-".contains(c) || c.is_ascii_digit();
        let error =
            if suffix.chars().all(known) { QuantityError::Suffix } else { QuantityError::Format };
        return Err(error);
    };
    let power: i32 = exponent.parse().map_err(|_| QuantityError::Suffix)?;
    Ok((Format::DecimalExponent, Scale::TenTo(power)))
}

/// The amount in billionths, rounded up, never above [`MAX`].
fn amount(whole: &str, fraction: &str, scale: Scale) -> i128 {
    let whole = whole.trim_start_matches('0');
    if whole.len() > WHOLE_DIGITS_MAX {
        return MAX;
    }
    let fraction = fraction.trim_end_matches('0');
    let kept_max = match scale {
        Scale::TenTo(_) => DIGITS_MAX,
        Scale::TwoTo(_) => BINARY_FRACTION_DIGITS_MAX,
    };
    let kept = fraction.len().min(DIGITS_MAX - whole.len()).min(kept_max);
    let digits = format!("{whole}{}", &fraction[..kept]);
    let mut mantissa: i128 = digits.bytes().fold(0, |n, d| n * 10 + i128::from(d - b'0'));
    if fraction.len() > kept {
        mantissa += 1;
    }
    if mantissa == 0 {
        return 0;
    }
    let kept = kept as i32;
    match scale {
        Scale::TenTo(power) => times_ten_to(mantissa, power.saturating_add(9 - kept)),
        Scale::TwoTo(power) => times_two_to(mantissa, kept, power),
    }
}

fn times_ten_to(mantissa: i128, power: i32) -> i128 {
    match 10_i128.checked_pow(power.unsigned_abs()) {
        Some(ten) if power >= 0 => mantissa.checked_mul(ten).unwrap_or(MAX).min(MAX),
        Some(ten) => div_away_from_zero(mantissa, ten),
        None if power >= 0 => MAX,
        // Smaller than any step, but not nothing.
        None => 1,
    }
}

fn times_two_to(mantissa: i128, fraction_digits: i32, power: u32) -> i128 {
    // The whole part and the fraction apart, so that neither product overflows.
    let one = 10_i128.pow(fraction_digits.unsigned_abs());
    let (whole, fraction) = (mantissa / one, mantissa % one);
    let factor = 1_i128 << power;
    let Some(whole) = whole.checked_mul(factor).and_then(|w| w.checked_mul(NANO)) else {
        return MAX;
    };
    let scaled = match fraction.checked_mul(factor) {
        // fraction < 10^19 and factor <= 2^60: the product is below 2^124.
        Some(product) => {
            let (units, rest) = (product / one, product % one);
            units * NANO + div_away_from_zero(rest.saturating_mul(NANO), one)
        }
        None => MAX,
    };
    whole.saturating_add(scaled).min(MAX)
}
