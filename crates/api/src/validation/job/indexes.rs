//! Indexes of an Indexed Job's pods as text: `0,2-4,7`.

/// How many indexes there are, or why the text is none. They grow, and are below `count`.
pub(in crate::validation) fn total(text: &str, count: i64) -> Result<i64, String> {
    let (mut total, mut last) = (0, None);
    for part in text.split(',').filter(|_| !text.is_empty()) {
        let (first, end) = interval(part, count)?;
        if let Some(previous) = last.filter(|previous| *previous >= first) {
            return Err(format!("non-increasing order, previous: {previous}, current: {first}"));
        }
        total += end - first + 1;
        last = Some(end);
    }
    Ok(total)
}

/// The first index that is in both. What is no interval is passed over.
pub(super) fn overlap(completed: &str, failed: &str, count: i64) -> Option<i64> {
    let all = |text: &str| -> Vec<(i64, i64)> {
        text.split(',').filter_map(|part| interval(part, count).ok()).collect()
    };
    let (completed, failed) = (all(completed), all(failed));
    let (mut left, mut right) = (completed.iter().peekable(), failed.iter().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        if a.0 <= b.1 && b.0 <= a.1 {
            return Some(a.0.max(b.0));
        }
        if a.0 <= b.0 {
            left.next()
        } else {
            right.next()
        };
    }
    None
}

fn interval(text: &str, count: i64) -> Result<(i64, i64), String> {
    let ends: Vec<&str> = text.split('-').collect();
    if ends.len() > 2 {
        return Err(format!(
            "the fragment {text:?} violates the requirement that an index interval can have at \
             most two parts separated by '-'"
        ));
    }
    let first = index(ends[0], count)?;
    let Some(end) = ends.get(1) else { return Ok((first, first)) };
    let end = index(end, count)?;
    if first >= end {
        return Err(format!("non-increasing order, previous: {first}, current: {end}"));
    }
    Ok((first, end))
}

fn index(text: &str, count: i64) -> Result<i64, String> {
    match text.parse::<i64>() {
        Err(_) => Err(format!("cannot convert string to integer for index: {text:?}")),
        Ok(index) if index >= count => Err(format!("too large index: {text:?}")),
        Ok(index) => Ok(index),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_grow_and_are_below_the_count() {
        let check = |text, expected: Result<i64, &str>| {
            assert_eq!(total(text, 10), expected.map_err(str::to_owned), "{text}");
        };
        check("", Ok(0));
        check("0,2-4,7", Ok(5));
        check("2,1", Err("non-increasing order, previous: 2, current: 1"));
        check("4-2", Err("non-increasing order, previous: 4, current: 2"));
        check("5-10", Err("too large index: \"10\""));
        check("a", Err("cannot convert string to integer for index: \"a\""));
        check(
            "1-2-3",
            Err(
                "the fragment \"1-2-3\" violates the requirement that an index interval can have at most two parts separated by '-'",
            ),
        );
    }

    #[test]
    fn an_index_is_in_one_list_only() {
        assert_eq!(overlap("0-3,7", "4-6,8", 10), None);
        assert_eq!(overlap("0-3,7", "4,6-8", 10), Some(7));
        assert_eq!(overlap("", "4", 10), None);
    }
}
