//! Roles and bindings give others what their writer must have.

use serde_json::Value;

use crate::authz::{self, GROUP, Writer};
use crate::error::ApiResult;
use crate::request::Call;

/// May the caller give others what this role or binding gives? `old` is what it was.
pub(crate) fn may_grant(call: &Call<'_>, old: Option<&Value>, new: &Value) -> ApiResult<()> {
    if call.kind.group != GROUP {
        return Ok(());
    }
    let writer = Writer {
        authorizer: &*call.shared.authorizer,
        user: &call.user,
        plural: &call.kind.plural,
        namespace: call.namespace(),
        name: call.name(),
    };
    match &*call.kind.plural {
        "roles" | "clusterroles" => authz::check_role(&writer, old, new),
        "rolebindings" | "clusterrolebindings" => authz::check_binding(&writer, old, new),
        _ => Ok(()),
    }
}
