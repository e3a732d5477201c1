//! Whose devices are whose: a claim is bound by who may bind claims, a driver tells of its own
//! devices, and access to devices that others use is for namespaces that were marked for it.
//! The permissions are those of subresources that nobody can ask for otherwise.

use std::collections::BTreeSet;

use api::FieldError;
use api::validation::ErrorKind;
use serde_json::Value;

use crate::authz::{Attributes, Decision};
use crate::object::text;
use crate::request::{Call, denial};
use crate::table::list;

const CLAIMS: &str = "resourceclaims.resource.k8s.io";
const TEMPLATES: &str = "resourceclaimtemplates.resource.k8s.io";
const ADMIN_LABEL: &str = "resource.kubernetes.io/admin-access";
const NODE_NAME: &str = "authentication.kubernetes.io/node-name";
const ACCOUNT: &str = "system:serviceaccount:";

/// What is wrong with a new claim or template in this namespace.
pub(crate) fn create(call: &Call<'_>, object: &Value) -> Option<FieldError> {
    let (at, path) = match &*call.kind.storage {
        CLAIMS => ("/spec/devices/requests", "spec.devices.requests"),
        // As upstream, which has the path of a claim for both.
        TEMPLATES => ("/spec/spec/devices/requests", "spec.devices.requests"),
        _ => return None,
    };
    let requests = list(object, at);
    let wanted = requests.iter().position(|request| request["exactly"]["adminAccess"] == true);
    admin(call, wanted.map(|index| format!("{path}[{index}].adminAccess")))
}

/// What is wrong with a claim's new status, by this writer.
pub(crate) fn update_status(call: &Call<'_>, old: &Value, new: &Value) -> Vec<FieldError> {
    if call.kind.storage != CLAIMS {
        return Vec::new();
    }
    let (was, is) = (&old["status"], &new["status"]);
    let mut errors = Vec::new();
    let granted = |claim: &Value| {
        let results = list(claim, "/status/allocation/devices/results");
        results.iter().position(|result| result["adminAccess"] == true)
    };
    if granted(old).is_none() {
        let path = |index| format!("status.allocation.devices.results[{index}].adminAccess");
        errors.extend(admin(call, granted(new).map(path)));
    }
    let verb = call.query.writing_verb();
    if was["allocation"] != is["allocation"] || was["reservedFor"] != is["reservedFor"] {
        let asked = attributes(call, verb, "binding", "", "");
        if let Some(why) = refused(call, &asked) {
            errors.push(forbidden(
                "status",
                format!(
                    "changing status.allocation or status.reservedFor requires \
                     resource=\"resourceclaims/binding\", verb=\"{verb}\" permission: {why}"
                ),
            ));
        }
    }
    errors.extend(drivers(old, new).into_iter().filter_map(|name| driver(call, new, verb, name)));
    errors
}

/// The drivers of whose devices something else is told than before.
fn drivers<'a>(old: &'a Value, new: &'a Value) -> BTreeSet<&'a str> {
    let (old, new) = (list(old, "/status/devices"), list(new, "/status/devices"));
    let only = |all: &'a [Value], others: &'a [Value]| {
        all.iter().filter(move |device| !others.contains(device))
    };
    only(old, new).chain(only(new, old)).map(|device| text(device, "/driver")).collect()
}

/// May the writer tell of this driver's devices?
fn driver(call: &Call<'_>, claim: &Value, verb: &str, name: &str) -> Option<FieldError> {
    let mut verbs = Vec::new();
    if node_of(claim).is_some_and(|node| runs_on(call, node)) {
        verbs.push(format!("associated-node:{verb}"));
    }
    verbs.push(format!("arbitrary-node:{verb}"));
    let mut refusals = Vec::new();
    for verb in &verbs {
        let asked = attributes(call, verb, "driver", call.namespace(), name);
        refusals.push(refused(call, &asked)?);
    }
    let (verbs, why) = (verbs.join(" "), refusals.into_iter().next()?);
    Some(forbidden(
        "status.devices",
        format!(
            "changing status.devices requires resource=\"resourceclaims/driver\", \
             verb=\"[{verbs}]\" permission: {why}"
        ),
    ))
}

/// The one node that a claim was given devices of.
fn node_of(claim: &Value) -> Option<&str> {
    let terms = list(claim, "/status/allocation/nodeSelector/nodeSelectorTerms");
    let [term] = terms else { return None };
    let (labels, fields) = (list(term, "/matchExpressions"), list(term, "/matchFields"));
    let ([], [field]) = (labels, fields) else { return None };
    let by_name = field["key"] == "metadata.name" && field["operator"] == "In";
    let [node] = list(field, "/values") else { return None };
    node.as_str().filter(|_| by_name)
}

/// Is the writer an account whose pod is on this node?
fn runs_on(call: &Call<'_>, node: &str) -> bool {
    let nodes = call.user.extra.get(NODE_NAME).map(Vec::as_slice);
    call.user.name.starts_with(ACCOUNT) && nodes == Some(&[node.to_owned()][..])
}

fn attributes<'a>(
    call: &'a Call<'_>,
    verb: &'a str,
    subresource: &'a str,
    namespace: &'a str,
    name: &'a str,
) -> Attributes<'a> {
    Attributes {
        user: &call.user,
        verb,
        group: &call.kind.group,
        resource: &call.kind.plural,
        subresource,
        namespace,
        name,
        path: "",
        fields: &[],
    }
}

/// Why this may not be done, in the words of a refusal.
fn refused(call: &Call<'_>, asked: &Attributes<'_>) -> Option<String> {
    let Decision::Deny(reason) = call.shared.authorizer.authorize(asked) else { return None };
    let name = if asked.name.is_empty() { String::new() } else { format!(" {:?}", asked.name) };
    let resource = call.kind.resource();
    Some(format!("{resource}{name} is forbidden: {}", denial(asked, &reason)))
}

/// Is the namespace one in which devices may be had that others use?
fn admin(call: &Call<'_>, path: Option<String>) -> Option<FieldError> {
    let path = path?;
    let namespace = call.registry().namespace(call.namespace());
    // One that cannot be read is not marked either.
    let labelled = namespace
        .and_then(|kv| call.registry().decode(&kv).ok())
        .is_some_and(|namespace| api::meta::label(&namespace, ADMIN_LABEL) == Some("true"));
    let why = format!(
        "admin access to devices requires the `{ADMIN_LABEL}: true` label on the containing \
         namespace"
    );
    (!labelled).then(|| forbidden(&path, why))
}

fn forbidden(path: &str, detail: String) -> FieldError {
    FieldError { path: path.to_owned(), kind: ErrorKind::Forbidden, value: Value::Null, detail }
}
