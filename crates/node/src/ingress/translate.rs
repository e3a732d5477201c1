//! Ingresses, Services and EndpointSlices as the gateway's routes: pure.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use gateway::{Backend, Host, Path, Protocol, Route};
use k8s_openapi::api::core::v1::{Service, ServicePort};
use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, Ingress, IngressBackend, IngressClass, IngressClassSpec, IngressServiceBackend,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::services::endpoints::Slices;

/// The class this gateway serves without an IngressClass object.
pub(crate) const CLASS: &str = "sampan";
/// The `spec.controller` of IngressClass objects that mean this gateway.
const CONTROLLER: &str = "sampan.io/gateway";
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";
const DEFAULT_ANNOTATION: &str = "ingressclass.kubernetes.io/is-default-class";
/// The port names and `appProtocol`s that mean HTTP/2 without TLS.
const H2C: [&str; 3] = ["kubernetes.io/h2c", "grpc", "h2c"];

/// What the gateway is to do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Routes {
    pub routes: Vec<Route>,
    /// The Secrets that hold certificates.
    pub certificates: Vec<Tls>,
}

/// Hosts and the Secret with their certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tls {
    pub hosts: Vec<String>,
    pub namespace: String,
    pub secret: String,
}

impl Routes {
    /// Every address that requests may be sent to.
    pub(crate) fn addresses(&self) -> HashSet<Ipv4Addr> {
        let backends = self.routes.iter().flat_map(|route| &route.backends);
        let endpoints = backends.flat_map(|backend| &backend.endpoints);
        endpoints
            .filter_map(|endpoint| match endpoint.ip() {
                IpAddr::V4(address) => Some(address),
                IpAddr::V6(_) => None,
            })
            .collect()
    }
}

/// The object that tells people and charts of this gateway.
pub(crate) fn class() -> IngressClass {
    IngressClass {
        metadata: ObjectMeta { name: Some(CLASS.to_owned()), ..ObjectMeta::default() },
        spec: Some(IngressClassSpec {
            controller: Some(CONTROLLER.to_owned()),
            ..IngressClassSpec::default()
        }),
    }
}

/// Whether this gateway serves an Ingress.
pub(crate) fn is_ours<'a>(
    ingress: &Ingress,
    classes: impl IntoIterator<Item = &'a IngressClass> + Clone,
) -> bool {
    let ours = |class: &IngressClass| {
        let spec = class.spec.as_ref();
        spec.and_then(|spec| spec.controller.as_deref()) == Some(CONTROLLER)
    };
    let annotations = ingress.metadata.annotations.as_ref();
    let named = ingress.spec.as_ref().and_then(|spec| spec.ingress_class_name.as_deref());
    let named = named.or(annotations.and_then(|map| map.get(CLASS_ANNOTATION)).map(String::as_str));
    match named {
        Some(CLASS) => true,
        Some(name) => classes
            .into_iter()
            .any(|class| class.metadata.name.as_deref() == Some(name) && ours(class)),
        None => {
            let default = |class: &&IngressClass| {
                let annotations = class.metadata.annotations.as_ref();
                annotations.and_then(|map| map.get(DEFAULT_ANNOTATION)).is_some_and(|v| v == "true")
            };
            // Without a default class, the only controller of this box serves what names none.
            classes.into_iter().find(default).is_none_or(ours)
        }
    }
}

/// The routes of `ingresses`, which are ours. Where two claim a host and path, the older wins.
pub(crate) fn translate<'a>(
    ingresses: impl IntoIterator<Item = &'a Ingress>,
    services: impl IntoIterator<Item = &'a Service>,
    slices: &Slices<'_>,
) -> Routes {
    let mut ingresses: Vec<&Ingress> = ingresses.into_iter().collect();
    ingresses.sort_by_key(|ingress| {
        let meta = &ingress.metadata;
        (meta.creation_timestamp.clone(), meta.namespace.clone(), meta.name.clone())
    });
    let services = services.into_iter().map(|service| {
        let meta = &service.metadata;
        let key = |text: &'a Option<String>| text.as_deref().unwrap_or_default();
        ((key(&meta.namespace), key(&meta.name)), service)
    });
    let mut builder = Builder {
        services: services.collect(),
        slices,
        taken: HashSet::new(),
        made: Routes::default(),
    };
    for ingress in ingresses {
        builder.add(ingress);
    }
    builder.made
}

