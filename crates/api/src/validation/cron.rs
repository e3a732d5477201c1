//! Schedules in the form of cron: five fields, or a word for common ones.

/// A field: its name for nobody, its bounds, and names of its values.
struct Bounds {
    min: u32,
    max: u32,
    names: &'static [&'static str],
}

const FIELDS: [Bounds; 5] = [
    Bounds { min: 0, max: 59, names: &[] },
    Bounds { min: 0, max: 23, names: &[] },
    Bounds { min: 1, max: 31, names: &[] },
    Bounds {
        min: 1,
        max: 12,
        names: &[
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
    },
    Bounds { min: 0, max: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] },
];
const WORDS: [&str; 7] =
    ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

/// What is wrong with a schedule, in the words of the library that upstream reads them with.
pub(super) fn problem(text: &str) -> Option<String> {
    let zoned = text.starts_with("TZ=") || text.starts_with("CRON_TZ=");
    let text = match text.split_once(' ') {
        Some((_, rest)) if zoned => rest.trim(),
        _ => text,
    };
    if text.starts_with('@') {
        return word(text);
    }
    let fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        let (found, shown) = (fields.len(), fields.join(" "));
        return Some(format!("expected exactly 5 fields, found {found}: [{shown}]"));
    }
    let parts = fields.iter().zip(&FIELDS).flat_map(|(field, bounds)| {
        field.split(',').filter(|part| !part.is_empty()).map(move |part| (part, bounds))
    });
    parts.into_iter().find_map(|(part, bounds)| range(part, bounds).err())
}

fn word(text: &str) -> Option<String> {
    if WORDS.contains(&text) {
        return None;
    }
    let Some(every) = text.strip_prefix("@every ") else {
        return Some(format!("unrecognized descriptor: {text}"));
    };
    let unit = |c: char| c.is_ascii_alphabetic() || c == 'µ';
    let fine = every.starts_with(|c: char| c.is_ascii_digit()) && every.ends_with(unit);
    (!fine).then(|| format!("failed to parse duration {text}: time: invalid duration {every:?}"))
}

/// `*`, `5`, `1-5`, each with or without `/2`.
fn range(part: &str, bounds: &Bounds) -> Result<(), String> {
    let steps: Vec<&str> = part.split('/').collect();
    let ends: Vec<&str> = steps[0].split('-').collect();
    let any = ends[0] == "*" || ends[0] == "?";
    let (start, mut end) = match ends[..] {
        _ if any => (bounds.min, bounds.max),
        [one] => (value(one, bounds)?, value(one, bounds)?),
        [start, end] => (value(start, bounds)?, value(end, bounds)?),
        _ => return Err(format!("too many hyphens: {part}")),
    };
    let step = match steps[..] {
        [_] => 1,
        [_, step] => {
            if ends.len() == 1 {
                end = bounds.max;
            }
            number(step)?
        }
        _ => return Err(format!("too many slashes: {part}")),
    };
    match () {
        () if start < bounds.min => {
            Err(format!("beginning of range ({start}) below minimum ({}): {part}", bounds.min))
        }
        () if end > bounds.max => {
            Err(format!("end of range ({end}) above maximum ({}): {part}", bounds.max))
        }
        () if start > end => {
            Err(format!("beginning of range ({start}) beyond end of range ({end}): {part}"))
        }
        () if step == 0 => Err(format!("step of range should be a positive number: {part}")),
        () => Ok(()),
    }
}

fn value(text: &str, bounds: &Bounds) -> Result<u32, String> {
    let named = bounds.names.iter().position(|name| text.eq_ignore_ascii_case(name));
    match named.and_then(|position| u32::try_from(position).ok()) {
        Some(position) => Ok(bounds.min + position),
        None => number(text),
    }
}

fn number(text: &str) -> Result<u32, String> {
    match text.parse::<i64>() {
        Ok(number) => u32::try_from(number)
            .map_err(|_| format!("negative number ({number}) not allowed: {text}")),
        Err(_) => Err(format!(
            "failed to parse int from {text}: strconv.Atoi: parsing {text:?}: invalid syntax"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_that_can_be_kept() {
        for text in
            ["* * * * *", "*/5 0-6 1,15 jan-MAR mon", "? 1/2 * * 0", "@daily", "@every 1h30m"]
        {
            assert_eq!(problem(text), None, "{text}");
        }
    }

    #[test]
    fn schedules_that_cannot() {
        let check = |text, expected: &str| assert_eq!(problem(text).as_deref(), Some(expected));
        check("* * * *", "expected exactly 5 fields, found 4: [* * * *]");
        check("60 * * * *", "end of range (60) above maximum (59): 60");
        check("* * 0 * *", "beginning of range (0) below minimum (1): 0");
        check("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1");
        check("*/0 * * * *", "step of range should be a positive number: */0");
        check("1-2-3 * * * *", "too many hyphens: 1-2-3");
        check(
            "x * * * *",
            "failed to parse int from x: strconv.Atoi: parsing \"x\": invalid syntax",
        );
        check("@never", "unrecognized descriptor: @never");
    }
}
