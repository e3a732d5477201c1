//! Events, old ones and new ones: a new one says when it was and who reports it.

use super::field::Field;
use crate::{meta, names, read};

const NAME_LEN_MAX: usize = 128;
const NOTE_LEN_MAX: usize = 1024;

pub(super) fn check(object: &Field<'_>, is_new_api: bool) {
    let is_new = is_new_api || object.at("eventTime").is_some();
    namespace(object, is_new);
    if is_new {
        reported(object, if is_new_api { "note" } else { "message" });
    }
    if is_new_api {
        object.at("type").one_of(&["Normal", "Warning"]);
    }
}

/// An Event is where its object is; what has no namespace reports in the default one.
fn namespace(object: &Field<'_>, is_new: bool) {
    let about = match read::some(object.value, "regarding") {
        Some(_) => object.at("regarding").at("namespace"),
        None => object.at("involvedObject").at("namespace"),
    };
    let here = meta::namespace(object.value);
    let fits = match about.text() {
        "" => matches!(here, "" | "default") || (is_new && here == "kube-system"),
        there => there == here,
    };
    if !fits {
        about.invalid_text("does not match event.namespace");
    }
}

fn reported(object: &Field<'_>, note: &str) {
    let (controller, instance) = match read::some(object.value, "reportingController") {
        Some(_) => (object.at("reportingController"), object.at("reportingInstance")),
        None => (object.at("reportingComponent"), object.at("reportingInstance")),
    };
    object.at("eventTime").must_be_given();
    controller.must_be_given();
    if !controller.is_empty() {
        controller.well_formed(names::qualified_name);
    }
    for field in [instance, object.at("action"), object.at("reason")] {
        field.must_be_given();
        at_most(&field, NAME_LEN_MAX);
    }
    at_most(&object.at(note), NOTE_LEN_MAX);
}

fn at_most(field: &Field<'_>, max: usize) {
    if field.text().len() > max {
        field.invalid(format!("can have at most {max} characters"));
    }
}
