//! The `fieldPath` of a rule: `.spec.name` or `.labels['a.b']`, below the rule's own place.

use crate::custom::Schema;

/// The path as messages show it, or why the schema has no such place.
pub(crate) fn normalized(path: &str, schema: &Schema) -> Result<String, String> {
    let mut here = schema;
    let mut shown = String::new();
    let mut tokens = tokens(path).into_iter();
    while let Some(token) = tokens.next() {
        let mut next = || tokens.next().ok_or_else(|| "unexpected end of JSON path".to_owned());
        let name = match token.as_str() {
            "." => next()?,
            "[" => {
                let quoted = next()?;
                let name = unquoted(&quoted)?;
                match next()?.as_str() {
                    "]" => name,
                    other => return Err(format!("expected ] but got {other}")),
                }
            }
            other => return Err(format!("expected [ or . but got: {other}")),
        };
        here = step(here, &name, &mut shown).ok_or("does not refer to a valid field")?;
    }
    Ok(shown)
}

fn step<'s>(schema: &'s Schema, name: &str, shown: &mut String) -> Option<&'s Schema> {
    if !schema.properties.is_empty() {
        if !shown.is_empty() {
            shown.push('.');
        }
        shown.push_str(name);
        return schema.properties.get(name);
    }
    shown.push_str(&format!("[{name}]"));
    schema.additional()
}

/// Dots and brackets, quoted texts, and what is between them.
fn tokens(path: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut current = String::new();
    let mut chars = path.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' if current.is_empty() => {
                current.push(c);
                let mut last = c;
                for c in chars.by_ref() {
                    current.push(c);
                    if c == '\'' && last != '\\' {
                        break;
                    }
                    last = c;
                }
                tokens.push(std::mem::take(&mut current));
            }
            '.' | '[' | ']' => {
                if !current.is_empty() {
                    tokens.push(std::mem::take(&mut current));
                }
                tokens.push(c.to_string());
            }
            c => current.push(c),
        }
    }
    if !current.is_empty() {
        tokens.push(current);
    }
    tokens
}

fn unquoted(text: &str) -> Result<String, String> {
    let inner = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    let inner = inner.ok_or_else(|| format!("expected single quoted string but got {text}"))?;
    let mut out = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        out.push(match chars.next() {
            Some('a') => '\u{7}',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('v') => '\u{b}',
            Some(c @ ('\'' | '\\')) => c,
            other => {
                let other = other.map(String::from).unwrap_or_default();
                return Err(format!("invalid string literal: invalid escape char \\{other}"));
            }
        });
    }
    Ok(out)
}
