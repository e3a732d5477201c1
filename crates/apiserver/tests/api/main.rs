//! The API as its clients see it: conversations in process, watches, and the real kubectl.

mod access;
mod accounts;
mod aggregation;
mod bounds;
mod conversations;
mod custom;
mod deletion;
mod discovery;
mod fairness;
mod kinds;
mod kube_rs;
mod kubectl;
mod lists;
mod pod_parts;
mod pod_security;
mod policies;
mod priorities;
mod quotas;
mod reviews;
mod roles;
mod secrets;
mod services;
mod support;
mod tls;
mod watches;
mod webhooks;
