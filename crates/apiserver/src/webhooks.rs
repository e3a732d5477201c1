//! Dynamic admission: webhooks that change or refuse writes, as their configurations say.
//!
//! The hooks of all configurations are kept in memory, in step with the store; where there are
//! none, a write pays one load of a pointer. Match conditions need CEL, which is not here:
//! validation refuses configurations that have them.
//! Source: Kubernetes, "Dynamic Admission Control",
//! <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/>.

mod asked;
mod denial;
mod hook;
mod matching;
mod review;
mod rounds;
mod writes;

use std::sync::Arc;

use store::Range;

pub(crate) use self::asked::Operation;
use self::hook::Hook;
pub(crate) use self::writes::{
    admit, connect, delete, judge, mutate_create, mutate_update, validate_create, validate_update,
};
use crate::object;
use crate::registry::{PREFIX, Registry, Vault};
use crate::request::Call;

/// The group of what decides about admission; none of it is subject to webhooks, or a broken one
/// could not be taken away.
const GROUP: &str = "admissionregistration.k8s.io";
const MUTATING: &str = "mutatingwebhookconfigurations.admissionregistration.k8s.io";
const VALIDATING: &str = "validatingwebhookconfigurations.admissionregistration.k8s.io";

/// Are these objects what hooks are made from?
pub(crate) fn is_configuration(storage: &str) -> bool {
    matches!(storage, MUTATING | VALIDATING)
}

/// The hooks of one moment, each list in the order in which its hooks are called.
#[derive(Default)]
pub(crate) struct Webhooks {
    mutating: Vec<Arc<Hook>>,
    validating: Vec<Arc<Hook>>,
}

impl Webhooks {
    /// What the configurations in the store say.
    pub(crate) fn read(store: &Vault) -> Self {
        Self { mutating: hooks(store, MUTATING), validating: hooks(store, VALIDATING) }
    }

    fn is_empty(&self) -> bool {
        self.mutating.is_empty() && self.validating.is_empty()
    }
}

/// The hooks that may have a say in a request; `None` where there can be none.
fn of(call: &Call<'_>) -> Option<Arc<Webhooks>> {
    let registry: &Registry = call.registry();
    let hooks = registry.webhooks.load();
    (!hooks.is_empty() && call.kind.group != GROUP).then(|| hooks.clone())
}

/// Configurations come in the order of their names, as upstream calls them.
fn hooks(store: &Vault, storage: &str) -> Vec<Arc<Hook>> {
    let range = Range::prefix(format!("{PREFIX}{storage}/"));
    let Ok(found) = store.range(&range, None, 0) else { return Vec::new() };
    let mut hooks = Vec::new();
    for kv in &found.entries {
        match object::decode(kv) {
            Ok(configuration) => hooks.extend(Hook::all(&configuration).map(Arc::new)),
            Err(error) => {
                let key = String::from_utf8_lossy(&kv.key);
                tracing::error!(%error, %key, "a webhook configuration cannot be read: its hooks are not called");
            }
        }
    }
    hooks
}