struct Builder<'a> {
    services: BTreeMap<(&'a str, &'a str), &'a Service>,
    slices: &'a Slices<'a>,
    taken: HashSet<(Host, Path)>,
    made: Routes,
}

impl Builder<'_> {
    fn add(&mut self, ingress: &Ingress) {
        let Some(spec) = &ingress.spec else { return };
        let namespace = ingress.metadata.namespace.as_deref().unwrap_or_default();
        for rule in spec.rules.iter().flatten() {
            let host = Host::parse(rule.host.as_deref().unwrap_or_default());
            let paths = rule.http.iter().flat_map(|http| &http.paths);
            for entry in paths {
                self.route(host.clone(), path(entry), namespace, &entry.backend);
            }
            if let (None, Some(backend)) = (&rule.http, &spec.default_backend) {
                self.route(host, Path::Prefix("/".to_owned()), namespace, backend);
            }
        }
        if let Some(backend) = &spec.default_backend {
            self.route(Host::Any, Path::Prefix("/".to_owned()), namespace, backend);
        }
        for tls in spec.tls.iter().flatten() {
            if let Some(secret) = tls.secret_name.clone().filter(|name| !name.is_empty()) {
                let hosts = tls.hosts.clone().unwrap_or_default();
                self.made.certificates.push(Tls { hosts, namespace: namespace.to_owned(), secret });
            }
        }
    }

    fn route(&mut self, host: Host, path: Path, namespace: &str, backend: &IngressBackend) {
        let Some(service) = &backend.service else { return };
        if self.taken.insert((host.clone(), path.clone())) {
            let backends = vec![self.backend(namespace, service)];
            self.made.routes.push(Route { host, path, backends });
        }
    }

    /// A Service that is not there has no endpoints: its route answers 503, not another's page.
    fn backend(&self, namespace: &str, wanted: &IngressServiceBackend) -> Backend {
        let found = self.services.get(&(namespace, wanted.name.as_str()));
        let found = found.and_then(|service| Some((*service, service_port(service, wanted)?)));
        let endpoints = found.map(|(service, port)| self.slices.behind(service, port));
        Backend {
            name: format!("{namespace}/{}", wanted.name),
            weight: 1,
            protocol: found.map_or(Protocol::Http1, |(_, port)| protocol(port)),
            endpoints: endpoints.into_iter().flatten().map(SocketAddr::V4).collect(),
        }
    }
}

fn path(entry: &HTTPIngressPath) -> Path {
    let path = entry.path.clone().filter(|path| !path.is_empty()).unwrap_or_else(|| "/".to_owned());
    if entry.path_type == "Exact" { Path::Exact(path) } else { Path::Prefix(path) }
}

fn service_port<'a>(
    service: &'a Service,
    wanted: &IngressServiceBackend,
) -> Option<&'a ServicePort> {
    let wanted = wanted.port.as_ref()?;
    let mut ports = service.spec.as_ref()?.ports.iter().flatten();
    ports.find(|port| match (&wanted.name, wanted.number) {
        (Some(name), _) => port.name.as_ref() == Some(name),
        (None, Some(number)) => port.port == number,
        (None, None) => false,
    })
}

