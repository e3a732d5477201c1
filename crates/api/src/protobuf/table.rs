//! The field-number table: `fields.txt`, read once, when the first protobuf body comes.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::gvk::Gvk;

const FIELDS: &str = include_str!("fields.txt");

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::parse(FIELDS));

/// Kinds that every API group serves and `meta.v1` defines: their envelope names the group of
/// the resource they act on.
const META_KINDS: [&str; 10] = [
    "DeleteOptions",
    "CreateOptions",
    "UpdateOptions",
    "PatchOptions",
    "Status",
    "PartialObjectMetadata",
    "APIGroup",
    "APIGroupList",
    "APIResourceList",
    "APIVersions",
];

/// All messages.
#[derive(Debug)]
pub(super) struct Table {
    messages: Vec<Message>,
    by_name: HashMap<&'static str, MessageId>,
}

/// Which message of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MessageId(usize);

/// One message: its name, as `core.v1.Pod`, and its fields in the order of their numbers.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) name: &'static str,
    pub(super) fields: Vec<Field>,
}

/// One field.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) number: u32,
    /// The JSON name; unused where it is inlined.
    pub(super) name: &'static str,
    pub(super) presence: Presence,
    pub(super) repeat: Repeat,
    pub(super) kind: Kind,
}

/// When a field of the message shows up in the JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// Unless it is a scalar's zero: a Go value with omitempty.
    NotZero,
    /// Whenever it is on the wire: a Go pointer, or a value without omitempty.
    Always,
    /// Its own fields do, in its parent's object.
    Inlined,
}

/// How often a field occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    Once,
    List,
    Map,
}

/// What a field holds; `fields.txt` explains the letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    Boolean,
    Double,
    Bytes,
    Time,
    MicroTime,
    Quantity,
    IntOrString,
    RawExtension,
    /// FieldsV1 and apiextensions' JSON: a message around JSON text.
    Json,
    SchemaOrBool,
    SchemaOrList,
    SchemaOrStrings,
    /// A message around a list of strings: ExtraValue.
    Strings,
    Message(MessageId),
}

impl Table {
    pub(super) fn get() -> &'static Self {
        &TABLE
    }

    /// The message of a whole object.
    pub(super) fn root(&self, gvk: &Gvk) -> Option<MessageId> {
        if META_KINDS.contains(&gvk.kind.as_str()) {
            return self.named(&format!("meta.v1.{}", gvk.kind));
        }
        let package = match gvk.group.as_str() {
            "" => "core",
            group => group.split('.').next().unwrap_or(group),
        };
        self.named(&format!("{package}.{}.{}", gvk.version, gvk.kind))
    }

    pub(super) fn named(&self, name: &str) -> Option<MessageId> {
        self.by_name.get(name).copied()
    }

    /// The message of a schema, which holds others of its kind.
    pub(super) fn schema(&self) -> MessageId {
        self.named("apiextensions.v1.JSONSchemaProps").expect("fields.txt has JSONSchemaProps")
    }

    pub(super) fn message(&self, id: MessageId) -> &Message {
        &self.messages[id.0]
    }

    fn parse(text: &'static str) -> Self {
        let lines = || text.lines().filter(|line| !line.starts_with('#'));
        let is_field = |line: &&str| line.starts_with(|first: char| first.is_ascii_digit());
        let by_name: HashMap<_, _> = lines()
            .filter(|line| !is_field(line))
            .enumerate()
            .map(|(index, name)| (name, MessageId(index)))
            .collect();
        let mut messages: Vec<Message> = Vec::with_capacity(by_name.len());
        for line in lines() {
            if !is_field(&line) {
                messages.push(Message { name: line, fields: Vec::new() });
                continue;
            }
            let message = messages.last_mut().expect("fields.txt names a message before fields");
            message.fields.push(field(line, message.name, &by_name));
        }
        Self { messages, by_name }
    }
}

impl Kind {
    /// A plain Go value, which omitempty can leave out; structs (IntOrString, Quantity) it cannot.
    pub(super) fn is_scalar(self) -> bool {
        matches!(self, Self::Text | Self::Integer | Self::Boolean | Self::Double | Self::Bytes)
    }
}

impl Message {
    pub(super) fn field(&self, number: u32) -> Option<&Field> {
        let index = self.fields.binary_search_by_key(&number, |field| field.number).ok()?;
        Some(&self.fields[index])
    }
}

#[cfg(test)]
impl Table {
    pub(super) fn messages(&self) -> &[Message] {
        &self.messages
    }
}

/// Reads `2 data {}s`. The file is ours and a test reads it whole, so what does not parse is a bug.
fn field(line: &'static str, message: &str, by_name: &HashMap<&str, MessageId>) -> Field {
    let mut words = line.split(' ');
    let mut word = || words.next().expect("a line of fields.txt is number, name, type");
    let number = word().parse().expect("a field of fields.txt has a number");
    let name = word();
    let (presence, rest) = presence(word());
    let (repeat, rest) = if let Some(rest) = rest.strip_prefix("[]") {
        (Repeat::List, rest)
    } else if let Some(rest) = rest.strip_prefix("{}") {
        (Repeat::Map, rest)
    } else {
        (Repeat::Once, rest)
    };
    Field { number, name, presence, repeat, kind: kind(rest, message, by_name) }
}

fn presence(text: &str) -> (Presence, &str) {
    match text.split_at(1) {
        ("<", rest) => (Presence::Inlined, rest),
        ("*" | "+", rest) => (Presence::Always, rest),
        _ => (Presence::NotZero, text),
    }
}

fn kind(text: &str, message: &str, by_name: &HashMap<&str, MessageId>) -> Kind {
    match text {
        "s" => Kind::Text,
        "i" => Kind::Integer,
        "b" => Kind::Boolean,
        "f" => Kind::Double,
        "y" => Kind::Bytes,
        "T" => Kind::Time,
        "U" => Kind::MicroTime,
        "Q" => Kind::Quantity,
        "N" => Kind::IntOrString,
        "R" => Kind::RawExtension,
        "F" | "J" => Kind::Json,
        "B" => Kind::SchemaOrBool,
        "A" => Kind::SchemaOrList,
        "S" => Kind::SchemaOrStrings,
        "W" => Kind::Strings,
        other => Kind::Message(reference(other, message, by_name)),
    }
}

fn reference(text: &str, message: &str, by_name: &HashMap<&str, MessageId>) -> MessageId {
    let name = text.strip_prefix('/').expect("a type of fields.txt is a letter or a message");
    let local = || {
        let (package, _) = message.rsplit_once('.')?;
        by_name.get(format!("{package}.{name}").as_str())
    };
    *by_name.get(name).or_else(local).expect("fields.txt names only messages it has")
}
