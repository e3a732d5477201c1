//! Names such as `acme.io/foo`: a domain, and what its owner calls something.

use super::field::Field;
use crate::names;

const FORM: &str = "must be a domain-prefixed path (such as \"acme.io/foo\")";
const PATH: &str = "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')";
/// What a path may have besides letters and digits.
const MARKS: &str = "/-._~%!$&'()*+,;=:";

/// A domain and a path; says so where it is none.
pub(super) fn check(field: &Field<'_>) {
    if field.is_empty() {
        return field.required("");
    }
    match field.text().split_once('/') {
        Some((domain, path)) if !domain.is_empty() && !path.is_empty() => {
            for problem in names::dns_subdomain(domain) {
                field.invalid_as(domain, problem);
            }
            if !path.chars().all(|c| c.is_ascii_alphanumeric() || MARKS.contains(c)) {
                field.invalid_as(path, PATH);
            }
        }
        _ => field.invalid(FORM),
    }
}
