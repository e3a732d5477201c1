//! The walker: a deserializer's visitor that knows at each step which shape it should see.

use std::fmt::{self, Write};
use std::sync::Arc;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::{DEPTH_MAX, DecodeError, Problem, REPORTS_MAX, scalar};
use crate::schema::{ObjectShape, Shape, TypeSchema};

static ANY: TypeSchema = TypeSchema { shape: Shape::Any, description: None, nullable: true };

/// Where the walk is and what it met.
#[derive(Default)]
pub(super) struct Walk {
    path: Vec<Step>,
    /// The definitions of the objects around, outermost first.
    owners: Vec<Arc<str>>,
    depth: usize,
    pub problems: Vec<Problem>,
    /// The deserializer's own error type cannot carry ours.
    pub error: Option<DecodeError>,
}

enum Step {
    Field(String),
    Index(usize),
}

impl Walk {
    /// `spec.containers[0].image`.
    fn path_to(&self, last: &str) -> String {
        let mut text = String::new();
        for step in &self.path {
            match step {
                Step::Field(name) if text.is_empty() => text.push_str(name),
                Step::Field(name) => {
                    let _ = write!(text, ".{name}");
                }
                Step::Index(index) => {
                    let _ = write!(text, "[{index}]");
                }
            }
        }
        if !text.is_empty() {
            text.push('.');
        }
        text + last
    }

    /// Go's text for where: struct fields only, without indexes.
    fn target(&self) -> String {
        let fields: Vec<&str> = self
            .path
            .iter()
            .filter_map(|step| match step {
                Step::Field(name) => Some(name.as_str()),
                Step::Index(_) => None,
            })
            .collect();
        match self.owners.last() {
            Some(owner) if !fields.is_empty() => {
                let owner = owner.rsplit('.').next().unwrap_or_default();
                format!("struct field {owner}.{}", fields.join("."))
            }
            _ => "value".to_owned(),
        }
    }

    fn report_unknown(&mut self, field: &str) {
        if self.problems.len() < REPORTS_MAX {
            let path = self.path_to(field);
            self.problems.push(Problem::Unknown(path));
        }
    }

    fn report_duplicate(&mut self, field: &str) {
        if self.problems.len() < REPORTS_MAX {
            let path = self.path_to(field);
            self.problems.push(Problem::Duplicate(path));
        }
    }

    fn fail<E: Error>(&mut self, error: DecodeError) -> E {
        let text = E::custom(&error);
        self.error.get_or_insert(error);
        text
    }
}

/// One value to be read.
pub(super) struct Node<'w, 's> {
    walk: &'w mut Walk,
    schema: &'s TypeSchema,
}

impl<'w, 's> Node<'w, 's> {
    pub(super) fn new(walk: &'w mut Walk, schema: &'s TypeSchema) -> Self {
        Self { walk, schema }
    }

    fn mismatch<E: Error>(self, found: String) -> E {
        let target = self.walk.target();
        let expected = scalar::go_type(self.schema);
        self.walk.fail(DecodeError::Mismatch { found, target, expected })
    }

    fn finish<E: Error>(self, scalar: Result<Value, scalar::Refusal>) -> Result<Option<Value>, E> {
        match scalar {
            Ok(value) => Ok(Some(value)),
            Err(scalar::Refusal::Mismatch(found)) => Err(self.mismatch(found)),
            Err(scalar::Refusal::Format(text)) => Err(self.walk.fail(DecodeError::Format(text))),
        }
    }

    /// Reads a child in its place; the step is taken back whatever happens.
    fn child<R>(&mut self, step: Step, read: impl FnOnce(&mut Walk) -> R) -> R {
        self.walk.path.push(step);
        let result = read(self.walk);
        self.walk.path.pop();
        result
    }

    /// Goes one level down; [`Node::leave`] comes back up.
    fn enter<E: Error>(&mut self) -> Result<(), E> {
        if self.walk.depth >= DEPTH_MAX {
            return Err(self.walk.fail(DecodeError::TooDeep));
        }
        self.walk.depth += 1;
        Ok(())
    }

    fn leave(&mut self) {
        self.walk.depth -= 1;
    }
}

/// `None` is a null to be dropped.
impl<'de> DeserializeSeed<'de> for Node<'_, '_> {
    type Value = Option<Value>;

    fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_, '_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(self.schema.nullable.then_some(Value::Null))
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        self.visit_unit()
    }

    fn visit_some<D: serde::Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        self.deserialize(d)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        let read = scalar::boolean(self.schema, value);
        self.finish(read)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        let read = scalar::number(self.schema, value.into());
        self.finish(read)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        let read = scalar::number(self.schema, value.into());
        self.finish(read)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        match Number::from_f64(value) {
            Some(number) => {
                let read = scalar::number(self.schema, number);
                self.finish(read)
            }
            None => Err(self.mismatch(format!("number {value}"))),
        }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        let read = scalar::text(self.schema, value);
        self.finish(read)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Self::Value, A::Error> {
        let items: &TypeSchema = match &self.schema.shape {
            Shape::List(list) => &list.items,
            Shape::Any => &ANY,
            _ => return Err(self.mismatch("array".to_owned())),
        };
        self.enter()?;
        let mut read = Vec::new();
        loop {
            let step = Step::Index(read.len());
            match self.child(step, |walk| seq.next_element_seed(Node::new(walk, items)))? {
                Some(item) => read.push(item.unwrap_or_else(|| scalar::zero(&items.shape))),
                None => break,
            }
        }
        self.leave();
        Ok(Some(Value::Array(read)))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, map: A) -> Result<Self::Value, A::Error> {
        let schema = self.schema;
        self.enter()?;
        let read = match &schema.shape {
            Shape::Object(object) => self.read_object(object, map)?,
            Shape::Map { values, .. } => self.read_map(values, map)?,
            Shape::Any => self.read_map(&ANY, map)?,
            _ => return Err(self.mismatch("object".to_owned())),
        };
        self.leave();
        Ok(Some(Value::Object(read)))
    }
}

impl Node<'_, '_> {
    fn read_object<'de, A: MapAccess<'de>>(
        &mut self,
        object: &ObjectShape,
        mut map: A,
    ) -> Result<Map<String, Value>, A::Error> {
        self.walk.owners.extend(object.definition.clone());
        let mut read = Map::new();
        // Nulls are dropped from `read`, but a field that was null and comes again is there twice.
        let mut nulls: Vec<String> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            let schema = match object.fields.get(name.as_str()) {
                Some(schema) => schema.as_ref(),
                None if object.preserve_unknown => &ANY,
                None => {
                    self.walk.report_unknown(&name);
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if read.contains_key(&name) || nulls.contains(&name) {
                self.walk.report_duplicate(&name);
            }
            let step = Step::Field(name.clone());
            match self.child(step, |walk| map.next_value_seed(Node::new(walk, schema)))? {
                Some(value) => _ = read.insert(name, value),
                None if nulls.len() < object.fields.len() => nulls.push(name),
                None => {}
            }
        }
        if object.definition.is_some() {
            self.walk.owners.pop();
        }
        Ok(read)
    }

    fn read_map<'de, A: MapAccess<'de>>(
        &mut self,
        values: &TypeSchema,
        mut map: A,
    ) -> Result<Map<String, Value>, A::Error> {
        let mut read = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if read.contains_key(&name) {
                self.walk.report_duplicate(&name);
            }
            let step = Step::Field(name.clone());
            let value = self.child(step, |walk| map.next_value_seed(Node::new(walk, values)))?;
            read.insert(name, value.unwrap_or_else(|| scalar::zero(&values.shape)));
        }
        Ok(read)
    }
}
