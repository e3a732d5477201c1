//! Field selectors: the text of `--field-selector`, over the few fields each kind allows.

use std::fmt;

use serde_json::Value;

use crate::{Gvk, read};

/// All of its terms must hold; none at all is everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldSelector {
    terms: Vec<Term>,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// The field's path: `spec.nodeName`.
    pub field: String,
    /// What it is compared with.
    pub value: String,
    /// `=` or `!=`.
    pub equal: bool,
}

/// Why a text is no field selector for a kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldSelectorError {
    /// Not `field=value`.
    #[error("invalid selector: '{selector}'; can't understand '{term}'")]
    Term {
        /// The whole.
        selector: String,
        /// The part that is not understood.
        term: String,
    },
    /// A backslash before what needs none.
    #[error("invalid field selector: invalid escape sequence: {0}")]
    Escape(String),
    /// A field that this kind cannot be selected by.
    #[error("{0}")]
    Unsupported(String),
}

impl FieldSelector {
    /// Selects every object.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Reads `a=b,c!=d` for a kind; fields that the kind cannot be selected by are refused.
    pub fn parse(gvk: &Gvk, text: &str) -> Result<Self, FieldSelectorError> {
        Self::read(text, |field| supported(gvk, field))
    }

    fn read(
        text: &str,
        known: impl Fn(&str) -> Result<String, FieldSelectorError>,
    ) -> Result<Self, FieldSelectorError> {
        let mut terms = Vec::new();
        for part in split_terms(text).into_iter().filter(|part| !part.is_empty()) {
            let term = read_term(part).ok_or_else(|| FieldSelectorError::Term {
                selector: text.to_owned(),
                term: part.to_owned(),
            })?;
            let value = unescape(term.value)?;
            let field = known(term.field)?;
            terms.push(Term { field, value, equal: term.equal });
        }
        Ok(Self { terms })
    }

    /// The same for a custom kind, whose definition says which fields beside its names.
    pub fn parse_custom(selectable: &[String], text: &str) -> Result<Self, FieldSelectorError> {
        Self::read(text, |field| {
            let common = ["metadata.name", "metadata.namespace"];
            if common.contains(&field) || selectable.iter().any(|known| known == field) {
                return Ok(field.to_owned());
            }
            Err(FieldSelectorError::Unsupported(format!("field label not supported: {field}")))
        })
    }

    /// Does it select everything?
    pub fn is_everything(&self) -> bool {
        self.terms.is_empty()
    }

    /// The terms, all of which must hold.
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// The only value a field may have, where the selector asks for one: the name of a watch of one object.
    pub fn exact(&self, field: &str) -> Option<&str> {
        self.terms.iter().find(|t| t.equal && t.field == field).map(|t| t.value.as_str())
    }

    /// Does it select this object?
    pub fn matches(&self, object: &Value) -> bool {
        self.terms.iter().all(|t| (field_text(object, &t.field) == t.value) == t.equal)
    }
}

/// The fields that a selector of any kind asks to have one value: what may be granted for a part of
/// the objects only. One that is not understood asks for nothing.
pub fn equalities(text: &str) -> Vec<(String, String)> {
    let any = FieldSelector::read(text, |field| Ok(field.to_owned())).unwrap_or_default();
    let equal = any.terms.into_iter().filter(|term| term.equal);
    equal.map(|term| (term.field, term.value)).collect()
}

struct RawTerm<'a> {
    field: &'a str,
    value: &'a str,
    equal: bool,
}

/// Splits at commas that no backslash escapes.
fn split_terms(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        if c == ',' && !escaped {
            parts.push(&text[start..at]);
            start = at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    parts.push(&text[start..]);
    parts
}

fn read_term(part: &str) -> Option<RawTerm<'_>> {
    let at = part.find(['=', '!'])?;
    let (field, rest) = part.split_at(at);
    let (value, equal) = if let Some(value) = rest.strip_prefix("!=") {
        (value, false)
    } else if let Some(value) = rest.strip_prefix("==") {
        (value, true)
    } else {
        (rest.strip_prefix('=')?, true)
    };
    Some(RawTerm { field, value, equal })
}

