//! A small valid object of each kind.

use serde_json::Value;

/// One kind and an object of it.
pub struct Sample {
    pub group_version: &'static str,
    pub plural: &'static str,
    pub name: &'static str,
    pub namespaced: bool,
    body: &'static str,
    /// A status it may have, but not from its beginning; empty where it has none.
    pub status: &'static str,
    /// A change of what is wanted.
    pub change: &'static str,
    /// What `kubectl get` shows, and after the bar what `-o wide` adds.
    pub columns: &'static str,
}

impl Sample {
    pub fn object(&self) -> Value {
        let mut object: Value = serde_json::from_str(self.body).unwrap();
        object["metadata"] = serde_json::json!({});
        object
    }
}

const fn of(group_version: &'static str, plural: &'static str, body: &'static str) -> Sample {
    Sample {
        group_version,
        plural,
        name: "life",
        namespaced: true,
        body,
        status: "",
        change: "",
        columns: "Name,Age|",
    }
}

pub const OBJECTS: &[Sample] = &[
    Sample {
        name: "v1.life.example.com",
        namespaced: false,
        columns: "Name,Service,Available,Age|",
        ..of(
            "apiregistration.k8s.io/v1",
            "apiservices",
            r#"{"spec": {"group": "life.example.com", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1, "service": {"namespace": "default", "name": "x"}}}"#,
        )
    },
    Sample {
        columns: "Name,Endpoints,Age|",
        ..of(
            "v1",
            "endpoints",
            r#"{"subsets": [{"addresses": [{"ip": "10.0.0.24"}], "ports": [{"name": "http", "port": 80}]}]}"#,
        )
    },
    Sample {
        columns: "Name,Created At|",
        ..of(
            "v1",
            "limitranges",
            r#"{"spec": {"limits": [{"type": "Container", "max": {"cpu": "1"}}]}}"#,
        )
    },
    Sample {
        status: r#"{"phase": "Bound"}"#,
        columns: "Name,Status,Volume,Capacity,Access Modes,StorageClass,VolumeAttributesClass,Age|VolumeMode",
        ..of(
            "v1",
            "persistentvolumeclaims",
            r#"{"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}"#,
        )
    },
    Sample {
        namespaced: false,
        status: r#"{"phase": "Available"}"#,
        columns: "Name,Capacity,Access Modes,Reclaim Policy,Status,Claim,StorageClass,VolumeAttributesClass,Reason,Age|VolumeMode",
        ..of(
            "v1",
            "persistentvolumes",
            r#"{"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}}"#,
        )
    },
    Sample {
        columns: "Name,Containers,Images,Pod Labels|",
        ..of(
            "v1",
            "podtemplates",
            r#"{"template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "a", "image": "b"}]}}}"#,
        )
    },
    Sample {
        status: r#"{"replicas": 3}"#,
        columns: "Name,Desired,Current,Ready,Age|Containers,Images,Selector",
        ..of(
            "v1",
            "replicationcontrollers",
            r#"{"spec": {"replicas": 1, "selector": {"app": "x"}, "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "a", "image": "b"}]}}}}"#,
        )
    },
    Sample {
        status: r#"{"hard": {"pods": "5"}}"#,
        columns: "Name,Request,Limit,Age|",
        ..of("v1", "resourcequotas", r#"{"spec": {"hard": {"pods": "5"}}}"#)
    },
    Sample {
        columns: "Name,Controller,Revision,Age|",
        ..of("apps/v1", "controllerrevisions", r#"{"revision": 1, "data": {"a": 1}}"#)
    },
    Sample {
        status: r#"{"numberReady": 2}"#,
        change: r#"{"spec": {"minReadySeconds": 3}}"#,
        columns: "Name,Desired,Current,Ready,Up-to-date,Available,Node Selector,Age|Containers,Images,Selector",
        ..of(
            "apps/v1",
            "daemonsets",
            r#"{"spec": {"selector": {"matchLabels": {"app": "x"}}, "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "a", "image": "b"}]}}}}"#,
        )
    },
    Sample {
        columns: "Name,Ready,Up-to-date,Available,Age|Containers,Images,Selector",
        ..of(
            "apps/v1",
            "deployments",
            r#"{"spec": {"selector": {"matchLabels": {"app": "x"}}, "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "a", "image": "b"}]}}}}"#,
        )
    },
    Sample {
        status: r#"{"replicas": 3}"#,
        columns: "Name,Desired,Current,Ready,Age|Containers,Images,Selector",
        ..of(
            "apps/v1",
            "replicasets",
            r#"{"spec": {"selector": {"matchLabels": {"app": "x"}}, "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "a", "image": "b"}]}}}}"#,
        )
    },
    Sample {
        status: r#"{"replicas": 3}"#,
        change: r#"{"spec": {"replicas": 3}}"#,
        columns: "Name,Ready,Age|Containers,Images",
        ..of(
            "apps/v1",
            "statefulsets",
            r#"{"spec": {"serviceName": "s", "selector": {"matchLabels": {"app": "x"}}, "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "a", "image": "b"}]}}}}"#,
        )
    },
    Sample {
        status: r#"{"currentReplicas": 2}"#,
        columns: "Name,Reference,Targets,MinPods,MaxPods,Replicas,Age|",
        ..of(
            "autoscaling/v2",
            "horizontalpodautoscalers",
            r#"{"spec": {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "web", "apiVersion": "apps/v1"}}}"#,
        )
    },
    Sample {
        status: r#"{"currentReplicas": 2}"#,
        columns: "Name,Reference,Targets,MinPods,MaxPods,Replicas,Age|",
        ..of(
            "autoscaling/v1",
            "horizontalpodautoscalers",
            r#"{"spec": {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "web", "apiVersion": "apps/v1"}}}"#,
        )
    },
    Sample {
        status: r#"{"lastScheduleTime": "2026-01-01T00:00:00Z"}"#,
        change: r#"{"spec": {"suspend": true}}"#,
        columns: "Name,Schedule,Timezone,Suspend,Active,Last Schedule,Age|Containers,Images,Selector",
        ..of(
            "batch/v1",
            "cronjobs",
            r#"{"spec": {"schedule": "*/1 * * * *", "jobTemplate": {"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "b"}]}}}}}}"#,
        )
    },
    Sample {
        status: r#"{"active": 1}"#,
        columns: "Name,Status,Completions,Duration,Age|Containers,Images,Selector",
        ..of(
            "batch/v1",
            "jobs",
            r#"{"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "b"}]}}}}"#,
        )
    },
    Sample {
        namespaced: false,
        status: r#"{"certificate": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1BQT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="}"#,
        columns: "Name,Age,SignerName,Requestor,RequestedDuration,Condition|",
        ..of("certificates.k8s.io/v1", "certificatesigningrequests", REQUEST)
    },
    Sample {
        columns: "Name,Holder,Age|",
        ..of(
            "coordination.k8s.io/v1",
            "leases",
            r#"{"spec": {"holderIdentity": "h", "leaseDurationSeconds": 30}}"#,
        )
    },
    Sample {
        columns: "Name,AddressType,Ports,Endpoints,Age|",
        ..of("discovery.k8s.io/v1", "endpointslices", r#"{"addressType": "IPv4", "endpoints": []}"#)
    },
    Sample {
        namespaced: false,
        status: r#"{"conditions": [{"type": "Dangling", "status": "False"}]}"#,
        columns: "Name,PriorityLevel,MatchingPrecedence,DistinguisherMethod,Age,MissingPL|",
        ..of(
            "flowcontrol.apiserver.k8s.io/v1",
            "flowschemas",
            r#"{"spec": {"matchingPrecedence": 10000, "priorityLevelConfiguration": {"name": "global-default"}, "distinguisherMethod": {"type": "ByUser"}}}"#,
        )
    },
    Sample {
        namespaced: false,
        status: r#"{"conditions": [{"type": "x", "status": "False"}]}"#,
        columns: "Name,Type,NominalConcurrencyShares,Queues,HandSize,QueueLengthLimit,Age|",
        ..of(
            "flowcontrol.apiserver.k8s.io/v1",
            "prioritylevelconfigurations",
            r#"{"spec": {"type": "Limited", "limited": {"nominalConcurrencyShares": 2, "limitResponse": {"type": "Reject"}}}}"#,
        )
    },
    Sample {
        status: r#"{"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}"#,
        columns: "Name,Class,Hosts,Address,Ports,Age|",
        ..of(
            "networking.k8s.io/v1",
            "ingresses",
            r#"{"spec": {"defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}}}"#,
        )
    },
    Sample {
        namespaced: false,
        columns: "Name,Controller,Parameters,Age|",
        ..of(
            "networking.k8s.io/v1",
            "ingressclasses",
            r#"{"spec": {"controller": "example.com/c"}}"#,
        )
    },
    Sample {
        name: "192.168.1.9",
        namespaced: false,
        columns: "Name,ParentRef|",
        ..of(
            "networking.k8s.io/v1",
            "ipaddresses",
            r#"{"spec": {"parentRef": {"resource": "services", "namespace": "default", "name": "x"}}}"#,
        )
    },
    Sample {
        change: r#"{"spec": {"podSelector": {"matchLabels": {"app": "x"}}}}"#,
        columns: "Name,Pod-Selector,Age|",
        ..of("networking.k8s.io/v1", "networkpolicies", r#"{"spec": {"podSelector": {}}}"#)
    },
    Sample {
        namespaced: false,
        status: r#"{"conditions": [{"type": "Ready", "status": "False", "reason": "r", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}"#,
        columns: "Name,CIDRs,Age|",
        ..of("networking.k8s.io/v1", "servicecidrs", r#"{"spec": {"cidrs": ["10.196.196.0/24"]}}"#)
    },
    Sample {
        namespaced: false,
        columns: "Name,Handler,Age|",
        ..of("node.k8s.io/v1", "runtimeclasses", r#"{"handler": "h"}"#)
    },
    Sample {
        status: r#"{"disruptionsAllowed": 3}"#,
        change: r#"{"spec": {"minAvailable": 2}}"#,
        columns: "Name,Min Available,Max Unavailable,Allowed Disruptions,Age|",
        ..of(
            "policy/v1",
            "poddisruptionbudgets",
            r#"{"spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "x"}}}}"#,
        )
    },
    Sample {
        namespaced: false,
        ..of(
            "resource.k8s.io/v1",
            "deviceclasses",
            r#"{"spec": {"selectors": [{"cel": {"expression": "true"}}]}}"#,
        )
    },
    Sample {
        status: r#"{"allocation": {"devices": {}}}"#,
        columns: "Name,State,Age|",
        ..of(
            "resource.k8s.io/v1",
            "resourceclaims",
            r#"{"spec": {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "c"}}]}}}"#,
        )
    },
    of(
        "resource.k8s.io/v1",
        "resourceclaimtemplates",
        r#"{"spec": {"spec": {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "c"}}]}}}}"#,
    ),
    Sample {
        namespaced: false,
        columns: "Name,Node,Driver,Pool,Age|",
        ..of(
            "resource.k8s.io/v1",
            "resourceslices",
            r#"{"spec": {"driver": "d.example.com", "nodeName": "n", "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1}}}"#,
        )
    },
    Sample {
        namespaced: false,
        columns: "Name,Value,Global-Default,Age,PreemptionPolicy|",
        ..of("scheduling.k8s.io/v1", "priorityclasses", r#"{"value": 7}"#)
    },
    Sample {
        namespaced: false,
        columns: "Name,AttachRequired,PodInfoOnMount,StorageCapacity,TokenRequests,RequiresRepublish,Modes,Age|",
        ..of("storage.k8s.io/v1", "csidrivers", r#"{"spec": {}}"#)
    },
    Sample {
        namespaced: false,
        columns: "Name,Drivers,Age|",
        ..of(
            "storage.k8s.io/v1",
            "csinodes",
            r#"{"spec": {"drivers": [{"name": "d", "nodeID": "n"}]}}"#,
        )
    },
    Sample {
        columns: "Name,StorageClassName,Capacity|",
        ..of(
            "storage.k8s.io/v1",
            "csistoragecapacities",
            r#"{"storageClassName": "s", "capacity": "1Gi"}"#,
        )
    },
    Sample {
        namespaced: false,
        columns: "Name,Provisioner,ReclaimPolicy,VolumeBindingMode,AllowVolumeExpansion,Age|",
        ..of("storage.k8s.io/v1", "storageclasses", r#"{"provisioner": "p"}"#)
    },
    Sample {
        namespaced: false,
        status: r#"{"attached": true}"#,
        columns: "Name,Attacher,PV,Node,Attached,Age|",
        ..of(
            "storage.k8s.io/v1",
            "volumeattachments",
            r#"{"spec": {"attacher": "a", "nodeName": "n", "source": {"persistentVolumeName": "p"}}}"#,
        )
    },
    Sample {
        namespaced: false,
        columns: "Name,DriverName,Age|",
        ..of(
            "storage.k8s.io/v1",
            "volumeattributesclasses",
            r#"{"driverName": "d", "parameters": {"k": "v"}}"#,
        )
    },
    Sample {
        namespaced: false,
        columns: "Name,Webhooks,Age|",
        ..of(
            "admissionregistration.k8s.io/v1",
            "validatingwebhookconfigurations",
            r#"{"webhooks": [{"name": "h.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"], "clientConfig": {"url": "https://example.com/x"}, "failurePolicy": "Ignore", "rules": [{"apiGroups": ["none.example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["nothings"]}]}]}"#,
        )
    },
    Sample {
        namespaced: false,
        columns: "Name,Webhooks,Age|",
        ..of(
            "admissionregistration.k8s.io/v1",
            "mutatingwebhookconfigurations",
            r#"{"webhooks": [{"name": "h.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"], "clientConfig": {"url": "https://example.com/x"}, "failurePolicy": "Ignore", "rules": [{"apiGroups": ["none.example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["nothings"]}]}]}"#,
        )
    },
    Sample {
        namespaced: false,
        columns: "Name,Validations,ParamKind,Age|",
        ..of(
            "admissionregistration.k8s.io/v1",
            "validatingadmissionpolicies",
            r#"{"spec": {"matchConstraints": {"resourceRules": [{"apiGroups": ["none.example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["nothings"]}]}, "validations": [{"expression": "true"}]}}"#,
        )
    },
    Sample {
        namespaced: false,
        columns: "Name,PolicyName,ParamRef,Age|",
        ..of(
            "admissionregistration.k8s.io/v1",
            "validatingadmissionpolicybindings",
            r#"{"spec": {"policyName": "p", "validationActions": ["Deny"]}}"#,
        )
    },
    Sample {
        namespaced: false,
        columns: "Name,Mutations,ParamKind,Age|",
        ..of(
            "admissionregistration.k8s.io/v1",
            "mutatingadmissionpolicies",
            r#"{"spec": {"matchConstraints": {"resourceRules": [{"apiGroups": ["none.example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["nothings"]}]}, "reinvocationPolicy": "Never", "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": "[JSONPatch{op: 'remove', path: '/spec/none'}]"}}]}}"#,
        )
    },
    Sample {
        namespaced: false,
        columns: "Name,PolicyName,ParamRef,Age|",
        ..of(
            "admissionregistration.k8s.io/v1",
            "mutatingadmissionpolicybindings",
            r#"{"spec": {"policyName": "p"}}"#,
        )
    },
];

const REQUEST: &str = concat!(
    r#"{"spec": {"signerName": "example.com/e2e", "usages": ["digital signature", "server auth"],"#,
    r#" "request": ""#,
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlJQ1dEQ0NBVUFDQVFBd0V6RVJNQThH",
    "QTFVRUF3d0laVEpsTFhSbGMzUXdnZ0VpTUEwR0NTcUdTSWIzRFFFQgpBUVVBQTRJQkR3QXdnZ0VLQW9J",
    "QkFRQzZoNUFWT01ZQ0lJeFdQa1BGdnVTU2M2VWJ4NE5UMGp1aUU2UHMvRGFHCkY2cDNrNmpqWWNCQjlh",
    "N2JEa3BBVHkvalU2M0ltcFhWQVdzbWFVWUppZVUyejJKU25jUDA2WDF0Z2MvaTJTc3MKK1grMXRzaDhJ",
    "THFmREZQL0JyQ2o1blNTSWJvR2NRbENld05SaU9uQ1hvSEFUQWQ4dURMMmxhWTlHTlE3QmdKMwpCb1pi",
    "VmJXNkVDekc1ZXhPRUxuWlFMRzBWU1d5bjJVWlhGNDBmR2F4VHNPSUZOeU96bnlFa3gwT2gydWJybWxE",
    "CmFrV2NxcGMrRHRvUWpEN1l1ZDVlaDR4NXk5U0JQSDQyS2NnZVROUk11UW42cUt3KzQ4WXk5Q2ljNEVM",
    "SmRJTWcKUFl6dUFQRHo2a0thRlR5SHRzR3dKVDhUWkhwMlJhMlFKUGZrSUdac0tXdlpBZ01CQUFHZ0FE",
    "QU5CZ2txaGtpRwo5dzBCQVFzRkFBT0NBUUVBSkE1TmttUEd5a3Q1T3pFY0pNQ3d0OHlyaWRmNXRjUWJU",
    "Nk1WTmdzbnI5c1JmZGZjCmd5eFU1M1d3SnUzcHFYR2ZPUENCRUlXTFNHekFtaGVXdTZzVVg0dVFzeUdo",
    "dzluNXlZalIwQVZQU1JRcjdUNTkKOUp3L1l0ZWZWV2VIaDVEbVVYREpWVkpRY2lJdDgxbzVvT01GNXRx",
    "T2pqMUtHenVkMWQzeTlYeHYrWHBXSTlmYgpoOHdOeUJoaGw0bms3Yk52c1VySDRFakpCc2tFM1VHRkpB",
    "RXJpelJhTi9WSFZZSlRTNk8wZ3dkRmh3a00zRzZ5CnY2bnRiU080SERKVmZuU2g2enJLU1dIVERuMVhi",
    "MGV6ZDRhWFBWWkg3UjB5a0JEK3JjbU5VS2IzWWkvZEpIbTkKQzVscVh6aGd0b1F5TUMyTUwwc3AzY08r",
    "Q0hXUHgvRVN6ZDRydUE9PQotLS0tLUVORCBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0K",
    r#""}}"#
);
