//! Objects before and after, as `kubectl get -o yaml` shows them.

use serde_json::{Value, json};

use super::apply;

#[track_caller]
fn check(kind: &str, mut object: Value, expected: Value) {
    apply(&kind.parse().unwrap(), &mut object);
    assert_eq!(object, expected);
    let once = object.clone();
    apply(&kind.parse().unwrap(), &mut object);
    assert_eq!(object, once, "applied twice");
}

#[test]
fn a_small_pod_gets_everything() {
    check(
        "v1/Pod",
        json!({"spec": {"containers": [{"name": "a", "image": "nginx",
            "ports": [{"containerPort": 80}],
            "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}},
            "readinessProbe": {"httpGet": {"port": 80}}}]}}),
        json!({
            "spec": {
                "containers": [{
                    "name": "a", "image": "nginx", "imagePullPolicy": "Always",
                    "ports": [{"containerPort": 80, "protocol": "TCP"}],
                    "resources": {
                        "limits": {"cpu": "1", "memory": "1Gi"},
                        "requests": {"cpu": "500m", "memory": "1Gi"},
                    },
                    "readinessProbe": {
                        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
                        "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1,
                        "failureThreshold": 3,
                    },
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File",
                }],
                "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "securityContext": {},
                "terminationGracePeriodSeconds": 30, "schedulerName": "default-scheduler",
                "enableServiceLinks": true,
            },
            "status": {"phase": "Pending"},
        }),
    );
}