fn unescape(text: &str) -> Result<String, FieldSelectorError> {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => plain.push(c),
                other => {
                    let sequence: String = std::iter::once('\\').chain(other).collect();
                    return Err(FieldSelectorError::Escape(sequence));
                }
            },
            '=' | ',' => return Err(FieldSelectorError::Escape(c.to_string())),
            c => plain.push(c),
        }
    }
    Ok(plain)
}

/// The fields a kind can be selected by, beside `metadata.name` and `metadata.namespace`.
fn fields_of(gvk: &Gvk) -> &'static [&'static str] {
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "Pod") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ],
        ("", "Node") => &["spec.unschedulable"],
        ("", "Namespace") => &["status.phase"],
        ("", "Secret") => &["type"],
        ("", "Service") => &["spec.clusterIP", "spec.type"],
        ("" | "events.k8s.io", "Event") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ("", "ReplicationController") => &["status.replicas"],
        ("batch", "Job") => &["status.successful"],
        ("certificates.k8s.io", "CertificateSigningRequest") => &["spec.signerName"],
        ("networking.k8s.io", "IPAddress") => &[
            "spec.parentRef.group",
            "spec.parentRef.resource",
            "spec.parentRef.namespace",
            "spec.parentRef.name",
        ],
        ("resource.k8s.io", "ResourceSlice") => &["spec.nodeName", "spec.driver"],
        _ => &[],
    }
}

/// Kinds whose upstream text for an unsupported field is the short one.
fn has_own_fields(gvk: &Gvk) -> bool {
    !fields_of(gvk).is_empty()
}

fn supported(gvk: &Gvk, field: &str) -> Result<String, FieldSelectorError> {
    // events.k8s.io calls the same object `regarding`, old clients a pod's node `spec.host`.
    let field = match (gvk.kind.as_str(), field) {
        ("Pod", "spec.host") => "spec.nodeName".to_owned(),
        ("Event", "reportingController") if gvk.group == "events.k8s.io" => {
            "reportingComponent".to_owned()
        }
        ("Event", other) if gvk.group == "events.k8s.io" => {
            other.replacen("regarding.", "involvedObject.", 1)
        }
        (_, other) => other.to_owned(),
    };
    let common = ["metadata.name", "metadata.namespace"];
    if common.contains(&field.as_str()) || fields_of(gvk).contains(&field.as_str()) {
        return Ok(field);
    }
    Err(FieldSelectorError::Unsupported(if has_own_fields(gvk) {
        match gvk.kind.as_str() {
            "Job" => format!("field label {field:?} not supported for batchv1.Job"),
            _ => format!("field label not supported: {field}"),
        }
    } else {
        format!(
            "{field:?} is not a known field selector: only \"metadata.name\", \
             \"metadata.namespace\""
        )
    }))
}

/// The field as a text, as upstream's per-kind functions give it; missing is "", but false for
/// flags and 0 for counts.
fn field_text(object: &Value, field: &str) -> String {
    let path: Vec<&str> = field.split('.').collect();
    match field {
        "source" => return event_source(object),
        "reportingComponent" => return reporting_component(object),
        "status.podIPs" => return read::text(read::at(object, &["status"]), "podIP").to_owned(),
        _ => {}
    }
    if field == "status.successful" {
        return read::int(read::at(object, &["status"]), "succeeded").unwrap_or(0).to_string();
    }
    match (read::at(object, &path), field) {
        (Value::String(text), _) => text.clone(),
        (Value::Null, "spec.unschedulable" | "spec.hostNetwork") => "false".to_owned(),
        (Value::Null, "status.replicas") => "0".to_owned(),
        (Value::Null, _) => String::new(),
        (other, _) => other.to_string(),
    }
}

