//! What a container finds around itself is what its pod's spec says.

use std::net::SocketAddr;

use crate::boat::{Boat, eventually};
use crate::http;
use crate::pod::{afloat, ask};
use crate::port::free_port;

const CONFIGURATION: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {color: red, size: large}
---
apiVersion: v1
kind: Secret
metadata: {name: password}
data: {word: c2VzYW1l}
"#;

const FACTS: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: facts, labels: {tier: front}, annotations: {note: "hello there"}}
spec:
  hostname: teller
  hostAliases: [{ip: 10.9.8.7, hostnames: [ledger]}]
  dnsConfig: {searches: [example.test], options: [{name: ndots, value: "2"}]}
  securityContext: {runAsUser: 1234, runAsGroup: 2345, fsGroup: 3456, supplementalGroups: [4567]}
  containers:
  - name: main
    image: echo:1
    workingDir: /data
    env:
    - {name: COLOR, valueFrom: {configMapKeyRef: {name: settings, key: color}}}
    - {name: WORD, valueFrom: {secretKeyRef: {name: password, key: word}}}
    - {name: GREETING, value: "a $(COLOR) one, $$(COLOR), $(NOTHING)"}
    - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: ADDRESS, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    - {name: TIER, valueFrom: {fieldRef: {fieldPath: "metadata.labels['tier']"}}}
    - {name: CPUS, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1m}}}
    - {name: MEMORY, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}
    envFrom: [{configMapRef: {name: settings}, prefix: ALL_}, {secretRef: {name: none, optional: true}}]
    resources: {requests: {cpu: 100m, memory: 16Mi}, limits: {cpu: 500m, memory: 64Mi}}
    securityContext:
      readOnlyRootFilesystem: true
      allowPrivilegeEscalation: false
      capabilities: {drop: [ALL]}
      seccompProfile: {type: RuntimeDefault}
    volumeMounts:
    - {name: data, mountPath: /data}
    - {name: data, mountPath: /part, subPath: deep/down}
    - {name: memory, mountPath: /memory}
    - {name: memory, mountPath: /slice, subPathExpr: "$(POD)"}
    - {name: config, mountPath: /config}
    - {name: secret, mountPath: /secret}
    - {name: info, mountPath: /info}
    - {name: all, mountPath: /all}
    - {name: host, mountPath: /host, readOnly: true}
  volumes:
  - {name: data, emptyDir: {}}
  - {name: memory, emptyDir: {medium: Memory, sizeLimit: 4Mi}}
  - {name: config, configMap: {name: settings, items: [{key: color, path: paint/color}]}}
  - {name: secret, secret: {secretName: password, defaultMode: 0400}}
  - {name: info, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}
  - name: all
    projected:
      sources:
      - {configMap: {name: settings}}
      - {secret: {name: password, items: [{key: word, path: key}]}}
      - {downwardAPI: {items: [{path: name, fieldRef: {fieldPath: metadata.name}}]}}
      - {serviceAccountToken: {path: token, expirationSeconds: 600}}
  - {name: host, hostPath: {path: HOST, type: Directory}}
"#;

#[track_caller]
fn check(at: SocketAddr, path: &str, expected: &str) {
    assert_eq!(ask(at, path), expected, "{path}");
}

#[track_caller]
fn check_has(at: SocketAddr, path: &str, parts: &[&str]) {
    let text = ask(at, path);
    for part in parts {
        assert!(text.contains(part), "{path}: no {part:?} in:\n{text}");
    }
}

#[test]
fn a_container_finds_what_its_pod_says() {
    let Some(boat) = afloat("facts") else { return };
    let host = tempfile::tempdir().expect("a folder");
    std::fs::write(host.path().join("note"), "from the host").expect("a file");
    boat.apply(CONFIGURATION);
    boat.apply(&FACTS.replace("HOST", host.path().to_str().expect("a path")));
    let at = boat.service_of("facts");
    environment(at);
    process(at);
    files(at);
    volumes(at);
    volumes_follow_the_api(&boat, at);
}

