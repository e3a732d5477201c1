//! The JSON schemas of the built-in kinds: packed text, unpacked for whoever asks.
//!
//! They are what k8s-openapi's types say of themselves. That takes megabytes of code, of which the
//! outcome never changes; so the tests run it, and the outcome is here. After an update of k8s-openapi
//! or of the table of kinds: `SAMPAN_WRITE_DEFINITIONS=1 cargo test -p sampan-api definitions`.

use std::collections::BTreeMap;
use std::io::Read;

use flate2::read::GzDecoder;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::convert::reference;

/// All definitions by name, JSON.
static PACKED: &[u8] = include_bytes!("definitions.json.gz");
/// Why nothing here can fail: it does not depend on anything that happens.
const TESTED: &str = "the definitions are a constant, and the tests have read it";

/// The definitions of these names and of all that they refer to.
pub(super) fn reached_from(names: impl IntoIterator<Item = String>) -> Map<String, Value> {
    let mut text = String::new();
    GzDecoder::new(PACKED).read_to_string(&mut text).expect(TESTED);
    let all: BTreeMap<&str, &RawValue> = serde_json::from_str(&text).expect(TESTED);
    let mut reached = Map::new();
    let mut wanted: Vec<String> = names.into_iter().collect();
    while let Some(name) = wanted.pop() {
        if reached.contains_key(&name) {
            continue;
        }
        let Some(definition) = all.get(name.as_str()) else { continue };
        let definition = serde_json::from_str(definition.get()).expect(TESTED);
        collect_references(&definition, &mut wanted);
        reached.insert(name, definition);
    }
    reached
}

fn collect_references(json: &Value, into: &mut Vec<String>) {
    into.extend(reference(json).map(str::to_owned));
    match json {
        Value::Object(fields) => fields.values().for_each(|v| collect_references(v, into)),
        Value::Array(items) => items.iter().for_each(|v| collect_references(v, into)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use schemars::SchemaGenerator;
    use schemars::generate::SchemaSettings;

    use super::*;
    use crate::schema::builtin::{BUILTINS, Builtin, DELETE_OPTIONS, register_bodies};
    use crate::schema::openapi::LIST_META;

    /// What k8s-openapi's types say.
    fn generated(register: impl FnOnce(&mut SchemaGenerator)) -> Map<String, Value> {
        let mut generator = SchemaSettings::openapi3().into_generator();
        register(&mut generator);
        generator.take_definitions(false)
    }

    fn everything() -> Map<String, Value> {
        generated(|generator| {
            BUILTINS.iter().for_each(|kind| kind.register(generator));
            register_bodies(generator);
        })
    }

    fn write(definitions: &Map<String, Value>) {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/schema/definitions.json.gz");
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        serde_json::to_writer(&mut packed, definitions).unwrap();
        packed.flush().unwrap();
        std::fs::write(path, packed.finish().unwrap()).unwrap();
    }

    fn names_of(kinds: &[Builtin]) -> impl Iterator<Item = String> {
        let bodies = [DELETE_OPTIONS, LIST_META].map(str::to_owned);
        kinds.iter().map(|kind| kind.definition().into_owned()).chain(bodies)
    }

    #[test]
    fn the_packed_definitions_are_what_the_types_say() {
        let is = everything();
        if std::env::var_os("SAMPAN_WRITE_DEFINITIONS").is_some() {
            write(&is);
            return;
        }
        let packed = reached_from(names_of(BUILTINS));
        let name = is.iter().find(|(name, json)| packed.get(*name) != Some(json)).map(|(n, _)| n);
        assert_eq!(name, None, "the packed ones are old: see the top of this file");
        assert_eq!(packed.len(), is.len());
    }

    #[test]
    fn a_kind_brings_what_it_refers_to_and_no_more() {
        for kind in BUILTINS {
            let is = generated(|generator| {
                kind.register(generator);
                register_bodies(generator);
            });
            let packed = reached_from(names_of(std::slice::from_ref(kind)));
            assert!(packed == is, "{}", kind.definition());
        }
    }

    #[test]
    fn what_is_not_there_is_left_out() {
        assert!(reached_from(["io.k8s.api.core.v1.Dragon".to_owned()]).is_empty());
    }
}
