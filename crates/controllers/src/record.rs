//! Events: what a controller did, for `kubectl describe` and `kubectl get events`.

use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client, Resource};

/// Writes core/v1 Events in the name of one component.
#[derive(Clone)]
pub(crate) struct Recorder {
    client: Client,
    component: &'static str,
}

impl Recorder {
    pub fn new(client: Client, component: &'static str) -> Self {
        Self { client, component }
    }

    /// Records something that went as it should.
    pub async fn normal<K>(&self, object: &K, reason: &str, message: String)
    where
        K: Resource<DynamicType = ()>,
    {
        self.write(object, "Normal", reason, message).await;
    }

    /// Records something that somebody may have to look at.
    pub async fn warning<K>(&self, object: &K, reason: &str, message: String)
    where
        K: Resource<DynamicType = ()>,
    {
        self.write(object, "Warning", reason, message).await;
    }

    /// An event is a courtesy: when it cannot be written that is logged, and work goes on.
    async fn write<K>(&self, object: &K, kind: &str, reason: &str, message: String)
    where
        K: Resource<DynamicType = ()>,
    {
        let event = self.event(object.object_ref(&()), kind, reason, message);
        let namespace = event.metadata.namespace.clone().unwrap_or_default();
        let api: Api<Event> = Api::namespaced(self.client.clone(), &namespace);
        if let Err(error) = api.create(&PostParams::default(), &event).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "event not recorded");
        }
    }

    fn event(&self, about: ObjectReference, kind: &str, reason: &str, message: String) -> Event {
        let now = Timestamp::now();
        let name = about.name.as_deref().unwrap_or("unknown");
        Event {
            metadata: ObjectMeta {
                // As client-go names them: the object and the time, so that they sort by age.
                name: Some(format!("{name}.{:x}", now.as_nanosecond())),
                namespace: Some(about.namespace.clone().unwrap_or_else(|| "default".into())),
                ..Default::default()
            },
            involved_object: about,
            type_: Some(kind.into()),
            reason: Some(reason.into()),
            message: Some(message),
            count: Some(1),
            first_timestamp: Some(Time(now)),
            last_timestamp: Some(Time(now)),
            source: Some(EventSource { component: Some(self.component.into()), host: None }),
            reporting_component: Some(self.component.into()),
            reporting_instance: Some(String::new()),
            ..Default::default()
        }
    }
}
