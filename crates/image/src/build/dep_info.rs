//! The `.d` file that cargo writes beside a binary: every file the binary was made of.

/// The dependencies, from make's notation: `target: one two\ with\ spaces`.
pub(super) fn dependencies(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines() {
        let Some((_, listed)) = line.split_once(": ") else { continue };
        found.extend(split(listed));
    }
    found
}

fn split(listed: &str) -> Vec<String> {
    let mut paths = Vec::new();
    let mut path = String::new();
    let mut characters = listed.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.peek() == Some(&' ') => {
                characters.next();
                path.push(' ');
            }
            ' ' if !path.is_empty() => paths.push(std::mem::take(&mut path)),
            ' ' => {}
            other => path.push(other),
        }
    }
    if !path.is_empty() {
        paths.push(path);
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(dependencies(text), expected, "{text}");
    }

    #[test]
    fn dependencies_are_split_at_bare_spaces_only() {
        check("/t/a: /s/main.rs /s/b.rs\n", &["/s/main.rs", "/s/b.rs"]);
        check("/t/a: /my\\ src/main.rs /s/b.rs", &["/my src/main.rs", "/s/b.rs"]);
        check("/t/a:", &[]);
        check("", &[]);
    }
}
