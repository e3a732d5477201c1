//! A new pod's identity: its ServiceAccount must be there, and the account's token, the
//! cluster's CA certificate and the namespace's name are mounted where clients look for them.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::error::{ApiError, ApiResult};
use crate::kinds;
use crate::object::{child_mut, meta};
use crate::request::Call;
use crate::strategy::pod::MIRROR;

/// Every namespace gets an account of this name from a controller, in a moment.
const DEFAULT: &str = "default";
/// How long a pod of a new namespace waits for that moment.
const DEFAULT_WAIT: Duration = Duration::from_secs(2);
/// How often it looks.
const DEFAULT_POLL: Duration = Duration::from_millis(10);
/// Where clients look for the token.
const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// How the volume's name begins. A volume of such a name is taken for ours, as upstream.
const VOLUME_PREFIX: &str = "kube-api-access-";
/// An hour and a bit: the node asks for a new token in good time.
const TOKEN_SECONDS: u32 = 3607;
/// Completes a new pod, after defaults.
pub(super) async fn admit(call: &Call<'_>, pod: &mut Value) -> ApiResult<()> {
    // Nothing may change of what a node agent made from a file.
    if pod["metadata"]["annotations"].get(MIRROR).is_some() {
        return check_mirror(call, pod);
    }
    let namespace = meta(pod, "namespace").to_owned();
    let name = pod["spec"]["serviceAccountName"].as_str().unwrap_or(DEFAULT).to_owned();
    let Some(account) = find(call, &namespace, &name).await? else {
        return Err(missing(call, pod, &namespace, &name));
    };
    if automounts(pod, &account) {
        mount(pod, &crate::verbs::create::generated_name(VOLUME_PREFIX));
    }
    add_pull_secrets(pod, &account);
    Ok(())
}

/// It has no account, and so none of its Secrets.
fn check_mirror(call: &Call<'_>, pod: &Value) -> ApiResult<()> {
    let name = pod["spec"]["serviceAccountName"].as_str().unwrap_or_default();
    if name.is_empty() {
        return Ok(());
    }
    let why = "a mirror pod may not reference service accounts";
    Err(ApiError::forbidden(call.kind, super::shown_name(pod), why))
}

async fn find(call: &Call<'_>, namespace: &str, name: &str) -> ApiResult<Option<Value>> {
    let kind = kinds::find("", "v1", "serviceaccounts").expect("accounts are in the table");
    let deadline = Instant::now() + DEFAULT_WAIT;
    loop {
        if let Some(kv) = call.registry().get(kind, namespace, name) {
            return call.registry().decode(&kv).map(Some);
        }
        // Where the namespace is not there, the account will never be.
        let may_come = name == DEFAULT && call.registry().namespace(namespace).is_some();
        if !may_come || Instant::now() >= deadline {
            return Ok(None);
        }
        tokio::time::sleep(DEFAULT_POLL).await;
    }
}

fn missing(call: &Call<'_>, pod: &Value, namespace: &str, account: &str) -> ApiError {
    // A missing namespace is what the user wants to hear of, not the account in it.
    if let Err(error) = super::namespace_of(call.registry(), call.kind, pod) {
        return error;
    }
    let why = format!(
        "error looking up service account {namespace}/{account}: serviceaccount {account:?} not found"
    );
    ApiError::forbidden(call.kind, super::shown_name(pod), &why)
}

/// The pod's word, then the account's; yes where both are silent.
fn automounts(pod: &Value, account: &Value) -> bool {
    const FIELD: &str = "automountServiceAccountToken";
    pod["spec"][FIELD].as_bool().or_else(|| account[FIELD].as_bool()).unwrap_or(true)
}

/// Mounts the token volume into every container that has nothing at its place.
fn mount(pod: &mut Value, new_name: &str) {
    let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    let mut names = volumes.filter_map(|volume| volume["name"].as_str());
    let found = names.find(|name| name.starts_with(VOLUME_PREFIX)).map(str::to_owned);
    let name = found.as_deref().unwrap_or(new_name);
    let mut mounted = false;
    for list in ["initContainers", "containers"] {
        let containers = pod["spec"].get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            mounted |= mount_into(container, name);
        }
    }
    if mounted && found.is_none() {
        push(child_mut(pod, "spec"), "volumes", volume(name));
    }
}

