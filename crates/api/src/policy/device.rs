//! What a device selector sees of a device.

use std::sync::LazyLock;

use cel::{Declared, Environment, Type};

use super::declared::{map, object};

static ENVIRONMENT: LazyLock<Environment> = LazyLock::new(|| {
    let quantity = Declared::plain(Type::opaque("kubernetes.Quantity"));
    let device = object(
        "kubernetes.DRADevice",
        &[
            ("driver", Declared::plain(Type::String)),
            ("allowMultipleAllocations", Declared::plain(Type::Bool)),
            ("attributes", map(map(Declared::anything()))),
            ("capacity", map(map(quantity))),
        ],
    );
    crate::cel::environment().with_variable("device", device)
});

/// What is wrong with an expression that is to select devices.
pub(crate) fn problem(text: &str) -> Option<String> {
    match ENVIRONMENT.compile(text) {
        Err(error) => Some(format!("compilation failed: {error}")),
        Ok(program) => match program.kind() {
            Type::Bool | Type::Dyn => None,
            other => Some(format!("must evaluate to bool or the unknown type, not {other}")),
        },
    }
}
