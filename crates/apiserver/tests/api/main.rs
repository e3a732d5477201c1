//! The API as its clients see it: conversations in process, watches, and the real kubectl.

mod access;
mod accounts;
mod conversations;
mod deletion;
mod discovery;
mod kube_rs;
mod kubectl;
mod lists;
mod priorities;
mod reviews;
mod roles;
mod services;
mod support;
mod tls;
mod watches;
