//! What an Ingress asks for that this gateway cannot do; the rest of it is served.

use k8s_openapi::api::networking::v1::{Ingress, IngressBackend};

/// The paths of the fields that are not supported.
pub(crate) fn fields(ingress: &Ingress) -> Vec<String> {
    let Some(spec) = &ingress.spec else { return Vec::new() };
    let is_resource = |backend: &IngressBackend| backend.resource.is_some();
    let mut found = Vec::new();
    if spec.default_backend.as_ref().is_some_and(is_resource) {
        found.push("spec.defaultBackend.resource".to_owned());
    }
    for (rule, http) in spec.rules.iter().flatten().enumerate() {
        for (index, path) in http.http.iter().flat_map(|http| &http.paths).enumerate() {
            if is_resource(&path.backend) {
                found.push(format!("spec.rules[{rule}].http.paths[{index}].backend.resource"));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn backends_that_are_no_services_are_named() {
        let bucket = json!({"resource": {"kind": "Bucket", "name": "files"}});
        let service = json!({"service": {"name": "web", "port": {"number": 80}}});
        let path = |backend| json!({"path": "/", "pathType": "Prefix", "backend": backend});
        let spec = json!({"defaultBackend": bucket, "rules": [{"host": "a"},
            {"http": {"paths": [path(service), path(bucket.clone())]}}]});
        let ingress: Ingress = serde_json::from_value(json!({"spec": spec})).unwrap();
        let expected =
            ["spec.defaultBackend.resource", "spec.rules[1].http.paths[1].backend.resource"];
        assert_eq!(fields(&ingress), expected);
    }
}