fn mount_into(container: &mut Value, volume: &str) -> bool {
    let Some(fields) = container.as_object_mut() else { return false };
    let mounts = fields.get("volumeMounts").and_then(Value::as_array);
    if mounts.into_iter().flatten().any(|mount| mount["mountPath"] == MOUNT_PATH) {
        return false;
    }
    push(
        fields,
        "volumeMounts",
        json!({"name": volume, "readOnly": true, "mountPath": MOUNT_PATH}),
    );
    true
}

fn push(fields: &mut serde_json::Map<String, Value>, list: &str, item: Value) {
    let list = fields.entry(list).or_insert_with(|| json!([]));
    match list.as_array_mut() {
        Some(items) => items.push(item),
        // `volumes: null` is an empty list.
        None => *list = json!([item]),
    }
}

fn volume(name: &str) -> Value {
    json!({"name": name, "projected": {
        "defaultMode": 0o644,
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{
                "path": "namespace",
                "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
            }]}},
        ],
    }})
}

fn add_pull_secrets(pod: &mut Value, account: &Value) {
    let has = |object: &Value| object.as_array().is_some_and(|list| !list.is_empty());
    if !has(&pod["spec"]["imagePullSecrets"]) && has(&account["imagePullSecrets"]) {
        pod["spec"]["imagePullSecrets"] = account["imagePullSecrets"].clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(spec: Value, mounts: &[&str], volumes: &[&str]) {
        let mut pod = json!({ "spec": spec });
        mount(&mut pod, "kube-api-access-new");
        let names = |list: &Value| -> Vec<String> {
            let items = list.as_array().into_iter().flatten();
            items.map(|item| item["name"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names(&pod["spec"]["containers"][0]["volumeMounts"]), mounts);
        assert_eq!(names(&pod["spec"]["volumes"]), volumes);
        assert!(pod["spec"].get("initContainers").is_none());
    }

    #[test]
    fn a_container_gets_the_token_where_nothing_else_is() {
        let new = ["kube-api-access-new"];
        check(json!({"containers": [{"name": "a"}]}), &new, &new);
        check(json!({"containers": [{"name": "a"}], "volumes": null}), &new, &new);
        let own = json!([{"name": "own", "mountPath": MOUNT_PATH}]);
        check(json!({"containers": [{"name": "a", "volumeMounts": own}]}), &["own"], &[]);
        let second = json!({"containers": [{"name": "a", "volumeMounts": own}, {"name": "b"}]});
        check(second, &["own"], &new);
    }

    #[test]
    fn a_volume_that_is_there_is_used_again() {
        let spec =
            json!({"containers": [{"name": "a"}], "volumes": [{"name": "kube-api-access-old"}]});
        check(spec, &["kube-api-access-old"], &["kube-api-access-old"]);
    }

    #[test]
    fn the_pod_has_the_last_word_about_its_token() {
        let check = |pod: Value, account: Value, expected: bool| {
            let with = |value: &Value| json!({"automountServiceAccountToken": value});
            assert_eq!(automounts(&json!({"spec": with(&pod)}), &with(&account)), expected);
        };
        check(Value::Null, Value::Null, true);
        check(Value::Null, json!(false), false);
        check(json!(true), json!(false), true);
        check(json!(false), Value::Null, false);
    }

    #[test]
    fn pull_secrets_come_from_the_account_where_the_pod_has_none() {
        let account = json!({"imagePullSecrets": [{"name": "registry"}]});
        let mut pod = json!({"spec": {}});
        add_pull_secrets(&mut pod, &account);
        assert_eq!(pod["spec"]["imagePullSecrets"][0]["name"], "registry");
        let mut pod = json!({"spec": {"imagePullSecrets": [{"name": "own"}]}});
        add_pull_secrets(&mut pod, &account);
        assert_eq!(pod["spec"]["imagePullSecrets"], json!([{"name": "own"}]));
    }
}
