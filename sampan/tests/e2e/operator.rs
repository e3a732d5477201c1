//! An operator as kube-rs lets one write it: a custom kind, a finalizer, a status, and an object
//! that it owns.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, ObjectMeta, Patch, PatchParams, PostParams,
};
use kube::core::GroupVersionKind;
use kube::runtime::controller::Action;
use kube::runtime::finalizer::{Event, finalizer};
use kube::runtime::wait::{Condition, await_condition, conditions};
use kube::runtime::{Controller, watcher};
use kube::{Api, Client, Resource as _, ResourceExt as _};
use serde_json::{Value, json};

use crate::boat::{Boat, PATIENCE, is_root, skip};

type Failure = kube::runtime::finalizer::Error<kube::Error>;

const FINALIZER: &str = "greetings.example.com/farewell";
const NAME: &str = "greetings.example.com";

fn definition() -> CustomResourceDefinition {
    let text = json!({"type": "string"});
    let object = |properties: Value| json!({"type": "object", "properties": properties});
    let schema = object(json!({
        "spec": object(json!({"name": text})),
        "status": object(json!({"greeted": text, "observedGeneration": {"type": "integer"}})),
    }));
    let version = json!({"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": schema}});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": NAME},
        "spec": {"group": "example.com", "scope": "Namespaced", "versions": [version],
            "names": {"plural": "greetings", "singular": "greeting", "kind": "Greeting"}},
    });
    serde_json::from_value(definition).expect("a definition")
}

fn greeting() -> ApiResource {
    ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("example.com", "v1", "Greeting"),
        "greetings",
    )
}

/// Makes what is wanted real, says so, and says farewell in the end.
async fn reconcile(object: Arc<DynamicObject>, client: Arc<Client>) -> Result<Action, Failure> {
    let namespace = object.namespace().unwrap_or_default();
    let api = Api::namespaced_with((*client).clone(), &namespace, &greeting());
    let done = finalizer(&api, FINALIZER, object, |event| async {
        match event {
            Event::Apply(object) => greet(&client, &api, &object).await,
            Event::Cleanup(object) => farewell(&client, &object).await,
        }
    });
    done.await
}

async fn greet(
    client: &Client,
    api: &Api<DynamicObject>,
    object: &DynamicObject,
) -> Result<Action, kube::Error> {
    let name = object.name_any();
    let text = format!("hello {}", object.data["spec"]["name"].as_str().unwrap_or_default());
    let owner = object.controller_owner_ref(&greeting());
    let card = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "ownerReferences": [owner]},
        "data": {"text": text},
    });
    let maps: Api<ConfigMap> =
        Api::namespaced(client.clone(), &object.namespace().unwrap_or_default());
    maps.patch(&name, &PatchParams::apply("operator").force(), &Patch::Apply(card)).await?;
    let status =
        json!({"status": {"greeted": text, "observedGeneration": object.meta().generation}});
    api.patch_status(&name, &PatchParams::default(), &Patch::Merge(status)).await?;
    Ok(Action::await_change())
}

async fn farewell(client: &Client, object: &DynamicObject) -> Result<Action, kube::Error> {
    let maps: Api<ConfigMap> =
        Api::namespaced(client.clone(), &object.namespace().unwrap_or_default());
    let metadata = ObjectMeta { name: Some("farewell".to_owned()), ..ObjectMeta::default() };
    let left = ConfigMap { metadata, ..ConfigMap::default() };
    match maps.create(&PostParams::default(), &left).await {
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(Action::await_change()),
        made => made.map(|_| Action::await_change()),
    }
}

fn retry(_: Arc<DynamicObject>, _: &Failure, _: Arc<Client>) -> Action {
    Action::requeue(Duration::from_millis(50))
}

async fn until<K>(api: &Api<K>, name: &str, condition: impl Condition<K>)
where
    K: kube::Resource + Clone + std::fmt::Debug + Send + Sync + 'static,
    K: serde::de::DeserializeOwned,
{
    let waited = tokio::time::timeout(PATIENCE, await_condition(api.clone(), name, condition));
    waited.await.expect("it happens in time").expect("the watch goes on");
}

fn greeted(text: &'static str) -> impl Condition<DynamicObject> {
    move |object: Option<&DynamicObject>| {
        object.is_some_and(|object| object.data["status"]["greeted"] == text)
    }
}

async fn story(client: Client) {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    definitions.create(&PostParams::default(), &definition()).await.expect("the definition");
    until(&definitions, NAME, conditions::is_crd_established()).await;
    let api: Api<DynamicObject> = Api::default_namespaced_with(client.clone(), &greeting());
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let operator = Controller::new_with(
        Api::all_with(client.clone(), &greeting()),
        watcher::Config::default(),
        greeting(),
    )
    .owns(Api::<ConfigMap>::all(client.clone()), watcher::Config::default())
    .run(reconcile, retry, Arc::new(client));
    let running = tokio::spawn(operator.for_each(|_| std::future::ready(())));

    let world = DynamicObject::new("world", &greeting()).data(json!({"spec": {"name": "world"}}));
    api.create(&PostParams::default(), &world).await.expect("a greeting");
    until(&api, "world", greeted("hello world")).await;
    let moon = Patch::Merge(json!({"spec": {"name": "moon"}}));
    api.patch("world", &PatchParams::default(), &moon).await.expect("a change");
    until(&api, "world", greeted("hello moon")).await;
    // What it owns is made again.
    maps.delete("world", &DeleteParams::default()).await.expect("delete what it owns");
    until(&maps, "world", |map: Option<&ConfigMap>| map.is_some()).await;
    let uid = api.get("world").await.expect("the greeting").uid().expect("its uid");
    api.delete("world", &DeleteParams::default()).await.expect("delete the greeting");
    until(&api, "world", conditions::is_deleted(&uid)).await;
    until(&maps, "farewell", |map: Option<&ConfigMap>| map.is_some()).await;
    until(&maps, "world", |map: Option<&ConfigMap>| map.is_none()).await;
    running.abort();
}

#[test]
fn an_operator_of_kube_rs_lives_a_whole_life() {
    let name = "an_operator_of_kube_rs_lives_a_whole_life";
    if !is_root() {
        return skip(name, "it needs root");
    }
    let boat = Boat::afloat("operator");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let path = boat.data_dir().join("kubeconfig");
        let file = kube::config::Kubeconfig::read_from(path).expect("the boat's kubeconfig");
        let options = kube::config::KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(file, &options).await.expect("its use");
        story(Client::try_from(config).expect("a client")).await;
    });
}
