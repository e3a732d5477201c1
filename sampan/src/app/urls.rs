//! Where an app answers: the URLs of its Ingresses.

use std::net::SocketAddr;

use serde_json::Value;

/// The URLs of all rules of the Ingresses among `objects`, through the gateway at `gateway`.
pub fn of<'a>(objects: impl IntoIterator<Item = &'a Value>, gateway: SocketAddr) -> Vec<String> {
    let ingresses = objects.into_iter().filter(|object| object["kind"] == "Ingress");
    let mut urls: Vec<String> = Vec::new();
    for ingress in ingresses {
        for rule in ingress["spec"]["rules"].as_array().into_iter().flatten() {
            let host = host(rule["host"].as_str(), gateway);
            for path in rule["http"]["paths"].as_array().into_iter().flatten() {
                let path = path["path"].as_str().unwrap_or("/");
                urls.push(format!("http://{host}{}{path}", port(gateway)));
            }
        }
        if ingress["spec"]["defaultBackend"].is_object() {
            urls.push(format!("http://{}{}/", host(None, gateway), port(gateway)));
        }
    }
    urls.dedup();
    urls
}

fn host(named: Option<&str>, gateway: SocketAddr) -> String {
    match named.filter(|host| !host.is_empty()) {
        Some(host) => host.replacen("*.", "any.", 1),
        None if gateway.ip().is_unspecified() => "127.0.0.1".into(),
        None => gateway.ip().to_string(),
    }
}

fn port(gateway: SocketAddr) -> String {
    if gateway.port() == 80 { String::new() } else { format!(":{}", gateway.port()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(spec: Value, gateway: &str, expected: &[&str]) {
        let object = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "spec": spec});
        assert_eq!(of([&object], gateway.parse().unwrap()), expected);
    }

    #[test]
    fn hosts_and_paths_become_urls() {
        let rule =
            |host: Value| json!({"rules": [{"host": host, "http": {"paths": [{"path": "/api"}]}}]});
        check(rule(json!("shop.localhost")), "0.0.0.0:8080", &["http://shop.localhost:8080/api"]);
        check(rule(Value::Null), "0.0.0.0:80", &["http://127.0.0.1/api"]);
    }
}
