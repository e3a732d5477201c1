//! The environment of a container: service variables, `envFrom`, `env`, in that order.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, EnvFromSource, EnvVarSource, Pod, Service};

use super::expand::expand;
use super::fields::{self, FieldError, Place};
use super::references::Sources;

/// Why an environment cannot be made; the pod waits until it can.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum EnvError {
    #[error("configmap {0:?} not found")]
    NoConfigMap(String),
    #[error("secret {0:?} not found")]
    NoSecret(String),
    #[error("couldn't find key {key} in {kind} {namespace}/{name}")]
    NoKey { kind: &'static str, namespace: String, name: String, key: String },
    #[error("environment variable {variable}: {source}")]
    Field { variable: String, source: FieldError },
    #[error("environment variable {0}: its value is not UTF-8 text")]
    NotText(String),
    #[error("environment variable {0}: this kind of valueFrom is not supported")]
    Unsupported(String),
}

/// The variables of `container`, sorted by name. `services` are the service variables.
pub(crate) fn resolve(
    pod: &Pod,
    container: &Container,
    place: &Place,
    sources: &Sources,
    services: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, EnvError> {
    let resolver = Resolver { pod, container, place, sources };
    let mut result = services.clone();
    for from in container.env_from.iter().flatten() {
        result.extend(resolver.all_of(from)?);
    }
    let mut earlier: BTreeMap<String, String> = BTreeMap::new();
    for variable in container.env.iter().flatten() {
        let value = match &variable.value_from {
            Some(source) => match resolver.value_from(&variable.name, source)? {
                Some(value) => value,
                None => continue,
            },
            None => expand(variable.value.as_deref().unwrap_or_default(), |name| {
                earlier.get(name).or_else(|| services.get(name)).cloned()
            }),
        };
        earlier.insert(variable.name.clone(), value);
    }
    result.extend(earlier);
    Ok(result)
}

struct Resolver<'a> {
    pod: &'a Pod,
    container: &'a Container,
    place: &'a Place,
    sources: &'a Sources,
}

impl Resolver<'_> {
    fn namespace(&self) -> String {
        self.pod.metadata.namespace.clone().unwrap_or_default()
    }

    /// Every key of a ConfigMap or Secret, prefixed.
    fn all_of(&self, from: &EnvFromSource) -> Result<Vec<(String, String)>, EnvError> {
        let prefix = from.prefix.as_deref().unwrap_or_default();
        let mut all = Vec::new();
        if let Some(reference) = &from.config_map_ref {
            match self.sources.config_maps.get(&reference.name) {
                Some(map) => all.extend(
                    map.data.iter().flatten().map(|(k, v)| (format!("{prefix}{k}"), v.clone())),
                ),
                None if reference.optional == Some(true) => {}
                None => return Err(EnvError::NoConfigMap(reference.name.clone())),
            }
        }
        if let Some(reference) = &from.secret_ref {
            match self.sources.secrets.get(&reference.name) {
                Some(secret) => {
                    for (key, value) in secret.data.iter().flatten() {
                        let name = format!("{prefix}{key}");
                        let value = text(&name, value.0.clone())?;
                        all.push((name, value));
                    }
                }
                None if reference.optional == Some(true) => {}
                None => return Err(EnvError::NoSecret(reference.name.clone())),
            }
        }
        Ok(all)
    }

    /// The value of one `valueFrom`; None when an optional one is not there.
    fn value_from(&self, name: &str, from: &EnvVarSource) -> Result<Option<String>, EnvError> {
        let field = |source| EnvError::Field { variable: name.to_owned(), source };
        if let Some(reference) = &from.field_ref {
            return fields::field(self.pod, self.place, &reference.field_path)
                .map(Some)
                .map_err(field);
        }
        if let Some(selector) = &from.resource_field_ref {
            return fields::resource(self.pod, Some(self.container), self.place, selector)
                .map(Some)
                .map_err(field);
        }
        if let Some(key) = &from.config_map_key_ref {
            let found = self.sources.config_map_key(&key.name, &key.key);
            let exists = self.sources.config_maps.contains_key(&key.name);
            let absent = EnvError::NoConfigMap(key.name.clone());
            return self.key(
                name,
                found,
                exists,
                key.optional,
                absent,
                ("ConfigMap", &key.name, &key.key),
            );
        }
        if let Some(key) = &from.secret_key_ref {
            let found = self.sources.secret_key(&key.name, &key.key);
            let exists = self.sources.secrets.contains_key(&key.name);
            let absent = EnvError::NoSecret(key.name.clone());
            return self.key(
                name,
                found,
                exists,
                key.optional,
                absent,
                ("Secret", &key.name, &key.key),
            );
        }
        Err(EnvError::Unsupported(name.to_owned()))
    }

    fn key(
        &self,
        variable: &str,
        found: Option<Vec<u8>>,
        exists: bool,
        optional: Option<bool>,
        absent: EnvError,
        (kind, name, key): (&'static str, &str, &str),
    ) -> Result<Option<String>, EnvError> {
        match found {
            Some(value) => text(variable, value).map(Some),
            None if optional == Some(true) => Ok(None),
            None if !exists => Err(absent),
            None => Err(EnvError::NoKey {
                kind,
                namespace: self.namespace(),
                name: name.to_owned(),
                key: key.to_owned(),
            }),
        }
    }
}

