//! Admission policies: expressions that change or refuse writes, where bindings put them in force.
//! Source: Kubernetes, "Validating Admission Policy",
//! <https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/>.

mod authorizer;
mod binding;
mod input;
mod mutate;
mod params;
pub(crate) mod typing;
mod validate;

use std::collections::BTreeMap;
use std::sync::Arc;

use api::policy::Expressions;
use serde_json::Value;
use store::Range;

use self::binding::Binding;
pub(super) use self::input::Input;
use super::asked::Asked;
use super::matching::Matching;
use crate::error::ApiResult;
use crate::kinds::Kind;
use crate::object::{self, meta, text};
use crate::registry::{PREFIX, Vault};

const VALIDATING: &str = "validatingadmissionpolicies.admissionregistration.k8s.io";
const VALIDATING_BINDINGS: &str = "validatingadmissionpolicybindings.admissionregistration.k8s.io";
const MUTATING: &str = "mutatingadmissionpolicies.admissionregistration.k8s.io";
const MUTATING_BINDINGS: &str = "mutatingadmissionpolicybindings.admissionregistration.k8s.io";

/// Are these objects what policies are made from? None of them is subject to policies.
pub(super) fn is_source(storage: &str) -> bool {
    matches!(storage, VALIDATING | VALIDATING_BINDINGS | MUTATING | MUTATING_BINDINGS)
}

/// The policies that are in force.
#[derive(Default)]
pub(super) struct Policies {
    validating: Vec<Bound>,
    mutating: Vec<Bound>,
}

/// A policy, and where it is in force.
struct Bound {
    policy: Arc<Policy>,
    bindings: Vec<Binding>,
}

/// A policy, compiled.
struct Policy {
    name: String,
    /// What it was made from.
    spec: Value,
    matching: Matching,
    /// What fails is as if it had not been there.
    ignores_failure: bool,
    reinvocable: bool,
    expressions: Expressions,
}

impl Policies {
    /// What the store says; policies that are as they were before are not compiled again.
    pub(super) fn read(store: &Vault, before: &Self) -> Self {
        Self {
            validating: bound(store, VALIDATING, VALIDATING_BINDINGS, &before.validating),
            mutating: bound(store, MUTATING, MUTATING_BINDINGS, &before.mutating),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.validating.is_empty() && self.mutating.is_empty()
    }
}

/// The policies that have a binding, in the order of their names.
fn bound(store: &Vault, policies: &str, bindings: &str, before: &[Bound]) -> Vec<Bound> {
    let mut by_policy: BTreeMap<String, Vec<Binding>> = BTreeMap::new();
    for object in objects(store, bindings) {
        let policy = text(&object, "/spec/policyName").to_owned();
        by_policy.entry(policy).or_default().push(Binding::read(&object));
    }
    let policies = objects(store, policies).into_iter().filter_map(|object| {
        let bindings = by_policy.remove(meta(&object, "name"))?;
        let same = |bound: &&Bound| {
            bound.policy.name == meta(&object, "name") && bound.policy.spec == object["spec"]
        };
        let policy = match before.iter().find(same) {
            Some(bound) => bound.policy.clone(),
            None => Arc::new(Policy::read(&object)),
        };
        Some(Bound { policy, bindings })
    });
    policies.collect()
}

fn objects(store: &Vault, storage: &str) -> Vec<Value> {
    let range = Range::prefix(format!("{PREFIX}{storage}/"));
    let Ok(found) = store.range(&range, None, 0) else { return Vec::new() };
    let read = |kv: &store::KeyValue| match object::decode(kv) {
        Ok(object) => Some(object),
        Err(error) => {
            let key = String::from_utf8_lossy(&kv.key);
            tracing::error!(%error, %key, "an admission policy cannot be read: it is not in force");
            None
        }
    };
    found.entries.iter().filter_map(read).collect()
}

impl Policy {
    fn read(object: &Value) -> Self {
        let spec = &object["spec"];
        Self {
            name: meta(object, "name").to_owned(),
            spec: spec.clone(),
            matching: Matching::of_resources(&spec["matchConstraints"]),
            ignores_failure: spec["failurePolicy"] == "Ignore",
            reinvocable: spec["reinvocationPolicy"] == "IfNeeded",
            expressions: Expressions::compile(spec),
        }
    }
}

/// A binding that a write is subject to, and a parameter: what the policy is evaluated for.
struct Case<'p> {
    policy: &'p Policy,
    /// `None`: the fault is the policy's own.
    binding: Option<&'p Binding>,
    /// In whose form the write is shown.
    kind: Arc<Kind>,
    /// The parameter, or what is wrong with the policy or its binding.
    params: Result<Option<Value>, String>,
}

/// Everything that a write is subject to, of these policies.
async fn cases<'p>(all: &'p [Bound], asked: &Asked<'_>) -> ApiResult<Vec<Case<'p>>> {
    let mut cases = Vec::new();
    for Bound { policy, bindings } in all {
        let Some(kind) = policy.matching.kind(asked)? else { continue };
        let case = |binding, params| Case { policy, binding, kind: kind.clone(), params };
        let of_params = match params::kind(asked, &policy.spec) {
            Ok(kind) => kind,
            Err(why) => {
                cases.push(case(None, Err(format!("failed to configure policy: {why}"))));
                continue;
            }
        };
        for binding in bindings {
            if binding.matching.kind(asked)?.is_none() {
                continue;
            }
            match params::collect(asked, of_params.as_deref(), &binding.param_ref).await? {
                Ok(found) => {
                    cases.extend(found.into_iter().map(|param| case(Some(binding), Ok(param))));
                }
                Err(why) => {
                    let why = format!("failed to configure binding: {why}");
                    cases.push(case(Some(binding), Err(why)));
                }
            }
        }
    }
    Ok(cases)
}
