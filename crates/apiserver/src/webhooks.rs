//! Dynamic admission: webhooks and policies that change or refuse writes, as their configurations
//! say.
//!
//! The hooks and policies of all configurations are kept in memory, compiled, and in step with the
//! store; where there are none, a write pays one load of a pointer.
//! Source: Kubernetes, "Dynamic Admission Control",
//! <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/>.

mod asked;
mod denial;
mod hook;
mod matching;
mod policy;
mod review;
mod rounds;
mod writes;

use std::sync::Arc;

use store::Range;

pub(crate) use self::asked::Operation;
use self::hook::Hook;
use self::policy::Policies;
pub(crate) use self::policy::typing::note as note_types;
pub(crate) use self::writes::{
    admit, connect, delete, judge, mutate_create, mutate_update, validate_create, validate_update,
};
use crate::object;
use crate::registry::{PREFIX, Registry, Vault};
use crate::request::Call;

/// The group of what decides about admission; none of it is subject to webhooks, and no policy to
/// policies, or a broken one could not be taken away.
const GROUP: &str = "admissionregistration.k8s.io";
const MUTATING: &str = "mutatingwebhookconfigurations.admissionregistration.k8s.io";
const VALIDATING: &str = "validatingwebhookconfigurations.admissionregistration.k8s.io";

/// Are these objects what hooks and policies are made from?
pub(crate) fn is_configuration(storage: &str) -> bool {
    matches!(storage, MUTATING | VALIDATING) || policy::is_source(storage)
}

/// The hooks of one moment, each list in the order in which its hooks are called; and the policies,
/// which come before them.
#[derive(Default)]
pub(crate) struct Webhooks {
    mutating: Vec<Arc<Hook>>,
    validating: Vec<Arc<Hook>>,
    policies: Policies,
}

impl Webhooks {
    /// What the configurations in the store say; what was compiled before is used again.
    pub(crate) fn read(store: &Vault, before: &Self) -> Self {
        Self {
            mutating: hooks(store, MUTATING),
            validating: hooks(store, VALIDATING),
            policies: Policies::read(store, &before.policies),
        }
    }

    fn is_empty(&self) -> bool {
        self.mutating.is_empty() && self.validating.is_empty() && self.policies.is_empty()
    }
}

/// The hooks and policies that may have a say in a request; `None` where there can be none.
fn of(call: &Call<'_>) -> Option<Arc<Webhooks>> {
    let registry: &Registry = call.registry();
    let hooks = registry.webhooks.load();
    (!hooks.is_empty() && !policy::is_source(&call.kind.storage)).then(|| hooks.clone())
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
