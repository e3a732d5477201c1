//! The files the node puts below a container's /etc: hosts, hostname, resolv.conf.

use std::fmt::Write;
use std::net::Ipv4Addr;

use k8s_openapi::api::core::v1::{Pod, PodSpec};

use super::spec::{fqdn, hostname};

/// /etc/hosts of a pod: the usual names, its own, its aliases. A pod on the host's network
/// starts from the host's file.
pub(crate) fn hosts(pod: &Pod, address: Ipv4Addr, domain: &str, host_file: &str) -> String {
    let spec = pod.spec.clone().unwrap_or_default();
    // Upstream's words: programs look for them to know whose file it is.
    let mut text = String::from("# Kubernetes-managed hosts file");
    if spec.host_network == Some(true) {
        text.push_str(" (host network).\n");
        text.push_str(host_file);
    } else {
        text.push_str(".\n");
        text.push_str("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
        let name = hostname(pod);
        let names = match fqdn(pod, domain) {
            Some(long) => format!("{long}\t{name}"),
            None => name,
        };
        text.push_str(&format!("{address}\t{names}\n"));
    }
    if spec.host_aliases.as_ref().is_some_and(|aliases| !aliases.is_empty()) {
        text.push_str("\n# Entries added by HostAliases.\n");
    }
    for alias in spec.host_aliases.iter().flatten() {
        let names = alias.hostnames.clone().unwrap_or_default().join("\t");
        text.push_str(&format!("{}\t{names}\n", alias.ip));
    }
    text
}

/// Where names are looked up.
pub(crate) struct Resolver<'a> {
    pub address: Ipv4Addr,
    pub domain: &'a str,
    /// The host's own resolv.conf.
    pub host_file: &'a str,
}

/// /etc/resolv.conf of a pod, by its dnsPolicy and dnsConfig.
pub(crate) fn resolv_conf(pod: &Pod, resolver: &Resolver<'_>) -> String {
    let spec = pod.spec.clone().unwrap_or_default();
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let mut conf = match policy(&spec) {
        "None" => Conf::default(),
        "Default" => Conf::parse(resolver.host_file),
        _ => cluster(namespace, resolver),
    };
    if let Some(extra) = &spec.dns_config {
        conf.nameservers.extend(extra.nameservers.iter().flatten().cloned());
        conf.search.extend(extra.searches.iter().flatten().cloned());
        for option in extra.options.iter().flatten() {
            let name = option.name.clone().unwrap_or_default();
            conf.set_option(&name, option.value.as_deref());
        }
    }
    conf.text()
}

/// `ClusterFirst` on the host's network means the host's resolver.
fn policy(spec: &PodSpec) -> &str {
    match spec.dns_policy.as_deref().unwrap_or("ClusterFirst") {
        "ClusterFirst" if spec.host_network == Some(true) => "Default",
        policy => policy,
    }
}

fn cluster(namespace: &str, resolver: &Resolver<'_>) -> Conf {
    let domain = resolver.domain;
    let mut search =
        vec![format!("{namespace}.svc.{domain}"), format!("svc.{domain}"), domain.to_owned()];
    search.extend(Conf::parse(resolver.host_file).search);
    Conf {
        nameservers: vec![resolver.address.to_string()],
        search,
        options: vec!["ndots:5".to_owned()],
    }
}

/// A resolv.conf taken apart.
#[derive(Default)]
struct Conf {
    nameservers: Vec<String>,
    search: Vec<String>,
    options: Vec<String>,
}

impl Conf {
    fn parse(text: &str) -> Self {
        let mut conf = Self::default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let keyword = words.next();
            let rest = words.map(str::to_owned);
            match keyword {
                Some("nameserver") => conf.nameservers.extend(rest.take(1)),
                Some("search" | "domain") => conf.search = rest.collect(),
                Some("options") => conf.options.extend(rest),
                _ => {}
            }
        }
        conf
    }

    /// Sets an option, replacing one of the same name.
    fn set_option(&mut self, name: &str, value: Option<&str>) {
        self.options.retain(|option| option.split(':').next() != Some(name));
        self.options.push(match value {
            Some(value) if !value.is_empty() => format!("{name}:{value}"),
            _ => name.to_owned(),
        });
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for nameserver in &self.nameservers {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "nameserver {nameserver}");
        }
        let mut search: Vec<&str> = Vec::new();
        for name in &self.search {
            if !search.contains(&name.as_str()) {
                search.push(name);
            }
        }
        if !search.is_empty() {
            let _ = writeln!(text, "search {}", search.join(" "));
        }
        if !self.options.is_empty() {
            let _ = writeln!(text, "options {}", self.options.join(" "));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(mut spec: Value) -> Pod {
        spec["containers"] = json!([]);
        let meta = json!({"name": "web", "namespace": "shop"});
        serde_json::from_value(json!({"metadata": meta, "spec": spec})).unwrap()
    }

    fn check_resolv(spec: Value, expected: &str) {
        let resolver = Resolver {
            address: Ipv4Addr::new(10, 43, 0, 10),
            domain: "cluster.local",
            host_file: "# x\nnameserver 9.9.9.9\nsearch lan\noptions edns0\n",
        };
        assert_eq!(resolv_conf(&pod(spec), &resolver), expected);
    }

    #[test]
    fn pods_ask_the_cluster_first() {
        check_resolv(
            json!({}),
            "nameserver 10.43.0.10\nsearch shop.svc.cluster.local svc.cluster.local cluster.local lan\noptions ndots:5\n",
        );
    }

    #[test]
    fn the_default_policy_is_the_hosts_file() {
        let host = "nameserver 9.9.9.9\nsearch lan\noptions edns0\n";
        check_resolv(json!({"dnsPolicy": "Default"}), host);
        check_resolv(json!({"hostNetwork": true}), host);
    }

    #[test]
    fn dns_config_is_added() {
        check_resolv(
            json!({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1"],
                "searches": ["a.b"], "options": [{"name": "ndots", "value": "2"}]}}),
            "nameserver 1.1.1.1\nsearch a.b\noptions ndots:2\n",
        );
    }

    fn check_hosts(spec: Value, expected: &str) {
        let text = hosts(&pod(spec), Ipv4Addr::new(10, 42, 0, 9), "cluster.local", "1.2.3.4 box\n");
        let end = text.lines().skip(1).filter(|line| !line.contains("localhost"));
        assert_eq!(end.collect::<Vec<_>>().join("\n"), expected);
    }

    #[test]
    fn hosts_know_the_pod_and_its_aliases() {
        check_hosts(json!({}), "10.42.0.9\tweb");
        check_hosts(
            json!({"hostname": "h", "subdomain": "s",
                "hostAliases": [{"ip": "1.1.1.1", "hostnames": ["a", "b"]}]}),
            "10.42.0.9\th.s.shop.svc.cluster.local\th\n\n# Entries added by HostAliases.\n1.1.1.1\ta\tb",
        );
        check_hosts(json!({"hostNetwork": true}), "1.2.3.4 box");
    }
}