#[test]
fn volumes_get_their_sources_defaults() {
    let mut pod = json!({"spec": {"containers": [], "volumes": [
        {"name": "a"},
        {"name": "b", "configMap": {"name": "c"}},
        {"name": "c", "hostPath": {"path": "/x"}},
        {"name": "d", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
        {"name": "e", "secret": {"secretName": "s", "defaultMode": 256}},
    ]}});
    apply(&"v1/Pod".parse().unwrap(), &mut pod);
    assert_eq!(
        pod["spec"]["volumes"],
        json!([
            {"name": "a", "emptyDir": {}},
            {"name": "b", "configMap": {"name": "c", "defaultMode": 420}},
            {"name": "c", "hostPath": {"path": "/x", "type": ""}},
            {"name": "d", "projected": {"defaultMode": 420, "sources": [
                {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}]}},
            {"name": "e", "secret": {"secretName": "s", "defaultMode": 256}},
        ])
    );
}

#[test]
fn only_pods_have_the_ports_of_the_hosts_network_spelled_out() {
    let spec = json!({"hostNetwork": true, "containers": [{"ports": [{"containerPort": 80}]}]});
    let mut pod = json!({"spec": spec});
    apply(&"v1/Pod".parse().unwrap(), &mut pod);
    assert_eq!(pod["spec"]["containers"][0]["ports"][0]["hostPort"], 80);
    let mut template = json!({"template": {"spec": spec}});
    apply(&"v1/PodTemplate".parse().unwrap(), &mut template);
    assert_eq!(template["template"]["spec"]["containers"][0]["ports"][0].get("hostPort"), None);
}

#[test]
fn a_deployment_rolls_by_quarters() {
    check(
        "apps/v1/Deployment",
        json!({"spec": {"selector": {}, "template": {"spec": {"containers": [], "hostNetwork": false}}}}),
        json!({"spec": {
            "replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600,
            "strategy": {"type": "RollingUpdate",
                "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}},
            "selector": {},
            "template": {"spec": {"containers": [], "hostNetwork": false,
                "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "securityContext": {},
                "terminationGracePeriodSeconds": 30, "schedulerName": "default-scheduler"}},
        }}),
    );
}

#[test]
fn zero_replicas_stay_zero_and_recreate_has_no_rolling_update() {
    let mut deployment =
        json!({"spec": {"replicas": 0, "strategy": {"type": "Recreate"}, "template": {}}});
    apply(&"apps/v1/Deployment".parse().unwrap(), &mut deployment);
    assert_eq!(deployment["spec"]["replicas"], 0);
    assert_eq!(deployment["spec"]["strategy"], json!({"type": "Recreate"}));
}

#[test]
fn a_service_targets_its_own_port() {
    check(
        "v1/Service",
        json!({"spec": {"ports": [{"port": 80}, {"port": 81, "targetPort": "web", "protocol": "UDP"}]}}),
        json!({
            "spec": {
                "type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster",
                "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
                "ports": [{"port": 80, "targetPort": 80, "protocol": "TCP"},
                    {"port": 81, "targetPort": "web", "protocol": "UDP"}],
            },
            "status": {"loadBalancer": {}},
        }),
    );
}

#[test]
fn services_for_the_outside_and_sticky_ones() {
    let check = |spec: Value, expected: Value| {
        let mut service = json!({"spec": spec});
        apply(&"v1/Service".parse().unwrap(), &mut service);
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(service["spec"][field], *value, "{field}");
        }
    };
    check(
        json!({"type": "NodePort"}),
        json!({"externalTrafficPolicy": "Cluster", "allocateLoadBalancerNodePorts": null}),
    );
    check(
        json!({"type": "LoadBalancer"}),
        json!({"externalTrafficPolicy": "Cluster", "allocateLoadBalancerNodePorts": true}),
    );
    check(
        json!({"type": "ExternalName", "externalName": "a.b", "ports": [{"port": 80}]}),
        json!({"internalTrafficPolicy": null, "ipFamilies": null,
            "ports": [{"port": 80, "targetPort": 80, "protocol": "TCP"}]}),
    );
    check(
        json!({"sessionAffinity": "ClientIP"}),
        json!({"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}}}),
    );
}

#[test]
fn hooks_environment_and_init_containers_of_a_template() {
    let mut template = json!({"template": {"spec": {
        "serviceAccount": "bot",
        "initContainers": [{"name": "i", "image": "a:1"}],
        "containers": [{"name": "c", "image": "a:1",
            "resources": {"limits": {"cpu": "1"}},
            "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
            "lifecycle": {"preStop": {"httpGet": {"port": 80}}},
            "livenessProbe": {"grpc": {"port": 1}}}],
    }}});
    apply(&"v1/PodTemplate".parse().unwrap(), &mut template);
    let spec = &template["template"]["spec"];
    assert_eq!(spec["serviceAccountName"], "bot");
    assert_eq!(spec["initContainers"][0]["terminationMessagePolicy"], "File");
    let container = &spec["containers"][0];
    assert_eq!(container["resources"].get("requests"), None, "those are the pod's own");
    assert_eq!(container["env"][0]["valueFrom"]["fieldRef"]["apiVersion"], "v1");
    assert_eq!(
        container["lifecycle"]["preStop"]["httpGet"],
        json!({"port": 80, "path": "/", "scheme": "HTTP"})
    );
    assert_eq!(container["livenessProbe"]["grpc"]["service"], "");
}

#[test]
fn a_headless_service_keeps_both_forms_of_its_address() {
    let mut service = json!({"spec": {"clusterIP": "None"}});
    apply(&"v1/Service".parse().unwrap(), &mut service);
    assert_eq!(service["spec"]["clusterIPs"], json!(["None"]));
}

#[test]
fn a_namespace_is_labelled_with_its_name() {
    check(
        "v1/Namespace",
        json!({"metadata": {"name": "a"}}),
        json!({
            "metadata": {"name": "a", "labels": {"kubernetes.io/metadata.name": "a"}},
            "spec": {"finalizers": ["kubernetes"]},
            "status": {"phase": "Active"},
        }),
    );
}

#[test]
fn small_kinds() {
    check("v1/Secret", json!({"data": {}}), json!({"data": {}, "type": "Opaque"}));
    check(
        "v1/Secret",
        json!({"data": {"a": "eA==", "b": "eQ=="}, "stringData": {"a": "z"}}),
        json!({"data": {"a": "eg==", "b": "eQ=="}, "type": "Opaque"}),
    );
    check(
        "discovery.k8s.io/v1/EndpointSlice",
        json!({"ports": [{"port": 80}]}),
        json!({"endpoints": null, "ports": [{"port": 80, "name": "", "protocol": "TCP"}]}),
    );
    check(
        "networking.k8s.io/v1/IngressClass",
        json!({"spec": {"parameters": {"kind": "X", "name": "y"}}}),
        json!({"spec": {"parameters": {"kind": "X", "name": "y", "scope": "Cluster"}}}),
    );
    let mut node = json!({"status": {"capacity": {"cpu": "2"}}});
    apply(&crate::Gvk::core("Node"), &mut node);
    assert_eq!(node["status"]["allocatable"], json!({"cpu": "2"}));
    for kind in [
        "v1/ConfigMap",
        "v1/ServiceAccount",
        "coordination.k8s.io/v1/Lease",
        "networking.k8s.io/v1/Ingress",
    ] {
        check(kind, json!({}), json!({}));
    }
}

#[test]
fn nonsense_is_left_to_validation() {
    for object in [json!(null), json!([]), json!({"spec": 5}), json!({"spec": {"containers": [1]}})]
    {
        for kind in crate::schema::kinds() {
            apply(&kind, &mut object.clone());
        }
    }
}

#[test]
fn a_limit_range_follows_from_its_bounds() {
    check(
        "v1/LimitRange",
        json!({"spec": {"limits": [
            {"type": "Container", "min": {"cpu": "50m", "memory": "1Mi"}, "max": {"cpu": "1"}},
            {"type": "Pod", "max": {"cpu": "2"}},
        ]}}),
        json!({"spec": {"limits": [
            {
                "type": "Container", "min": {"cpu": "50m", "memory": "1Mi"}, "max": {"cpu": "1"},
                "default": {"cpu": "1"}, "defaultRequest": {"cpu": "1", "memory": "1Mi"},
            },
            {"type": "Pod", "max": {"cpu": "2"}},
        ]}}),
    );
}

#[test]
fn endpoints_speak_tcp() {
    check(
        "v1/Endpoints",
        json!({"subsets": [{"ports": [{"port": 80}]}]}),
        json!({"subsets": [{"ports": [{"port": 80, "protocol": "TCP"}]}]}),
    );
}

#[test]
fn disks_of_networks_have_their_usual_names() {
    check(
        "v1/PersistentVolume",
        json!({"spec": {"rbd": {"monitors": ["m"], "image": "i"}}}),
        json!({"spec": {"rbd": {"monitors": ["m"], "image": "i", "pool": "rbd", "user": "admin",
            "keyring": "/etc/ceph/keyring"}, "persistentVolumeReclaimPolicy": "Retain",
            "volumeMode": "Filesystem"}, "status": {"phase": "Pending"}}),
    );
}

#[test]
fn an_address_of_a_balancer_is_its_own() {
    let mut service = json!({"spec": {"type": "LoadBalancer"},
        "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}, {"hostname": "a.b"}]}}});
    apply(&"v1/Service".parse().unwrap(), &mut service);
    assert_eq!(
        service["status"]["loadBalancer"]["ingress"],
        json!([{"ip": "192.0.2.1", "ipMode": "VIP"}, {"hostname": "a.b"}])
    );
}
