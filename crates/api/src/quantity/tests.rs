//! Quantities read, written, compared and added as upstream's are.

use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(text: &str, canonical: &str) {
    let quantity: Quantity = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
    assert_eq!(quantity.to_string(), canonical, "{text}");
}

#[track_caller]
fn check_error(text: &str, error: QuantityError) {
    assert_eq!(text.parse::<Quantity>().map(|q| q.to_string()), Err(error), "{text}");
}

#[test]
fn canonical_text_has_the_largest_suffix_without_a_fraction() {
    check("0", "0");
    check("0Mi", "0");
    check("1", "1");
    check("1000m", "1");
    check("1500m", "1500m");
    check("0.5", "500m");
    check(".5", "500m");
    check("1.", "1");
    check("1000", "1k");
    check("1024", "1024");
    check("100M", "100M");
    check("1024Mi", "1Gi");
    check("1.5Gi", "1536Mi");
    check("-1.5Gi", "-1536Mi");
    check("12e3", "12e3");
    check("12E6", "12e6");
    check("1000e3", "1e6");
    check("100e-3", "100e-3");
    check("+2", "2");
}

#[test]
fn small_binary_amounts_are_written_in_decimal() {
    check("1Ki", "1Ki");
    check("0.5Ki", "512");
    check("0.001Ki", "1024m");
    check("1.0001Ki", "1024102400u");
}

#[test]
fn amounts_finer_than_a_billionth_round_up() {
    check("0.1n", "1n");
    check("1e-30", "1e-9");
    check("0.00000000000000000000000000000001", "1n");
}

#[test]
fn amounts_beyond_the_largest_stop_there() {
    check("9223372036854775807", "9223372036854775807");
    check("9223372036854775808", "9223372036854775807");
    check("100E", "9223372036854775807");
    check("99999999999999999999999999999", "9223372036854775807");
    check("16Ei", "9223372036854775807");
    check("1e2000000000", "9223372036854775807e0".trim_end_matches("e0"));
}

#[test]
fn what_is_not_a_quantity_is_refused_in_upstreams_words() {
    check_error("", QuantityError::Format);
    check_error("Mi", QuantityError::Format);
    check_error("1 Mi", QuantityError::Format);
    check_error("1.2.3", QuantityError::Number);
    check_error(".", QuantityError::Number);
    check_error("1K", QuantityError::Suffix);
    check_error("1mm", QuantityError::Suffix);
    check_error("1e", QuantityError::Suffix);
    check_error("10 GB", QuantityError::Format);
}

#[test]
fn values_round_up() {
    let of = |text: &str| text.parse::<Quantity>().unwrap();
    assert_eq!(of("1500m").value(), 2);
    assert_eq!(of("1500m").milli_value(), 1500);
    assert_eq!(of("64Mi").value(), 64 << 20);
    assert_eq!(of("1u").milli_value(), 1);
    assert_eq!(of("9223372036854775807").milli_value(), i64::MAX);
}

#[test]
fn sums_and_order() {
    let of = |text: &str| text.parse::<Quantity>().unwrap();
    assert_eq!((of("500m") + of("0.5")).to_string(), "1");
    assert_eq!((of("0") + of("1Gi")).to_string(), "1Gi");
    assert_eq!((of("1Gi") - of("512Mi")).to_string(), "512Mi");
    assert!(of("1G") < of("1Gi"));
    assert_eq!(of("1"), of("1000m"));
    assert_eq!(Quantity::bytes(2048).to_string(), "2Ki");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in "\\PC{0,40}") {
        let _ = text.parse::<Quantity>();
    }

    #[test]
    fn number_like_text_never_panics(text in "[-+]?[0-9]{0,45}[.]?[0-9]{0,45}(n|u|m|k|Ki|Ei|E|e-?[0-9]{1,9})?") {
        let _ = text.parse::<Quantity>();
    }

    #[test]
    fn the_canonical_text_reads_back_as_the_same(
        whole in 0_i64..1_000_000_000,
        fraction in 0_u32..1_000_000,
        suffix in prop::sample::select(vec!["", "n", "u", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e3"]),
    ) {
        let quantity: Quantity = format!("{whole}.{fraction:06}{suffix}").parse().unwrap();
        let again: Quantity = quantity.to_string().parse().unwrap();
        prop_assert_eq!(quantity, again);
        prop_assert_eq!(quantity.to_string(), again.to_string());
    }

    #[test]
    fn adding_and_taking_away_leaves_what_was(a in any::<i32>(), b in any::<i32>()) {
        let (a, b) = (Quantity::milli(a.into()), Quantity::milli(b.into()));
        prop_assert_eq!(a + b - b, a);
    }
}