fn environment(at: SocketAddr) {
    check(at, "/env?COLOR", "red");
    check(at, "/env?WORD", "sesame");
    check(at, "/env?GREETING", "a red one, $(COLOR), $(NOTHING)");
    check(at, "/env?POD", "facts");
    check(at, "/env?ADDRESS", &at.ip().to_string());
    check(at, "/env?TIER", "front");
    check(at, "/env?CPUS", "500");
    check(at, "/env?MEMORY", "64");
    check(at, "/env?ALL_size", "large");
    check(at, "/env?HOSTNAME", "teller");
}

/// Who it is, what it may do, how much it may take.
fn process(at: SocketAddr) {
    let status = [
        "Uid:\t1234\t1234\t1234\t1234",
        "Gid:\t2345\t2345\t2345\t2345",
        "Groups:\t3456 4567",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
    ];
    check_has(at, "/file?/proc/self/status", &status);
    check(at, "/file?/proc/1/comm", "echo\n");
    let either = |v1: &str, v2: &str| {
        let old = http::get(at, "pod", &format!("/file?/sys/fs/cgroup/{v1}"));
        match old {
            Ok(reply) if reply.code == 200 => reply.body.trim().to_owned(),
            _ => ask(at, &format!("/file?/sys/fs/cgroup/{v2}")).trim().to_owned(),
        }
    };
    assert_eq!(either("memory/memory.limit_in_bytes", "memory.max"), (64 << 20).to_string());
    let quota = either("cpu/cpu.cfs_quota_us", "cpu.max");
    assert!(quota.starts_with("50000"), "{quota}");
}

fn files(at: SocketAddr) {
    check(at, "/file?/proc/sys/kernel/hostname", "teller\n");
    check(at, "/file?/etc/hostname", "teller\n");
    check_has(at, "/file?/etc/hosts", &["10.9.8.7\tledger", &format!("{}\tteller", at.ip())]);
    let names = ["nameserver 10.", "default.svc.cluster.local", "example.test", "ndots:2"];
    check_has(at, "/file?/etc/resolv.conf", &names);
    check(at, "/resolve?ledger", "10.9.8.7");
    check(at, "/do?append+/forbidden+x", "1");
    check(at, "/do?append+relative+x", "");
    check(at, "/file?/data/relative", "x\n");
}

fn volumes(at: SocketAddr) {
    check(at, "/describe?/data", "2777 0 3456");
    check(at, "/do?append+/part/file+x", "");
    check(at, "/file?/data/deep/down/file", "x\n");
    check(at, "/describe?/memory", "2777 0 3456");
    check(at, "/do?write+/slice/fits+2", "");
    check(at, "/describe?/memory/facts/fits", "644 1234 3456");
    check(at, "/do?write+/memory/large+8", "1");
    check(at, "/file?/config/paint/color", "red");
    check(at, "/do?append+/config/paint/color+x", "1");
    check(at, "/file?/secret/word", "sesame");
    check(at, "/describe?/secret/word", "440 0 3456");
    check(at, "/file?/info/labels", "tier=\"front\"");
    check(at, "/file?/all/color", "red");
    check(at, "/file?/all/key", "sesame");
    check(at, "/file?/all/name", "facts");
    assert_eq!(ask(at, "/file?/all/token").split('.').count(), 3, "a token");
    check(at, "/file?/host/note", "from the host");
    check(at, "/do?append+/host/note+x", "1");
    let account = "/file?/var/run/secrets/kubernetes.io/serviceaccount/";
    check(at, &format!("{account}namespace"), "default");
    check_has(at, &format!("{account}ca.crt"), &["BEGIN CERTIFICATE"]);
}

fn volumes_follow_the_api(boat: &Boat, at: SocketAddr) {
    let change = r#"{"data":{"color":"blue"}}"#;
    boat.kubectl_ok(&["patch", "configmap", "settings", "--type=merge", "-p", change]);
    boat.kubectl_ok(&["label", "pod", "facts", "tier=back", "--overwrite"]);
    let follows = |path: &str, text: &str| {
        eventually(path, || (ask(at, path) == text).then_some(()));
    };
    follows("/file?/config/paint/color", "blue");
    follows("/file?/all/color", "blue");
    follows("/file?/info/labels", "tier=\"back\"");
    check(at, "/env?COLOR", "red");
}

