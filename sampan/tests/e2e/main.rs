//! End to end, through the real binary: every test has an instance of its own, with real
//! namespaces, cgroups, links and rules.

#[path = "../support/boat.rs"]
mod boat;
#[path = "../support/etcd.rs"]
mod etcd;
#[path = "../support/http.rs"]
mod http;
#[path = "../support/pod.rs"]
mod pod;
#[path = "../../../crates/etcd/tests/support/port.rs"]
mod port;
#[path = "../support/toolbox.rs"]
mod toolbox;
#[path = "../support/traces.rs"]
mod traces;
#[path = "../support/websocket.rs"]
mod websocket;

mod access;
mod audit;
mod backup;
mod certificates;
mod chaos;
mod conversations;
mod credentials;
mod debug;
mod docs;
mod etcd_ctl;
mod etcd_flags;
mod etcd_libraries;
mod etcd_life;
mod external_store;
mod forward;
mod helm;
mod help;
mod identity;
mod kill;
mod kubectl;
mod kubectl_changes;
mod kubectl_commands;
mod kubectl_tables;
mod kubernetes_python;
mod operator;
mod pod_facts;
mod pod_life;
mod pod_network;
mod pod_refused;
mod quotas;
mod resize;
mod rollout;
mod secrets;
mod sessions;
mod shop;
mod streams;
