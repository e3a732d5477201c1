//! One server behind this one, as its APIService says.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::HOST;
use http::{HeaderValue, Request};
use serde_json::{Value, json};

use super::learned::Learned;
use super::{Extensions, OWN_GROUP, Priority};
use crate::callout::{PORT, Secured, Trust, service};
use crate::object::{meta, text};
use crate::server::Shared;
use crate::table::list;

/// The answerer for a group's version.
pub(crate) struct Extension {
    /// The name of the APIService.
    pub(crate) name: String,
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) priority: Priority,
    /// Is the condition so that requests are handed on?
    pub(crate) available: bool,
    pub(super) service: Service,
    trust: Trust,
    kept: Arc<Kept>,
}

/// The Service in front of it.
#[derive(Debug, PartialEq)]
pub(super) struct Service {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) port: u16,
}

/// What outlives a change of the status.
struct Kept {
    /// What all of this is of.
    from: Value,
    secured: OnceLock<Result<Secured, String>>,
    /// With any certificate: for questions that only ask whether it is there.
    unchecked: OnceLock<Result<Secured, String>>,
    learned: Mutex<Option<Arc<Learned>>>,
}

impl Extension {
    /// `None`: an APIService of this server's own.
    pub(super) fn read(object: &Value, before: &Extensions) -> Option<Self> {
        let spec = &object["spec"];
        let service = spec["service"].as_object().map(|_| &spec["service"])?;
        let (group, version) = (text(spec, "/group"), text(spec, "/version"));
        if matches!(group, "" | OWN_GROUP) {
            return None;
        }
        let port = service["port"].as_u64().and_then(|port| u16::try_from(port).ok());
        let trust = match spec["insecureSkipTLSVerify"] == true {
            true => Trust::Anybody,
            false => Trust::Bundle(STANDARD.decode(text(spec, "/caBundle")).unwrap_or_default()),
        };
        let from = json!([meta(object, "uid"), service, spec["caBundle"], trust == Trust::Anybody]);
        let kept = before.find(group, version).filter(|before| before.kept.from == from);
        Some(Self {
            name: meta(object, "name").to_owned(),
            group: group.to_owned(),
            version: version.to_owned(),
            priority: Priority::of(spec),
            available: list(object, "/status/conditions")
                .iter()
                .any(|c| c["type"] == "Available" && c["status"] == "True"),
            service: Service {
                namespace: text(service, "/namespace").to_owned(),
                name: text(service, "/name").to_owned(),
                port: port.unwrap_or(PORT),
            },
            trust,
            kept: kept.map_or_else(|| Arc::new(Kept::new(from)), |before| before.kept.clone()),
        })
    }

    /// `/apis/example.com/v1`
    pub(super) fn root(&self) -> String {
        format!("/apis/{}/{}", self.group, self.version)
    }

    /// What it said of itself when it was asked last.
    pub(crate) fn learned(&self) -> Option<Arc<Learned>> {
        self.kept.learned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn learn(&self, learned: Option<Learned>) {
        let mut kept = self.kept.learned.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = learned.map(Arc::new);
    }

    /// Sends it a request whose URI is a path. `checked`: to nobody else but it.
    pub(super) async fn send(
        &self,
        shared: &Shared,
        mut request: Request<Body>,
        checked: bool,
    ) -> Result<Response, String> {
        let (secured, trust) = match checked {
            true => (&self.kept.secured, &self.trust),
            false => (&self.kept.unchecked, &Trust::Anybody),
        };
        let secured = secured.get_or_init(|| Secured::new(trust, shared.pki.front_proxy()));
        let secured = secured.as_ref().map_err(Clone::clone)?;
        let Service { namespace, name, port } = &self.service;
        let address = service::address(&shared.registry, namespace, name, *port);
        let (host, at) = address.map_err(|error| error.to_string())?;
        let name = format!("{name}.{namespace}.svc");
        let authority = HeaderValue::from_str(&format!("{name}:{port}"));
        let authority = authority.map_err(|error| error.to_string())?;
        request.headers_mut().insert(HOST, authority);
        secured.send((&host, at), &name, request).await
    }
}

impl Kept {
    fn new(from: Value) -> Self {
        let (secured, unchecked) = (OnceLock::new(), OnceLock::new());
        Self { from, secured, unchecked, learned: Mutex::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api_service(spec: Value) -> Value {
        json!({"metadata": {"name": "v1.e.io", "uid": "u"}, "spec": spec})
    }

    #[test]
    fn an_api_service_without_a_service_is_our_own() {
        let none = Extensions::default();
        let read = |spec: Value| Extension::read(&api_service(spec), &none);
        assert!(read(json!({"group": "e.io", "version": "v1"})).is_none());
        let service = json!({"namespace": "n", "name": "s"});
        let own = json!({"group": OWN_GROUP, "version": "v1", "service": service});
        assert!(read(own).is_none());
        let read = read(json!({"group": "e.io", "version": "v1", "service": service})).unwrap();
        assert_eq!((read.service.port, read.available), (443, false));
    }

    #[test]
    fn what_was_learned_outlives_a_change_of_the_status_and_no_other() {
        let spec = json!({"group": "e.io", "version": "v1",
            "service": {"namespace": "n", "name": "s", "port": 443}});
        let mut object = api_service(spec);
        let read = |object: &Value, before: &Extensions| {
            Extensions(vec![Arc::new(Extension::read(object, before).unwrap())])
        };
        let first = read(&object, &Extensions::default());
        first.0[0].learn(Some(Learned::default()));
        object["status"] = json!({"conditions": [{"type": "Available", "status": "True"}]});
        let second = read(&object, &first);
        assert!(second.0[0].available && second.0[0].learned().is_some());
        object["spec"]["service"]["port"] = 444.into();
        assert!(read(&object, &second).0[0].learned().is_none());
    }
}
