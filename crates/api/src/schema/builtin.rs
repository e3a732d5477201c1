//! The kinds that are built in. Another of k8s-openapi's types is served by adding it here.

use std::borrow::Cow;

use k8s_openapi::Resource;
use k8s_openapi::api::admissionregistration::v1 as admission;
use k8s_openapi::api::apps::v1 as apps;
use k8s_openapi::api::authentication::v1 as authentication;
use k8s_openapi::api::authorization::v1 as authorization;
use k8s_openapi::api::autoscaling::v1 as autoscaling;
use k8s_openapi::api::autoscaling::v2 as autoscaling_v2;
use k8s_openapi::api::batch::v1 as batch;
use k8s_openapi::api::certificates::v1 as certificates;
use k8s_openapi::api::coordination::v1 as coordination;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use k8s_openapi::api::events::v1 as events;
use k8s_openapi::api::flowcontrol::v1 as flowcontrol;
use k8s_openapi::api::networking::v1 as networking;
use k8s_openapi::api::node::v1 as node;
use k8s_openapi::api::policy::v1 as policy;
use k8s_openapi::api::rbac::v1 as rbac;
use k8s_openapi::api::resource::v1 as resource;
use k8s_openapi::api::scheduling::v1 as scheduling;
use k8s_openapi::api::storage::v1 as storage;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiextensions;
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1 as apiregistration;
use schemars::JsonSchema;
#[cfg(test)]
use schemars::SchemaGenerator;

use crate::Gvk;

/// The definition of DeleteOptions, which belongs to every API group.
pub(super) const DELETE_OPTIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";

/// One built-in kind and how its schema is made.
pub(super) struct Builtin {
    pub group: &'static str,
    pub version: &'static str,
    pub kind: &'static str,
    name: fn() -> Cow<'static, str>,
    #[cfg(test)]
    register: fn(&mut SchemaGenerator),
}

impl Builtin {
    const fn new<T: Resource + JsonSchema>() -> Self {
        Self {
            group: T::GROUP,
            version: T::VERSION,
            kind: T::KIND,
            name: T::schema_name,
            #[cfg(test)]
            register: register::<T>,
        }
    }

    /// The OpenAPI definition, e.g. `io.k8s.api.core.v1.Pod`.
    pub(super) fn definition(&self) -> Cow<'static, str> {
        (self.name)()
    }

    /// Adds the definition and all it refers to.
    #[cfg(test)]
    pub(super) fn register(&self, generator: &mut SchemaGenerator) {
        (self.register)(generator);
    }

    pub(super) fn is(&self, gvk: &Gvk) -> bool {
        self.kind == gvk.kind && self.version == gvk.version && self.group == gvk.group
    }

    pub(super) fn gvk(&self) -> Gvk {
        Gvk::new(self.group, self.version, self.kind)
    }
}

#[cfg(test)]
fn register<T: JsonSchema>(generator: &mut SchemaGenerator) {
    generator.subschema_for::<T>();
}

/// Types that are not kinds of their own, but travel as bodies.
#[cfg(test)]
pub(super) fn register_bodies(generator: &mut SchemaGenerator) {
    register::<meta::DeleteOptions>(generator);
    register::<meta::ListMeta>(generator);
}

/// Every built-in kind.
pub(super) const BUILTINS: &[Builtin] = &[
    Builtin::new::<core::Binding>(),
    Builtin::new::<core::ComponentStatus>(),
    Builtin::new::<core::ConfigMap>(),
    Builtin::new::<core::Endpoints>(),
    Builtin::new::<core::Event>(),
    Builtin::new::<core::LimitRange>(),
    Builtin::new::<core::Namespace>(),
    Builtin::new::<core::Node>(),
    Builtin::new::<core::PersistentVolume>(),
    Builtin::new::<core::PersistentVolumeClaim>(),
    Builtin::new::<core::Pod>(),
    Builtin::new::<core::PodTemplate>(),
    Builtin::new::<core::ReplicationController>(),
    Builtin::new::<core::ResourceQuota>(),
    Builtin::new::<core::Secret>(),
    Builtin::new::<core::Service>(),
    Builtin::new::<core::ServiceAccount>(),
    Builtin::new::<meta::Status>(),
    Builtin::new::<admission::MutatingAdmissionPolicy>(),
    Builtin::new::<admission::MutatingAdmissionPolicyBinding>(),
    Builtin::new::<admission::MutatingWebhookConfiguration>(),
    Builtin::new::<admission::ValidatingAdmissionPolicy>(),
    Builtin::new::<admission::ValidatingAdmissionPolicyBinding>(),
    Builtin::new::<admission::ValidatingWebhookConfiguration>(),
    Builtin::new::<apiextensions::CustomResourceDefinition>(),
    Builtin::new::<apiregistration::APIService>(),
    Builtin::new::<apps::ControllerRevision>(),
    Builtin::new::<apps::DaemonSet>(),
    Builtin::new::<apps::Deployment>(),
    Builtin::new::<apps::ReplicaSet>(),
    Builtin::new::<apps::StatefulSet>(),
    Builtin::new::<authentication::SelfSubjectReview>(),
    Builtin::new::<authentication::TokenRequest>(),
    Builtin::new::<authentication::TokenReview>(),
    Builtin::new::<authorization::LocalSubjectAccessReview>(),
    Builtin::new::<authorization::SelfSubjectAccessReview>(),
    Builtin::new::<authorization::SelfSubjectRulesReview>(),
    Builtin::new::<authorization::SubjectAccessReview>(),
    Builtin::new::<autoscaling::HorizontalPodAutoscaler>(),
    Builtin::new::<autoscaling::Scale>(),
    Builtin::new::<autoscaling_v2::HorizontalPodAutoscaler>(),
    Builtin::new::<batch::CronJob>(),
    Builtin::new::<batch::Job>(),
    Builtin::new::<certificates::CertificateSigningRequest>(),
    Builtin::new::<coordination::Lease>(),
    Builtin::new::<discovery::EndpointSlice>(),
    Builtin::new::<events::Event>(),
    Builtin::new::<flowcontrol::FlowSchema>(),
    Builtin::new::<flowcontrol::PriorityLevelConfiguration>(),
    Builtin::new::<networking::IPAddress>(),
    Builtin::new::<networking::Ingress>(),
    Builtin::new::<networking::IngressClass>(),
    Builtin::new::<networking::NetworkPolicy>(),
    Builtin::new::<networking::ServiceCIDR>(),
    Builtin::new::<node::RuntimeClass>(),
    Builtin::new::<policy::Eviction>(),
    Builtin::new::<policy::PodDisruptionBudget>(),
    Builtin::new::<resource::DeviceClass>(),
    Builtin::new::<resource::ResourceClaim>(),
    Builtin::new::<resource::ResourceClaimTemplate>(),
    Builtin::new::<resource::ResourceSlice>(),
    Builtin::new::<rbac::ClusterRole>(),
    Builtin::new::<rbac::ClusterRoleBinding>(),
    Builtin::new::<rbac::Role>(),
    Builtin::new::<rbac::RoleBinding>(),
    Builtin::new::<scheduling::PriorityClass>(),
    Builtin::new::<storage::CSIDriver>(),
    Builtin::new::<storage::CSINode>(),
    Builtin::new::<storage::CSIStorageCapacity>(),
    Builtin::new::<storage::StorageClass>(),
    Builtin::new::<storage::VolumeAttachment>(),
    Builtin::new::<storage::VolumeAttributesClass>(),
];
