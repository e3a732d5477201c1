//! Kubernetes' own functions for expressions, beyond those that every expression may use.
//!
//! [`environment`] is what rules of definitions, policies and match conditions start from.

use std::sync::LazyLock;

use ::cel::Environment;

mod format;
mod quantity;

/// An evaluation of one expression may cost so much; about a tenth of a second.
pub const CALL_COST_MAX: u64 = 1_000_000;

/// The language with all of Kubernetes' libraries but the authorizer's, and without variables.
pub fn environment() -> Environment {
    static BASE: LazyLock<Environment> = LazyLock::new(|| {
        Environment::new().with_library(&quantity::LIBRARY).with_library(&format::LIBRARY)
    });
    BASE.clone()
}

#[cfg(test)]
mod tests {
    use ::cel::{Budget, Value, Variables};

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<bool, &str>) {
        let program = environment().compile(text).map_err(|error| error.to_string());
        let program = program.unwrap();
        let value = program.evaluate(&Variables::new(), &mut Budget::new(CALL_COST_MAX));
        match value {
            Ok(Value::Bool(value)) => assert_eq!(Ok(value), expected, "{text}"),
            Ok(other) => panic!("{text} is {other:?}"),
            Err(error) => assert_eq!(Err(error.to_string().as_str()), expected, "{text}"),
        }
    }

    #[test]
    fn quantities_are_compared_and_added() {
        check("quantity('1Gi').isGreaterThan(quantity('1000M'))", Ok(true));
        check("quantity('1') == quantity('1000m')", Ok(true));
        check("quantity('200M').add(quantity('100M')).compareTo(quantity('300M')) == 0", Ok(true));
        check("quantity('50k').sub(20).asInteger() == 49980", Ok(true));
        check("quantity('1.5').isInteger() || quantity('-1').sign() != -1", Ok(false));
        check("isQuantity('1.3Gi') && !isQuantity('200K') && !isQuantity('Mi')", Ok(true));
        check("quantity('100m').asApproximateFloat() == 0.1", Ok(true));
        check("semver('1.0.0').isLessThan(semver('2.0.0'))", Ok(true));
        check(
            "quantity('x') == quantity('1')",
            Err("quantities must match the regular expression \
                 '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"),
        );
    }

    #[test]
    fn formats_tell_what_is_wrong() {
        check("!format.dns1123Label().validate('a-b').hasValue()", Ok(true));
        check("format.dns1123Label().validate('A_').value().size() == 1", Ok(true));
        check("format.named('uuid').hasValue() && !format.named('x').hasValue()", Ok(true));
        check("format.uri().validate('/a').hasValue()", Ok(false));
        check("format.date().validate('2024-02-30').hasValue()", Ok(true));
        check("format.qualifiedName().validate('a/b').hasValue()", Ok(false));
    }
}
