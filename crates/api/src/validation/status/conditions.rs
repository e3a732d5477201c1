//! Conditions in the form that newer kinds share.

use std::collections::BTreeSet;

use crate::validation::field::Field;
use crate::validation::metadata;

const REASON_LEN_MAX: usize = 1024;
const MESSAGE_LEN_MAX: usize = 32 * 1024;
const REASON: &str = "a condition reason must start with alphabetic character, optionally followed \
    by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character \
    or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or \
    'ReasonA:ReasonB', regex used for validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')";

/// Each has a type of its own, and says since when and why.
pub(in crate::validation) fn check(conditions: &Field<'_>) {
    let mut seen = BTreeSet::new();
    for condition in conditions.items() {
        let kind = condition.at("type");
        if !seen.insert(kind.text()) {
            kind.duplicate();
        }
        self::condition(&condition);
    }
}

fn condition(condition: &Field<'_>) {
    const STATES: [&str; 3] = ["False", "True", "Unknown"];
    let [kind, status, seen, since, reason, message] =
        ["type", "status", "observedGeneration", "lastTransitionTime", "reason", "message"]
            .map(|field| condition.at(field));
    metadata::label_key(&kind, kind.text());
    if !STATES.contains(&status.text()) {
        status.unsupported(&STATES);
    }
    if seen.number() < 0 {
        seen.invalid("must be greater than or equal to zero");
    }
    since.must_be_given();
    if reason.is_empty() {
        reason.required("");
    } else if !is_reason(reason.text()) {
        reason.invalid(REASON);
    }
    if reason.text().len() > REASON_LEN_MAX {
        reason.too_long(REASON_LEN_MAX);
    }
    if message.text().len() > MESSAGE_LEN_MAX {
        message.too_long(MESSAGE_LEN_MAX);
    }
}

fn is_reason(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.ends_with(word)
        && text.chars().all(|c| word(c) || c == ',' || c == ':')
}
