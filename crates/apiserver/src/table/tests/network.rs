//! Services, endpoints, Ingresses and addresses.

use super::*;

#[test]
fn services_of_each_type_show_where_they_are_reached() {
    let service = |kind: &str, more: Value| {
        let mut spec = json!({"type": kind, "clusterIP": "1.4.5.6", "clusterIPs": ["1.4.5.6", "fd00::1"],
            "ports": [{"port": 80, "protocol": "TCP"}], "selector": {"b": "2", "a": "1"}});
        spec.as_object_mut().unwrap().extend(more["spec"].as_object().cloned().unwrap_or_default());
        json!({"spec": spec, "status": more["status"]})
    };
    let row = |kind: &str, external: &str, ports: &str| {
        json!(["x", kind, "1.4.5.6", external, ports, OLD, "a=1,b=2"])
    };
    let plain = || json!({});
    check("Service", service("ClusterIP", plain()), row("ClusterIP", "<none>", "80/TCP"));
    let external = || json!({"spec": {"externalIPs": ["9.9.9.9", "8.8.8.8"]}});
    let both = "9.9.9.9,8.8.8.8";
    check("Service", service("ClusterIP", external()), row("ClusterIP", both, "80/TCP"));
    let ports = json!({"spec": {"ports": [{"port": 80, "protocol": "TCP", "nodePort": 30080},
        {"port": 53, "protocol": "UDP"}]}});
    let shown = row("NodePort", "<none>", "80:30080/TCP,53/UDP");
    check("Service", service("NodePort", ports), shown);
    let kind = "LoadBalancer";
    check("Service", service(kind, plain()), row(kind, "<pending>", "80/TCP"));
    check("Service", service(kind, external()), row(kind, both, "80/TCP"));
    let given = json!({"status": {"loadBalancer": {"ingress": [
        {"ip": "2.2.2.2"}, {"hostname": "a-long-name.example.com"}, {"ip": "1.1.1.1"}, {"ip": "2.2.2.2"}]}}});
    let shown = "1.1.1.1,2.2.2.2,a-long-name.example.com";
    check("Service", service(kind, given), row(kind, shown, "80/TCP"));
    let with_both = json!({"spec": {"externalIPs": ["9.9.9.9"]},
        "status": {"loadBalancer": {"ingress": [{"ip": "2.2.2.2"}]}}});
    check("Service", service(kind, with_both), row(kind, "2.2.2.2,9.9.9.9", "80/TCP"));
    check("Service", service("Odd", plain()), row("Odd", "<unknown>", "80/TCP"));
    let name = json!({"spec": {"type": "ExternalName", "externalName": "example.com"}});
    let expected = json!(["x", "ExternalName", "<none>", "example.com", "<none>", OLD, "<none>"]);
    check("Service", name, expected);
    let headless =
        json!({"spec": {"type": "ClusterIP", "clusterIP": "None", "clusterIPs": ["None"]}});
    check(
        "Service",
        headless,
        json!(["x", "ClusterIP", "None", "<none>", "<none>", OLD, "<none>"]),
    );
}

#[test]
fn endpoints_are_spelled_out_up_to_three() {
    let row = |shown: &str| json!(["x", shown, OLD]);
    check("Endpoints", json!({}), row("<none>"));
    let at = |addresses: &[&str], ports: Value| {
        let addresses: Vec<Value> = addresses.iter().map(|ip| json!({"ip": ip})).collect();
        json!({"subsets": [{"addresses": addresses, "ports": ports}]})
    };
    check("Endpoints", at(&["1.2.3.4"], json!([])), row("1.2.3.4"));
    let http = || json!([{"name": "http", "port": 80}]);
    check("Endpoints", at(&["1.2.3.4", "fd00::5"], http()), row("1.2.3.4:80,[fd00::5]:80"));
    let two = json!([{"port": 80}, {"port": 443}]);
    let shown = row("1.1.1.1:80,1.1.1.2:80,1.1.1.1:443 + 1 more...");
    check("Endpoints", at(&["1.1.1.1", "1.1.1.2"], two), shown);
    let four = ["1", "2", "3", "4", "5"];
    check("Endpoints", at(&four, json!([])), row("1,2,3 + 2 more..."));
    let unready =
        json!({"subsets": [{"notReadyAddresses": [{"ip": "1.2.3.4"}], "ports": [{"port": 80}]}]});
    check("Endpoints", unready, row(""));
}

