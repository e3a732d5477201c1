//! Names that storage drivers have.

use super::field::Field;
use crate::names;

const LEN_MAX: usize = 63;

/// The name of a CSI driver.
pub(super) fn driver(name: &Field<'_>) {
    name.must_be_given();
    if name.text().len() > LEN_MAX {
        name.too_long(LEN_MAX);
    }
    for problem in names::dns_subdomain(&name.text().to_lowercase()) {
        name.invalid_text(problem);
    }
}

/// The name of a CSIDriver object, which is its driver's.
pub(super) fn of_driver(name: &str) -> Vec<String> {
    let mut problems = names::dns_subdomain(&name.to_lowercase());
    if name.len() > LEN_MAX {
        problems.insert(0, names::too_long(LEN_MAX));
    }
    problems
}