const SHARED: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: pair}
spec:
  shareProcessNamespace: true
  containers:
  - {name: one, image: "echo:1"}
  - {name: two, image: "echo:1", env: [{name: PORT, value: "8081"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: on-host}
spec:
  hostNetwork: true
  containers: [{name: main, image: "echo:1", env: [{name: PORT, value: "FREE"}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: root}
spec:
  containers: [{name: main, image: "echo:1", securityContext: {runAsNonRoot: true, runAsUser: 0}}]
---
apiVersion: v1
kind: Pod
metadata: {name: late}
spec:
  containers: [{name: main, image: "echo:1", envFrom: [{configMapRef: {name: later}}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: free}
spec:
  hostPID: true
  hostname: long
  subdomain: deep
  setHostnameAsFQDN: true
  dnsPolicy: None
  dnsConfig: {nameservers: [10.9.9.9]}
  securityContext: {sysctls: [{name: net.ipv4.ip_unprivileged_port_start, value: "80"}]}
  containers: [{name: main, image: "echo:1", securityContext: {privileged: true, runAsUser: 0}}]
---
apiVersion: v1
kind: Pod
metadata: {name: capable}
spec:
  securityContext: {runAsUser: 0, seccompProfile: {type: Unconfined}}
  containers:
  - name: main
    image: echo:1
    securityContext: {procMount: Default, capabilities: {add: [NET_ADMIN], drop: [NET_RAW, CAP_MKNOD]}}
    terminationMessagePath: /words
"#;

/// More, or less, than containers usually may.
fn powers(boat: &Boat) {
    let free = boat.service_of("free");
    let own = std::fs::read_to_string("/proc/self/status").expect("the test's own status");
    let all = own.lines().find(|line| line.starts_with("CapBnd:")).expect("its bounds");
    let all = all.replace("CapBnd", "CapEff");
    check_has(free, "/file?/proc/self/status", &[&all, "Seccomp:\t0"]);
    assert_ne!(ask(free, "/file?/proc/1/comm"), "echo\n", "the host's processes");
    check(free, "/file?/proc/sys/kernel/hostname", "long.deep.default.svc.cluster.local\n");
    check(free, "/file?/proc/sys/net/ipv4/ip_unprivileged_port_start", "80\n");
    check(free, "/file?/etc/resolv.conf", "nameserver 10.9.9.9\n");
    let capable = boat.service_of("capable");
    let parts = ["CapEff:\t00000000a00415fb", "Seccomp:\t0", "NoNewPrivs:\t0"];
    check_has(capable, "/file?/proc/self/status", &parts);
    check(capable, "/describe?/words", "666 0 0");
}

#[test]
fn namespaces_are_shared_and_refused_as_asked() {
    let Some(boat) = afloat("shared") else { return };
    let port = free_port();
    boat.apply(&SHARED.replace("FREE", &port.to_string()));
    let at = boat.service_of("pair");
    assert_ne!(ask(at, "/file?/proc/1/comm"), "echo\n", "the pod's own init");
    let other = SocketAddr::new(at.ip(), 8081);
    eventually("the other container", || http::get(other, "pod", "/").ok());
    let processes = (2..50).filter(|pid| {
        let status = ask(other, &format!("/file?/proc/{pid}/status"));
        status.starts_with("Name:\techo\n") && status.contains(&format!("Tgid:\t{pid}\n"))
    });
    assert_eq!(processes.count(), 2, "each sees the other");
    let here = SocketAddr::from(([127, 0, 0, 1], port));
    eventually("the host's network", || http::get(here, "pod", "/").ok());
    let pod = boat.pod("on-host");
    assert_eq!(pod["status"]["podIP"], pod["status"]["hostIP"]);
    powers(&boat);
    let waits = |name: &str, text: &str| {
        boat.pod_when(name, text, |pod| {
            let waiting = &pod["status"]["containerStatuses"][0]["state"]["waiting"];
            waiting["reason"] == "CreateContainerConfigError"
                && waiting["message"].as_str().is_some_and(|message| message.contains(text))
        })
    };
    waits("root", "container has runAsNonRoot and image will run as root");
    waits("late", "later");
    boat.kubectl_ok(&["create", "configmap", "later", "--from-literal=VERSION=came"]);
    let late = boat.service_of("late");
    assert_eq!(ask(late, "/"), "late came");
}
