//! Kubernetes quantities as the integers the engines take.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// `text` in thousandths of its unit, rounded up; None when it is no quantity of zero or more.
pub(crate) fn millis(text: &str) -> Option<u64> {
    let quantity: api::quantity::Quantity = text.parse().ok()?;
    u64::try_from(quantity.milli_value()).ok()
}

/// `text` in whole units (bytes, for memory), rounded up.
pub(crate) fn whole(text: &str) -> Option<u64> {
    let quantity: api::quantity::Quantity = text.parse().ok()?;
    u64::try_from(quantity.value()).ok()
}

/// The cpu in a resource list, in thousandths of a core.
pub(crate) fn cpu_millis(list: Option<&BTreeMap<String, Quantity>>) -> Option<u64> {
    list?.get("cpu").and_then(|quantity| millis(&quantity.0))
}

/// The memory in a resource list, in bytes.
pub(crate) fn memory_bytes(list: Option<&BTreeMap<String, Quantity>>) -> Option<u64> {
    list?.get("memory").and_then(|quantity| whole(&quantity.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<u64>) {
        assert_eq!(millis(text), expected, "{text}");
    }

    #[test]
    fn suffixes_and_exponents_are_read() {
        check("1", Some(1000));
        check("250m", Some(250));
        check("0.5", Some(500));
        check("1e3", Some(1_000_000));
        check("64Mi", Some(67_108_864_000));
        check("1G", Some(1_000_000_000_000));
        check("100n", Some(1));
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        check("", None);
        check("lots", None);
        check("-1", None);
        check("Mi", None);
    }

    #[test]
    fn whole_units_round_up() {
        assert_eq!(whole("1500m"), Some(2));
        assert_eq!(whole("1Ki"), Some(1024));
    }
}