#[test]
fn endpoint_slices_show_ports_and_addresses() {
    let slice = |ports: Value, endpoints: Value| json!({"addressType": "IPv4", "ports": ports, "endpoints": endpoints});
    let row = |ports: &str, addresses: &str| json!(["x", "IPv4", ports, addresses, OLD]);
    check("EndpointSlice", slice(json!([]), json!([])), row("<unset>", "<unset>"));
    let ports = json!([{"name": "http", "port": 80}, {"name": "any"}, {}]);
    let endpoints = json!([{"addresses": ["10.1.2.3", "10.1.2.4"]}]);
    check("EndpointSlice", slice(ports, endpoints), row("80,any,*", "10.1.2.3,10.1.2.4"));
    let ports = json!([{"port": 1}, {"port": 2}, {"port": 3}, {"port": 4}, {"port": 5}]);
    let endpoints = json!([{"addresses": ["a", "b"]}, {"addresses": ["c", "d"]}]);
    check("EndpointSlice", slice(ports, endpoints), row("1,2,3 + 2 more...", "a,b,c + 1 more..."));
}

#[test]
fn ingresses_show_class_hosts_address_and_ports() {
    let ingress = |spec: Value, status: Value| json!({"spec": spec, "status": status});
    let row = |class: &str, hosts: &str, address: &str, ports: &str| {
        json!(["x", class, hosts, address, ports, OLD])
    };
    check("Ingress", ingress(json!({}), json!({})), row("<none>", "*", "", "80"));
    let spec = json!({"ingressClassName": "foo", "tls": [{}], "rules": [{"host": "a"}, {}]});
    let status =
        json!({"loadBalancer": {"ingress": [{"ip": "2.3.4.5"}, {"hostname": "lb.example.com"}]}});
    let shown = row("foo", "a", "2.3.4.5,lb.example.com", "80, 443");
    check("Ingress", ingress(spec, status), shown);
    let hosts = |all: &[&str]| {
        let rules: Vec<Value> = all.iter().map(|host| json!({"host": host})).collect();
        ingress(json!({"rules": rules}), json!({}))
    };
    check("Ingress", hosts(&["a", "b", "c"]), row("<none>", "a,b,c", "", "80"));
    let shown = row("<none>", "a,b,c + 2 more...", "", "80");
    check("Ingress", hosts(&["a", "b", "c", "d", "e"]), shown);
    // Rules without a host are counted too once three are shown.
    let shown = row("<none>", "a,b,c + 2 more...", "", "80");
    check("Ingress", hosts(&["a", "", "b", "c", "d"]), shown);
    let old =
        json!({"metadata": {"annotations": {"kubernetes.io/ingress.class": "old"}}, "spec": {}});
    check("Ingress", old, row("<none>", "*", "", "80"));
}

#[test]
fn ingress_classes_show_their_parameters() {
    let class =
        |parameters: Value| json!({"spec": {"controller": "e.com/c", "parameters": parameters}});
    let row = |shown: &str| json!(["x", "e.com/c", shown, OLD]);
    check("IngressClass", class(Value::Null), row("<none>"));
    check("IngressClass", class(json!({"kind": "K", "name": "n"})), row("K/n"));
    let grouped = json!({"apiGroup": "e.com", "kind": "K", "name": "n"});
    check("IngressClass", class(grouped), row("K.e.com/n"));
}

#[test]
fn network_policies_show_whom_they_select() {
    let policy = |selector: Value| json!({"spec": {"podSelector": selector}});
    let row = |shown: &str| json!(["x", shown, OLD]);
    check("NetworkPolicy", policy(json!({})), row("<none>"));
    let selector = json!({"matchLabels": {"z": "1", "foo": "bar"}, "matchExpressions": [
        {"key": "k", "operator": "In", "values": ["b", "a"]}, {"key": "l", "operator": "Exists"},
        {"key": "m", "operator": "DoesNotExist"}, {"key": "n", "operator": "NotIn", "values": ["c"]}]});
    check("NetworkPolicy", policy(selector), row("foo=bar,k in (a,b),l,!m,n notin (c),z=1"));
    let odd = json!({"matchExpressions": [{"key": "k", "operator": "Like", "values": ["b"]}]});
    check("NetworkPolicy", policy(odd), row("<error>"));
}

#[test]
fn addresses_and_their_ranges() {
    let cidrs = json!({"spec": {"cidrs": ["10.1.0.0/16", "fd00:1:1::/64"]}});
    check("ServiceCIDR", cidrs, json!(["x", "10.1.0.0/16,fd00:1:1::/64", OLD]));
    let address = |parent: Value| json!({"spec": {"parentRef": parent}});
    let parent = json!({"resource": "Services", "namespace": "n", "name": "s"});
    check("IPAddress", address(parent), json!(["x", "services/n/s"]));
    let parent = json!({"group": "e.com", "resource": "things", "name": "t"});
    check("IPAddress", address(parent), json!(["x", "things.e.com/t"]));
    check("IPAddress", json!({"spec": {}}), json!(["x", "<none>"]));
}
