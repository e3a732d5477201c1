//! Named formats: `format.dns1123Label().validate(self.name)`.

use std::any::Any;

use ::cel::{Budget, EvalError, Library, Opaque, Value};

use crate::{custom, names};

type Result<'a> = std::result::Result<Value<'a>, EvalError>;

pub(super) const LIBRARY: Library = Library {
    declarations: "\
format.named: (string) -> optional(kubernetes.NamedFormat)
validate: kubernetes.NamedFormat.(string) -> optional(list(string))
format.dns1123Label: () -> kubernetes.NamedFormat
format.dns1123Subdomain: () -> kubernetes.NamedFormat
format.dns1035Label: () -> kubernetes.NamedFormat
format.qualifiedName: () -> kubernetes.NamedFormat
format.dns1123LabelPrefix: () -> kubernetes.NamedFormat
format.dns1123SubdomainPrefix: () -> kubernetes.NamedFormat
format.dns1035LabelPrefix: () -> kubernetes.NamedFormat
format.labelValue: () -> kubernetes.NamedFormat
format.uri: () -> kubernetes.NamedFormat
format.uuid: () -> kubernetes.NamedFormat
format.byte: () -> kubernetes.NamedFormat
format.date: () -> kubernetes.NamedFormat
format.datetime: () -> kubernetes.NamedFormat
",
    functions: &[
        ("format.named", named),
        ("validate", validate),
        ("format.dns1123Label", |_, _| make("dns1123Label")),
        ("format.dns1123Subdomain", |_, _| make("dns1123Subdomain")),
        ("format.dns1035Label", |_, _| make("dns1035Label")),
        ("format.qualifiedName", |_, _| make("qualifiedName")),
        ("format.dns1123LabelPrefix", |_, _| make("dns1123LabelPrefix")),
        ("format.dns1123SubdomainPrefix", |_, _| make("dns1123SubdomainPrefix")),
        ("format.dns1035LabelPrefix", |_, _| make("dns1035LabelPrefix")),
        ("format.labelValue", |_, _| make("labelValue")),
        ("format.uri", |_, _| make("uri")),
        ("format.uuid", |_, _| make("uuid")),
        ("format.byte", |_, _| make("byte")),
        ("format.date", |_, _| make("date")),
        ("format.datetime", |_, _| make("datetime")),
    ],
};

const NAMES: [&str; 13] = [
    "dns1123Label",
    "dns1123Subdomain",
    "dns1035Label",
    "qualifiedName",
    "dns1123LabelPrefix",
    "dns1123SubdomainPrefix",
    "dns1035LabelPrefix",
    "labelValue",
    "uri",
    "uuid",
    "byte",
    "date",
    "datetime",
];

#[derive(Debug, Clone, Copy, PartialEq)]
struct Format(&'static str);

impl Opaque for Format {
    fn kind(&self) -> &'static str {
        "kubernetes.NamedFormat"
    }

    fn equals(&self, other: &dyn Opaque) -> bool {
        other.as_any().downcast_ref::<Self>() == Some(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn make<'a>(name: &'static str) -> Result<'a> {
    Ok(Value::opaque(Format(name)))
}

fn named<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    let [Value::String(name)] = args else { return Err(EvalError::no_overload()) };
    let known = NAMES.iter().find(|known| **known == name.as_str());
    match known {
        Some(name) => Ok(Value::some(Value::opaque(Format(name)))),
        None => Ok(Value::Optional(None)),
    }
}

fn validate<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let [format, Value::String(text)] = args else { return Err(EvalError::no_overload()) };
    let format = format.as_opaque::<Format>().ok_or_else(EvalError::no_overload)?;
    budget.work(text.as_str().len() as u64)?;
    let problems = problems(format.0, text.as_str());
    if problems.is_empty() {
        return Ok(Value::Optional(None));
    }
    Ok(Value::some(Value::list(problems.into_iter().map(Value::text).collect())))
}

/// A prefix may end in what must be followed by something.
fn prefix(text: &str) -> String {
    match text.strip_suffix('-') {
        Some(start) => format!("{start}a"),
        None => text.to_owned(),
    }
}

fn problems(format: &str, text: &str) -> Vec<String> {
    let is = |valid: bool, why: &str| if valid { Vec::new() } else { vec![why.to_owned()] };
    match format {
        "dns1123Label" => names::dns_label(text),
        "dns1123Subdomain" => names::dns_subdomain(text),
        "dns1035Label" => names::dns1035_label(text),
        "qualifiedName" => names::qualified_name(text),
        "dns1123LabelPrefix" => names::dns_label(&prefix(text)),
        "dns1123SubdomainPrefix" => names::dns_subdomain(&prefix(text)),
        "dns1035LabelPrefix" => names::dns1035_label(&prefix(text)),
        "labelValue" => names::label_value(text),
        "uri" => is(is_uri(text), "invalid URI for request"),
        "uuid" => is(custom::fits_format("uuid", text), "does not match the UUID format"),
        "byte" => is(custom::fits_format("byte", text), "invalid base64"),
        "date" => is(custom::fits_format("date", text), "invalid date"),
        _ => is(custom::fits_format("date-time", text), "invalid datetime"),
    }
}

/// As `isURL` has it.
fn is_uri(text: &str) -> bool {
    static IS_URL: std::sync::LazyLock<Option<::cel::Program>> = std::sync::LazyLock::new(|| {
        let environment = ::cel::Environment::new();
        let text = ::cel::Declared::plain(::cel::Type::String);
        environment.with_variable("text", text).compile("isURL(text)").ok()
    });
    let mut variables = ::cel::Variables::new();
    variables.value("text", Value::text(text));
    let value = IS_URL
        .as_ref()
        .map(|program| program.evaluate(&variables, &mut Budget::new(super::CALL_COST_MAX)));
    matches!(value, Some(Ok(Value::Bool(true))))
}
