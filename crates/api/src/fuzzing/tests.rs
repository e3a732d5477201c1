//! The same with random bytes, as far as a test has time for.

use proptest::prelude::*;

use super::*;

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..600)
}

/// Characters that selectors are made of, and some that they are not.
fn selector() -> impl Strategy<Value = String> {
    "[abc1=!(),<> .\\\\/-]{0,40}|(a|c|metadata.name|status.phase)( in | notin |=|!=|==| )[a-c1(), ]{0,20}"
}

proptest! {
    #[test]
    fn any_bytes_are_a_protobuf_body_or_refused(bytes in bytes()) {
        protobuf_bodies(&bytes);
    }

    #[test]
    fn any_bytes_are_a_json_body_or_refused(text in "[\\[\\]{}\",:a-c0-9 nulltrue]{0,80}") {
        json_bodies(text.as_bytes());
    }

    #[test]
    fn objects_of_all_kinds_are_defaulted_and_judged(bytes in bytes()) {
        objects(&bytes);
    }

    #[test]
    fn patches_of_three_kinds_are_applied_or_refused(bytes in bytes()) {
        patches(&bytes);
    }

    #[test]
    fn what_was_applied_is_applied_again_without_a_change(bytes in bytes()) {
        applies(&bytes);
    }

    #[test]
    fn selectors_are_what_they_show(text in selector()) {
        selectors(text.as_bytes());
    }

    #[test]
    fn custom_schemas_are_read_and_hold(bytes in bytes()) {
        custom_objects(&bytes);
    }
}

/// What fuzzing found once.
#[test]
fn what_was_found_stays_mended() {
    let targets: [fn(&[u8]); 7] =
        [protobuf_bodies, json_bodies, objects, patches, applies, selectors, custom_objects];
    for found in FOUND {
        targets.iter().for_each(|target| target(found));
    }
}

const FOUND: [&[u8]; 1] = [b""];
