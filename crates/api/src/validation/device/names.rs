//! Names of pools, attributes and shares.

use crate::names::dns_subdomain;
use crate::validation::field::Field;
use crate::validation::storage_names;

const POOL_LEN_MAX: usize = 253;
const ID_LEN_MAX: usize = 32;
const IDENTIFIER: &str = "a valid C identifier must start with alphabetic character or '_', followed \
    by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', \
    regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')";
const UID_FORM: &str = "uid must be in RFC 4122 normalized form, \
    `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters";

/// The devices of one driver that belong together: names with slashes between them.
pub(super) fn pool(name: &Field<'_>) {
    if name.is_empty() {
        return name.required("");
    }
    if name.text().len() > POOL_LEN_MAX {
        name.too_long(POOL_LEN_MAX);
    }
    for part in name.text().split('/') {
        dns_subdomain(part).into_iter().for_each(|problem| name.invalid_as(part, problem));
    }
}

/// `id` or `domain/id`; `at` is where it is said to be wrong.
pub(super) fn qualified(text: &str, at: &Field<'_>) {
    match text.split('/').collect::<Vec<_>>()[..] {
        [id] => identifier(id, at),
        [domain, id] => {
            match domain.is_empty() {
                true => at.invalid_as("", "the domain must not be empty"),
                false => storage_names::driver(&at.showing(&domain.into())),
            }
            match id.is_empty() {
                true => at.invalid_as("", "the name must not be empty"),
                false => identifier(id, at),
            }
        }
        // As upstream, which looks no further either.
        _ => {}
    }
}

/// The same, and the domain must be there.
pub(super) fn fully_qualified(name: &Field<'_>) {
    qualified(name.text(), name);
    if !name.text().contains('/') {
        name.invalid_text(
            "a fully qualified name must be a domain and a name separated by a slash",
        );
    }
}

fn identifier(id: &str, at: &Field<'_>) {
    if id.len() > ID_LEN_MAX {
        at.too_long(ID_LEN_MAX);
    }
    let starts = id.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic());
    if !starts || !id.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()) {
        at.invalid_as(id, IDENTIFIER);
    }
}

/// A share of a device, by its UUID.
pub(super) fn uid(uid: &Field<'_>) {
    let text = uid.text();
    let is_form = text.len() == 36
        && text.char_indices().all(|(index, c)| match index {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_hexdigit(),
        });
    if !is_form {
        let length = text.len();
        let why = match length {
            36 => "invalid UUID format".to_owned(),
            _ => format!("invalid UUID length: {length}"),
        };
        uid.invalid_text(format!("error validating uid: {why}"));
    } else if text != text.to_lowercase() {
        uid.invalid(UID_FORM);
    }
}

/// A version as semver.org has it.
pub(super) fn is_version(text: &str) -> bool {
    let (rest, build) = text.split_once('+').map_or((text, None), |(a, b)| (a, Some(b)));
    let (core, before) = rest.split_once('-').map_or((rest, None), |(a, b)| (a, Some(b)));
    let word = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c == '-' || c.is_ascii_alphanumeric())
    };
    let is_number = |part: &str| part.chars().all(|c| c.is_ascii_digit());
    let no_zeros = |part: &str| part == "0" || !part.starts_with('0');
    let numbers: Vec<&str> = core.split('.').collect();
    numbers.len() == 3
        && numbers.iter().all(|part| !part.is_empty() && is_number(part) && no_zeros(part))
        && before.is_none_or(|before| {
            before.split('.').all(|part| word(part) && (!is_number(part) || no_zeros(part)))
        })
        && build.is_none_or(|build| build.split('.').all(word))
}

/// A key as it is shown in a path: cut in the middle where it is too long.
pub(super) fn shown(key: &str, max: usize) -> String {
    const DOTS: &str = "...";
    if key.len() <= max {
        return key.to_owned();
    }
    let rest = max - DOTS.len();
    let mut start = rest.div_ceil(2);
    while !key.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = key.len() - rest / 2;
    while !key.is_char_boundary(end) {
        end += 1;
    }
    format!("{}{DOTS}{}", &key[..start], &key[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_of_three_numbers() {
        let check = |text, expected| assert_eq!(is_version(text), expected, "{text}");
        check("1.2.3", true);
        check("0.0.0-alpha.1+build.007", true);
        check("1.2", false);
        check("01.2.3", false);
        check("1.2.3-01", false);
        check("1.2.3-", false);
        check("1.2.3+", false);
    }

    #[test]
    fn long_keys_are_cut_in_the_middle() {
        assert_eq!(shown("abc", 16), "abc");
        assert_eq!(shown("abcdefghijklmnopqrstuvwxyz", 16), "abcdefg...uvwxyz");
    }
}
