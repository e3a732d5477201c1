//! `$(VAR)` in environment values, commands and arguments, as Kubernetes expands it.

/// Replaces each `$(NAME)` that `lookup` knows; `$$` stands for `$`, so `$$(NAME)` stays
/// `$(NAME)`. What is not known stays as written.
pub(crate) fn expand(text: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        rest = match after.as_bytes().first() {
            Some(b'$') => {
                out.push('$');
                &after[1..]
            }
            Some(b'(') => reference(&after[1..], &lookup, &mut out),
            _ => {
                out.push('$');
                after
            }
        };
    }
    out.push_str(rest);
    out
}

/// Expands what follows `$(` and returns what is left of the text.
fn reference<'a>(
    after: &'a str,
    lookup: impl Fn(&str) -> Option<String>,
    out: &mut String,
) -> &'a str {
    let Some((name, rest)) = after.split_once(')') else {
        out.push_str("$(");
        return after;
    };
    match lookup(name) {
        Some(value) => out.push_str(&value),
        None => {
            out.push_str("$(");
            out.push_str(name);
            out.push(')');
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    fn check(input: &str, expected: &str) {
        let lookup = |name: &str| match name {
            "A" => Some("1".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        assert_eq!(super::expand(input, lookup), expected, "{input}");
    }

    #[test]
    fn known_names_are_replaced() {
        check("$(A)", "1");
        check("x$(A)y$(A)", "x1y1");
        check("[$(EMPTY)]", "[]");
    }

    #[test]
    fn unknown_names_and_lone_dollars_stay() {
        check("$(B)", "$(B)");
        check("$A ${A} $", "$A ${A} $");
        check("$(A", "$(A");
        check("$(B$(A))", "$(B$(A))");
    }

    #[test]
    fn a_doubled_dollar_escapes() {
        check("$$(A)", "$(A)");
        check("$$$(A)", "$1");
        check("$$", "$");
    }
}