fn text(variable: &str, value: Vec<u8>) -> Result<String, EnvError> {
    String::from_utf8(value).map_err(|_| EnvError::NotText(variable.to_owned()))
}

/// The variables that tell of the Services in a namespace, in Docker-links form. The
/// `kubernetes` Service of `default` is always told; the others only with service links.
pub(crate) fn service_variables<'a>(
    services: impl IntoIterator<Item = &'a Service>,
    namespace: &str,
    links: bool,
) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    for service in services {
        let name = service.metadata.name.as_deref().unwrap_or_default();
        let of = service.metadata.namespace.as_deref().unwrap_or_default();
        let api = of == "default" && name == "kubernetes";
        // A Service called `kubernetes` in the pod's own namespace must not hide the API.
        if api || (links && of == namespace && name != "kubernetes") {
            add_service(service, name, &mut variables);
        }
    }
    variables
}

fn add_service(service: &Service, name: &str, variables: &mut BTreeMap<String, String>) {
    let Some(spec) = &service.spec else { return };
    let Some(address) = spec.cluster_ip.as_deref().filter(|ip| !matches!(*ip, "" | "None")) else {
        return;
    };
    let prefix = name.to_uppercase().replace('-', "_");
    let ports = spec.ports.as_deref().unwrap_or_default();
    let Some(first) = ports.first() else { return };
    variables.insert(format!("{prefix}_SERVICE_HOST"), address.to_owned());
    variables.insert(format!("{prefix}_SERVICE_PORT"), first.port.to_string());
    for port in ports {
        let protocol = port.protocol.as_deref().unwrap_or("TCP");
        let url = format!("{}://{address}:{}", protocol.to_lowercase(), port.port);
        if let Some(name) = &port.name {
            let name = name.to_uppercase().replace('-', "_");
            variables.insert(format!("{prefix}_SERVICE_PORT_{name}"), port.port.to_string());
        }
        let link = format!("{prefix}_PORT_{}_{protocol}", port.port);
        variables.entry(format!("{prefix}_PORT")).or_insert_with(|| url.clone());
        variables.insert(format!("{link}_PROTO"), protocol.to_lowercase());
        variables.insert(format!("{link}_PORT"), port.port.to_string());
        variables.insert(format!("{link}_ADDR"), address.to_owned());
        variables.insert(link, url);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn sources() -> Sources {
        let mut sources = Sources::default();
        let map = json!({"data": {"color": "red", "size": "9"}});
        sources.config_maps.insert("m".into(), Arc::new(serde_json::from_value(map).unwrap()));
        let secret = json!({"data": {"password": "aHVudGVyMg==", "raw": "/w=="}});
        sources.secrets.insert("s".into(), Arc::new(serde_json::from_value(secret).unwrap()));
        sources
    }

    fn resolved(container: Value) -> Result<BTreeMap<String, String>, EnvError> {
        let mut container = container;
        container["name"] = json!("main");
        let pod = json!({"metadata": {"name": "web", "namespace": "shop"},
            "spec": {"containers": [container]}});
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let container = &pod.spec.as_ref().unwrap().containers[0];
        let services = BTreeMap::from([("DB_SERVICE_HOST".into(), "10.43.0.7".into())]);
        resolve(&pod, container, &Place::default(), &sources(), &services)
    }

    fn check(container: Value, expected: &[(&str, &str)]) {
        let mut env = resolved(container).unwrap();
        env.remove("DB_SERVICE_HOST");
        let env: Vec<_> = env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(env, expected);
    }

    fn check_error(container: Value, expected: &str) {
        assert_eq!(resolved(container).unwrap_err().to_string(), expected);
    }

    #[test]
    fn values_expand_what_came_before_and_services() {
        check(
            json!({"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)-$(C)"},
                {"name": "C", "value": "$(DB_SERVICE_HOST)"}]}),
            &[("A", "1"), ("B", "1-$(C)"), ("C", "10.43.0.7")],
        );
    }

    #[test]
    fn env_overrides_env_from() {
        check(
            json!({"envFrom": [{"prefix": "M_", "configMapRef": {"name": "m"}}],
                "env": [{"name": "M_color", "value": "blue"}]}),
            &[("M_color", "blue"), ("M_size", "9")],
        );
    }

    #[test]
    fn keys_of_secrets_and_fields_are_read() {
        check(
            json!({"env": [
                {"name": "P", "valueFrom": {"secretKeyRef": {"name": "s", "key": "password"}}},
                {"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}),
            &[("N", "web"), ("P", "hunter2")],
        );
    }

    #[test]
    fn optional_references_may_be_missing() {
        check(
            json!({"envFrom": [{"secretRef": {"name": "none", "optional": true}}],
                "env": [{"name": "X", "valueFrom": {"configMapKeyRef":
                    {"name": "m", "key": "none", "optional": true}}}]}),
            &[],
        );
    }

    #[test]
    fn missing_references_are_named() {
        check_error(
            json!({"env": [{"name": "X", "valueFrom":
                {"configMapKeyRef": {"name": "m", "key": "none"}}}]}),
            "couldn't find key none in ConfigMap shop/m",
        );
        check_error(
            json!({"envFrom": [{"secretRef": {"name": "none"}}]}),
            "secret \"none\" not found",
        );
        check_error(
            json!({"env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "s", "key": "raw"}}}]}),
            "environment variable X: its value is not UTF-8 text",
        );
    }

    #[test]
    fn services_are_told_in_links_form() {
        let service = |namespace: &str, name: &str, ip: &str| -> Service {
            serde_json::from_value(json!({"metadata": {"name": name, "namespace": namespace},
                "spec": {"clusterIP": ip, "ports": [{"name": "web-ui", "port": 80}]}}))
            .unwrap()
        };
        let all = [
            service("default", "kubernetes", "10.43.0.1"),
            service("shop", "my-db", "10.43.0.7"),
            service("shop", "headless", "None"),
            service("other", "far", "10.43.0.8"),
        ];
        let variables = service_variables(&all, "shop", true);
        assert_eq!(variables["KUBERNETES_SERVICE_HOST"], "10.43.0.1");
        assert_eq!(variables["MY_DB_SERVICE_PORT_WEB_UI"], "80");
        assert_eq!(variables["MY_DB_PORT"], "tcp://10.43.0.7:80");
        assert_eq!(variables["MY_DB_PORT_80_TCP_ADDR"], "10.43.0.7");
        assert!(!variables.keys().any(|name| name.starts_with("FAR") || name.starts_with("HEAD")));
        let without = service_variables(&all, "shop", false);
        assert!(without.keys().all(|name| name.starts_with("KUBERNETES_")));
    }
}
