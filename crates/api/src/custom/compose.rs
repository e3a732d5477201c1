//! allOf, anyOf, oneOf and not.

use serde_json::Value;

use super::Schema;
use super::value::error;
use crate::validation::{ErrorKind, FieldError};

impl Schema {
    pub(super) fn check_composition(
        &self,
        path: &str,
        value: &Value,
        errors: &mut Vec<FieldError>,
    ) {
        if !self.all_of.is_empty() {
            let found: Vec<_> = self.all_of.iter().flat_map(|s| s.errors(path, value)).collect();
            if !found.is_empty() {
                errors.push(whole(path, "must validate all the schemas (allOf)"));
                errors.extend(found);
            }
        }
        if !self.any_of.is_empty() {
            let (valid, best) = judge(&self.any_of, path, value);
            if valid == 0 {
                errors.push(whole(path, "must validate at least one schema (anyOf)"));
                errors.extend(best);
            }
        }
        if !self.one_of.is_empty() {
            self.check_one_of(path, value, errors);
        }
        if let Some(not) = &self.not
            && not.errors(path, value).is_empty()
        {
            errors.push(whole(path, "must not validate the schema (not)"));
        }
    }

    fn check_one_of(&self, path: &str, value: &Value, errors: &mut Vec<FieldError>) {
        let words = "must validate one and only one schema (oneOf).";
        match judge(&self.one_of, path, value) {
            (1, _) => {}
            (0, best) => {
                errors.push(whole(path, &format!("{words} Found none valid")));
                errors.extend(best);
            }
            (many, _) => {
                errors.push(whole(path, &format!("{words} Found {many} valid alternatives")));
            }
        }
    }

    fn errors(&self, path: &str, value: &Value) -> Vec<FieldError> {
        let mut errors = Vec::new();
        self.check(path, value, &mut errors);
        errors
    }
}

/// How many alternatives hold, and the errors of the one that came nearest.
fn judge(alternatives: &[Schema], path: &str, value: &Value) -> (usize, Vec<FieldError>) {
    let all: Vec<_> = alternatives.iter().map(|schema| schema.errors(path, value)).collect();
    let valid = all.iter().filter(|errors| errors.is_empty()).count();
    let best = all.into_iter().min_by_key(Vec::len).unwrap_or_default();
    (valid, best)
}

/// Upstream does not say where in the path, only in the text.
fn whole(path: &str, why: &str) -> FieldError {
    error("", ErrorKind::Invalid, "".into(), format!("{path:?} {why}"))
}
