//! What is known of a request that is recorded.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use http::header::USER_AGENT;
use http::{HeaderMap, HeaderValue, Request};
use jiff::Timestamp;
use serde_json::Value;

use super::Peer;
use super::attributes::Attributes;
use super::policy::{Level, Plan};
use crate::object::meta;
use crate::user::UserInfo;

/// A longer user agent is cut, as upstream does.
const USER_AGENT_BYTES_MAX: usize = 1024;
/// So many addresses are taken from a client's headers.
const SOURCES_MAX: usize = 16;
/// So many things are noted of one request.
const ANNOTATIONS_MAX: usize = 256;

const DECISION: &str = "authorization.k8s.io/decision";
const REASON: &str = "authorization.k8s.io/reason";

/// One request.
pub(super) struct Record {
    pub(super) plan: Plan,
    pub(super) id: String,
    pub(super) request_uri: String,
    pub(super) attributes: Attributes,
    /// `None`: the credentials were refused.
    pub(super) user: Option<UserInfo>,
    pub(super) source_ips: Vec<String>,
    pub(super) user_agent: String,
    pub(super) received: Timestamp,
    noted: Mutex<Noted>,
}

/// What is learned on the way.
#[derive(Default)]
pub(super) struct Noted {
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) impersonated: Option<UserInfo>,
    /// The narrow right by which that was allowed.
    pub(super) constraint: Option<String>,
    pub(super) object: ObjectMeta,
    pub(super) request_object: Option<Value>,
}

/// Of the object that came with the request.
#[derive(Default)]
pub(super) struct ObjectMeta {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) resource_version: String,
}

impl Record {
    pub(super) fn new(
        plan: Plan,
        id: &HeaderValue,
        request: &Request<Body>,
        user: Option<UserInfo>,
        attributes: Attributes,
    ) -> Self {
        let uri = request.uri();
        let peer = request.extensions().get::<Peer>().copied();
        Self {
            plan,
            id: id.to_str().unwrap_or_default().to_owned(),
            request_uri: uri.path_and_query().map_or(uri.path(), |both| both.as_str()).to_owned(),
            attributes,
            user,
            source_ips: source_ips(request.headers(), peer),
            user_agent: user_agent(request.headers()),
            received: Timestamp::now(),
            noted: Mutex::default(),
        }
    }

    pub(super) fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn annotate(&self, key: &str, value: String) {
        let annotations = &mut self.noted().annotations;
        if annotations.len() < ANNOTATIONS_MAX {
            annotations.entry(key.to_owned()).or_insert(value);
        }
    }

    /// The last word counts: a stream is asked about twice.
    pub(super) fn decided(&self, word: &str, reason: &str) {
        let annotations = &mut self.noted().annotations;
        annotations.insert(DECISION.to_owned(), word.to_owned());
        annotations.insert(REASON.to_owned(), reason.to_owned());
    }

    pub(super) fn impersonated(&self, user: &UserInfo, constraint: Option<String>) {
        let mut noted = self.noted();
        noted.impersonated = Some(user.clone());
        noted.constraint = constraint;
    }

    pub(super) fn request_object(&self, object: &Value) {
        let mut noted = self.noted();
        let text = |field: &str| meta(object, field).to_owned();
        noted.object = ObjectMeta {
            namespace: text("namespace"),
            name: text("name"),
            uid: text("uid"),
            resource_version: text("resourceVersion"),
        };
        if self.plan.level >= Level::Request {
            let mut object = object.clone();
            self.trim(&mut object);
            noted.request_object = Some(object);
        }
    }

    /// A patch is told as it came; YAML as JSON.
    pub(super) fn patch(&self, bytes: &[u8]) {
        if self.plan.level < Level::Request {
            return;
        }
        let text = || std::str::from_utf8(bytes).ok();
        let json = serde_json::from_slice(bytes).ok();
        let value = json.or_else(|| serde_saphyr::from_str(text()?).ok());
        // What is neither is refused, which the answer tells.
        self.noted().request_object = value;
    }

    /// Takes out the managed fields, where they are not wanted.
    pub(super) fn trim(&self, object: &mut Value) {
        if !self.plan.omit_managed_fields {
            return;
        }
        forget_managers(object);
        for (items, of) in [("items", ""), ("rows", "/object")] {
            let Some(items) = object.get_mut(items).and_then(Value::as_array_mut) else { continue };
            items.iter_mut().filter_map(|item| item.pointer_mut(of)).for_each(forget_managers);
        }
    }
}

fn forget_managers(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
}

fn user_agent(headers: &HeaderMap) -> String {
    let text = headers.get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let text = text.unwrap_or_default();
    if text.len() <= USER_AGENT_BYTES_MAX {
        return text.into_owned();
    }
    let end = text.floor_char_boundary(USER_AGENT_BYTES_MAX);
    format!("{}...TRUNCATED", &text[..end])
}

/// What the client and proxies say, then who is at the other end.
fn source_ips(headers: &HeaderMap, peer: Option<Peer>) -> Vec<String> {
    let named = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let forwarded = named("x-forwarded-for").split(',').map(str::trim).take(SOURCES_MAX);
    let told = forwarded.chain([named("x-real-ip").trim()]);
    let mut sources: Vec<std::net::IpAddr> = Vec::new();
    let peer = peer.map(|peer| peer.0.to_canonical());
    for source in told.filter_map(|text| text.parse().ok()).chain(peer) {
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    sources.iter().map(ToString::to_string).collect()
}