fn protocol(port: &ServicePort) -> Protocol {
    match port.app_protocol.as_deref() {
        Some(word) if H2C.contains(&word) => Protocol::H2c,
        _ => Protocol::Http1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::discovery::v1::EndpointSlice;
    use serde_json::{Value, json};

    fn services() -> [Service; 2] {
        let service = |name: &str, port: Value| -> Service {
            serde_json::from_value(json!({"metadata": {"name": name, "namespace": "shop"},
                "spec": {"clusterIP": "10.43.0.7", "ports": [port]}}))
            .unwrap()
        };
        [
            service("web", json!({"name": "http", "port": 80})),
            service("pay", json!({"name": "http", "port": 90, "appProtocol": "kubernetes.io/h2c"})),
        ]
    }

    fn slice(service: &str, address: &str, ready: bool) -> EndpointSlice {
        serde_json::from_value(json!({"metadata": {"namespace": "shop",
                "labels": {"kubernetes.io/service-name": service}},
            "addressType": "IPv4", "ports": [{"name": "http", "port": 8080}],
            "endpoints": [{"addresses": [address], "conditions": {"ready": ready}}]}))
        .unwrap()
    }

    fn ingress(name: &str, spec: Value) -> Ingress {
        serde_json::from_value(
            json!({"metadata": {"name": name, "namespace": "shop"}, "spec": spec}),
        )
        .unwrap()
    }

    fn to(service: &str, port: Value) -> Value {
        json!({"service": {"name": service, "port": port}})
    }

    fn paths(list: &[(&str, &str, Value)]) -> Value {
        let path = |(path, kind, backend): &(&str, &str, Value)| json!({"path": path, "pathType": kind, "backend": backend});
        json!({"paths": list.iter().map(path).collect::<Vec<_>>()})
    }

    /// One line a route: `host path -> service protocol endpoints`.
    fn check(ingresses: &[Ingress], expected: &[&str]) {
        let services = services();
        let slices = [
            slice("web", "10.42.0.9", true),
            slice("web", "10.42.0.8", false),
            slice("pay", "10.42.0.7", true),
        ];
        let made = translate(ingresses, &services, &Slices::new(&slices));
        let line = |route: &Route| {
            let Backend { name, protocol, endpoints, .. } = &route.backends[0];
            format!("{} {} -> {name} {protocol:?} {endpoints:?}", route.host, route.path)
        };
        assert_eq!(made.routes.iter().map(line).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn rules_lead_to_ready_endpoints() {
        let http = paths(&[
            ("/", "Prefix", to("web", json!({"number": 80}))),
            ("/pay", "Exact", to("pay", json!({"name": "http"}))),
        ]);
        check(
            &[ingress("a", json!({"rules": [{"host": "Shop.example", "http": http}]}))],
            &[
                "shop.example / -> shop/web Http1 [10.42.0.9:8080]",
                "shop.example =/pay -> shop/pay H2c [10.42.0.7:8080]",
            ],
        );
    }

    #[test]
    fn a_default_backend_takes_the_rest() {
        let backend = to("web", json!({"number": 80}));
        check(
            &[ingress("a", json!({"defaultBackend": backend, "rules": [{"host": "*.x.y"}]}))],
            &[
                "*.x.y / -> shop/web Http1 [10.42.0.9:8080]",
                "* / -> shop/web Http1 [10.42.0.9:8080]",
            ],
        );
    }

    #[test]
    fn a_missing_service_or_port_leaves_a_route_without_endpoints() {
        let http = paths(&[
            ("/a", "Prefix", to("none", json!({"number": 80}))),
            ("/b", "Prefix", to("web", json!({"number": 81}))),
        ]);
        check(
            &[ingress("a", json!({"rules": [{"http": http}]}))],
            &["* /a -> shop/none Http1 []", "* /b -> shop/web Http1 []"],
        );
    }

    #[test]
    fn the_older_ingress_keeps_a_path() {
        let with = |name: &str, service: &str, time: &str| {
            let http = paths(&[("/", "Prefix", to(service, json!({"name": "http"})))]);
            let mut ingress = ingress(name, json!({"rules": [{"http": http}]}));
            ingress.metadata.creation_timestamp = serde_json::from_value(json!(time)).unwrap();
            ingress
        };
        check(
            &[with("a", "pay", "2026-01-02T00:00:00Z"), with("b", "web", "2026-01-01T00:00:00Z")],
            &["* / -> shop/web Http1 [10.42.0.9:8080]"],
        );
    }

    fn check_class(spec: Value, classes: &[(&str, &str, bool)], expected: bool) {
        let class = |(name, controller, default): &(&str, &str, bool)| -> IngressClass {
            let annotations = json!({DEFAULT_ANNOTATION: default.to_string()});
            serde_json::from_value(json!({"metadata": {"name": name, "annotations": annotations},
                "spec": {"controller": controller}}))
            .unwrap()
        };
        let classes: Vec<IngressClass> = classes.iter().map(class).collect();
        assert_eq!(is_ours(&ingress("a", spec), &classes), expected);
    }

    #[test]
    fn classes_say_whose_an_ingress_is() {
        check_class(json!({}), &[], true);
        check_class(json!({"ingressClassName": "sampan"}), &[], true);
        check_class(json!({"ingressClassName": "nginx"}), &[], false);
        check_class(json!({"ingressClassName": "own"}), &[("own", CONTROLLER, false)], true);
        check_class(json!({}), &[("nginx", "k8s.io/nginx", true)], false);
        check_class(json!({}), &[("nginx", "k8s.io/nginx", false)], true);
        check_class(json!({}), &[("own", CONTROLLER, true)], true);
    }
}
