//! Parts of times and durations.

use jiff::Zoned;
use jiff::tz::{Offset, TimeZone};

use crate::budget::Budget;
use crate::error::EvalError;
use crate::value::Value;

type Result<'a> = std::result::Result<Value<'a>, EvalError>;

/// The moment in the zone that was asked for, UTC if none was.
fn zoned(args: &[Value<'_>]) -> std::result::Result<Zoned, EvalError> {
    match args {
        [Value::Timestamp(at)] => Ok(at.to_zoned(TimeZone::UTC)),
        [Value::Timestamp(at), Value::String(zone)] => Ok(at.to_zoned(time_zone(zone.as_str())?)),
        _ => Err(EvalError::no_overload()),
    }
}

/// `+02:00`, `-5:30`, or a name of the time zone database.
fn time_zone(name: &str) -> std::result::Result<TimeZone, EvalError> {
    let unknown = || EvalError::new(format!("unknown time zone {name}"));
    let Some((hours, minutes)) = name.split_once(':') else {
        return match name {
            "" | "UTC" => Ok(TimeZone::UTC),
            name => TimeZone::get(name).map_err(|_| unknown()),
        };
    };
    let negative = hours.starts_with('-');
    let number = |text: &str| text.parse::<i32>().ok().filter(|number| *number < 100);
    let hours = number(hours.trim_start_matches(['-', '+'])).ok_or_else(unknown)?;
    let minutes = number(minutes).filter(|minutes| *minutes >= 0).ok_or_else(unknown)?;
    let seconds = (hours * 60 + minutes) * 60 * if negative { -1 } else { 1 };
    Offset::from_seconds(seconds).map(TimeZone::fixed).map_err(|_| unknown())
}

fn part<'a>(args: &[Value<'a>], part: fn(&Zoned) -> i64) -> Result<'a> {
    zoned(args).map(|at| Value::Int(part(&at)))
}

/// The same of a time and of a duration, of which it is the whole in that unit.
fn unit<'a>(args: &[Value<'a>], nanos_each: i64, of_time: fn(&Zoned) -> i64) -> Result<'a> {
    match args {
        [Value::Duration(nanos)] => Ok(Value::Int(nanos / nanos_each)),
        args => part(args, of_time),
    }
}

pub(super) fn full_year<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    part(args, |at| at.year().into())
}

/// From 0, as in JavaScript.
pub(super) fn month<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    part(args, |at| i64::from(at.month()) - 1)
}

pub(super) fn day_of_year<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    part(args, |at| i64::from(at.day_of_year()) - 1)
}

pub(super) fn day_of_month<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    part(args, |at| i64::from(at.day()) - 1)
}

/// The day of the month from 1.
pub(super) fn date<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    part(args, |at| at.day().into())
}

pub(super) fn day_of_week<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    part(args, |at| at.weekday().to_sunday_zero_offset().into())
}

pub(super) fn hours<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    unit(args, 3_600_000_000_000, |at| at.hour().into())
}

pub(super) fn minutes<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    unit(args, 60_000_000_000, |at| at.minute().into())
}

pub(super) fn seconds<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    unit(args, 1_000_000_000, |at| at.second().into())
}

pub(super) fn milliseconds<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    unit(args, 1_000_000, |at| at.millisecond().into())
}
