//! What columns say of themselves, which no kubectl shows but other clients may: upstream takes it
//! from the fields that the columns show.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Kind, column and text, parted by tabs.
const TEXTS: &str = include_str!("descriptions.txt");

/// Stands for every kind that says nothing else.
const ANY_KIND: &str = "*";

type Texts = HashMap<&'static str, HashMap<&'static str, String>>;

/// By kind and column. Read when the first Table is asked for.
static DESCRIPTIONS: LazyLock<Texts> = LazyLock::new(|| {
    let mut all = Texts::new();
    for line in TEXTS.lines().filter(|line| !line.starts_with('#')) {
        let mut parts = line.splitn(3, '\t');
        if let (Some(kind), Some(column), Some(text)) = (parts.next(), parts.next(), parts.next()) {
            all.entry(kind).or_default().insert(column, text.replace("\\n", "\n"));
        }
    }
    all
});

/// What a column of a built-in kind says; nothing where nobody has said anything.
pub(super) fn of(kind: &str, column: &str) -> &'static str {
    let found = |kind: &str| DESCRIPTIONS.get(kind)?.get(column);
    found(kind).or_else(|| found(ANY_KIND)).map_or("", String::as_str)
}