fn event_source(event: &Value) -> String {
    match read::text(read::at(event, &["source"]), "component") {
        "" => read::text(event, "reportingComponent").to_owned(),
        component => component.to_owned(),
    }
}

fn reporting_component(event: &Value) -> String {
    read::text(event, "reportingComponent").to_owned()
}

/// The text of `--field-selector`.
impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Term { field, value, equal }) in self.terms.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            let sign = if *equal { "=" } else { "!=" };
            let value = value.replace('\\', "\\\\").replace(',', "\\,").replace('=', "\\=");
            write!(f, "{comma}{field}{sign}{value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(kind: &str, selector: &str, object: Value, matches: bool) {
        let gvk = Gvk::core(kind);
        let parsed = FieldSelector::parse(&gvk, selector).unwrap();
        assert_eq!(parsed.matches(&object), matches, "{selector} on {object}");
    }

    #[track_caller]
    fn check_error(gvk: Gvk, selector: &str, message: &str) {
        assert_eq!(FieldSelector::parse(&gvk, selector).unwrap_err().to_string(), message);
    }

    #[test]
    fn names_and_namespaces_select_every_kind() {
        let object = json!({"metadata": {"name": "a", "namespace": "b"}});
        check("ConfigMap", "metadata.name=a,metadata.namespace==b", object.clone(), true);
        check("ConfigMap", "metadata.name!=a", object, false);
    }

    #[test]
    fn kinds_have_fields_of_their_own() {
        let pod = json!({"spec": {"nodeName": "n"}, "status": {"phase": "Running"}});
        check("Pod", "spec.nodeName=n,status.phase!=Succeeded", pod.clone(), true);
        check("Pod", "spec.nodeName=", pod.clone(), false);
        check("Pod", "spec.hostNetwork=false", pod, true);
        check("Node", "spec.unschedulable=false", json!({}), true);
        check("Secret", "type=Opaque", json!({"type": "Opaque"}), true);
        let event = json!({"involvedObject": {"name": "x"}, "source": {"component": "node"}});
        check("Event", "involvedObject.name=x,source=node", event, true);
    }

    #[test]
    fn unsupported_fields_are_refused_in_upstreams_words() {
        check_error(Gvk::core("Pod"), "spec.x=y", "field label not supported: spec.x");
        check_error(
            Gvk::core("ConfigMap"),
            "data.x=y",
            "\"data.x\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
        );
        check_error(Gvk::core("Pod"), "abc", "invalid selector: 'abc'; can't understand 'abc'");
    }

    #[test]
    fn values_may_hold_escaped_commas() {
        check("Pod", "metadata.name=a\\,b", json!({"metadata": {"name": "a,b"}}), true);
        assert!(FieldSelector::parse(&Gvk::core("Pod"), "metadata.name=a\\b").is_err());
    }

    #[test]
    fn what_must_be_equal_is_known_without_the_kind() {
        let check = |text: &str, expected: &[(&str, &str)]| {
            let found = equalities(text);
            let found: Vec<_> = found.iter().map(|(f, v)| (f.as_str(), v.as_str())).collect();
            assert_eq!(found, expected, "{text}");
        };
        check("metadata.name=a,type!=b,c.d==e", &[("metadata.name", "a"), ("c.d", "e")]);
        check(r"type!=x\,metadata.name=a", &[]);
        check(r"type=x\,metadata.name\=a", &[("type", "x,metadata.name=a")]);
        check("metadata.name=a,b", &[]);
        check("", &[]);
    }

    #[test]
    fn the_name_asked_for_is_known() {
        let selector = FieldSelector::parse(&Gvk::core("Pod"), "metadata.name=a").unwrap();
        assert_eq!(selector.exact("metadata.name"), Some("a"));
        assert_eq!(selector.to_string(), "metadata.name=a");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in "[a-z.=!,\\\\é]{0,40}") {
            let _ = FieldSelector::parse(&Gvk::core("Pod"), &text);
        }
    }
}
