//! End to end, through the real binary: every test has an instance of its own, with real
//! namespaces, cgroups, links and rules.

#[path = "../support/boat.rs"]
mod boat;
#[path = "../support/http.rs"]
mod http;
#[path = "../support/traces.rs"]
mod traces;

mod chaos;
mod help;
mod kill;
mod kubectl;
mod rollout;
mod shop;
