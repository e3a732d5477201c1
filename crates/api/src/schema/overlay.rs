//! List and map semantics that the JSON schemas lack, from the table in `overlay.txt`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What the table says of one definition.
#[derive(Debug, Default)]
pub(super) struct Definition {
    /// The whole object is atomic for apply.
    pub atomic: bool,
    /// Its fields that differ from the defaults.
    pub fields: BTreeMap<&'static str, Field>,
}

/// What the table says of one field.
#[derive(Debug, Default, Clone)]
pub(super) struct Field {
    /// `map=`: apply's keys.
    pub map_keys: Vec<&'static str>,
    /// `set`.
    pub set: bool,
    /// `merge=` (with its key) or `merge` (scalars).
    pub merge: Option<Option<&'static str>>,
    /// `retainKeys`.
    pub retain_keys: bool,
    /// `atomic` or `granular`, where the field overrides its type.
    pub atomic: Option<bool>,
}

static TABLE: LazyLock<BTreeMap<&'static str, Definition>> =
    LazyLock::new(|| parse(include_str!("overlay.txt")));

/// The entry of a definition; `None` where every default holds.
pub(super) fn of(definition: &str) -> Option<&'static Definition> {
    TABLE.get(definition)
}

fn parse(text: &'static str) -> BTreeMap<&'static str, Definition> {
    let mut table = BTreeMap::new();
    let mut current = "";
    for line in text.lines().filter(|l| !l.starts_with('#') && !l.trim().is_empty()) {
        let mut words = line.split_whitespace();
        let name = words.next().expect("the line is not blank");
        if line.starts_with(' ') {
            let definition: &mut Definition = table.entry(current).or_default();
            definition.fields.insert(name, words.fold(Field::default(), read_word));
        } else {
            current = name;
            let atomic = words.next() == Some("atomic");
            table.insert(name, Definition { atomic, fields: BTreeMap::new() });
        }
    }
    table
}

fn read_word(mut field: Field, word: &'static str) -> Field {
    match word.split_once('=') {
        Some(("map", keys)) => field.map_keys = keys.split(',').collect(),
        Some(("merge", key)) => field.merge = Some(Some(key)),
        None if word == "merge" => field.merge = Some(None),
        None if word == "set" => field.set = true,
        None if word == "retainKeys" => field.retain_keys = true,
        None if word == "atomic" => field.atomic = Some(true),
        None if word == "granular" => field.atomic = Some(false),
        // The table is part of the source, and the tests below read all of it.
        _ => unreachable!("overlay.txt has the unknown word {word}"),
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_reads_and_names_known_semantics() {
        let service = of("io.k8s.api.core.v1.ServiceSpec").unwrap();
        assert_eq!(service.fields["ports"].map_keys, ["port", "protocol"]);
        assert_eq!(service.fields["ports"].merge, Some(Some("port")));
        assert_eq!(service.fields["selector"].atomic, Some(true));
        assert!(of("io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector").unwrap().atomic);
    }

    #[test]
    fn retain_keys_is_known_for_volumes_and_strategy() {
        assert!(of("io.k8s.api.core.v1.PodSpec").unwrap().fields["volumes"].retain_keys);
        assert!(of("io.k8s.api.apps.v1.DeploymentSpec").unwrap().fields["strategy"].retain_keys);
    }
}
