//! Kinds that are not stored: what pods and nodes use now, and whether the parts of the cluster
//! are well. Found out when somebody asks; they can be read, and not watched.

mod components;
mod metrics;
mod usage;

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::header::WARNING;
use http::{HeaderValue, Request, StatusCode};
use serde_json::{Value, json};

pub(crate) use self::usage::Usage;
use crate::aggregation;
use crate::authz::Attributes;
use crate::error::{ApiError, ApiResult};
use crate::media::{self, Translation};
use crate::negotiate::{self, Format, Wanted};
use crate::options::{IncludeObject, Query};
use crate::respond;
use crate::server::Shared;
use crate::table;

/// The group of what is used.
pub(crate) const METRICS: (&str, &str) = ("metrics.k8s.io", "v1beta1");

/// A kind that is not stored.
pub(crate) struct Computed {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) singular: &'static str,
    pub(crate) short_names: &'static [&'static str],
    pub(crate) kind: &'static str,
    pub(crate) namespaced: bool,
}

/// What can be done with them.
pub(crate) const VERBS: [&str; 2] = ["get", "list"];

pub(crate) static ALL: [Computed; 3] = [
    Computed {
        group: "",
        version: "v1",
        plural: "componentstatuses",
        singular: "componentstatus",
        short_names: &["cs"],
        kind: "ComponentStatus",
        namespaced: false,
    },
    Computed {
        group: METRICS.0,
        version: METRICS.1,
        plural: "nodes",
        singular: "",
        short_names: &[],
        kind: "NodeMetrics",
        namespaced: false,
    },
    Computed {
        group: METRICS.0,
        version: METRICS.1,
        plural: "pods",
        singular: "",
        short_names: &[],
        kind: "PodMetrics",
        namespaced: true,
    },
];

impl Computed {
    fn root(&self) -> String {
        match self.group {
            "" => format!("/api/{}", self.version),
            group => format!("/apis/{group}/{}", self.version),
        }
    }

    fn list(&self, items: Vec<Value>) -> Value {
        json!({"kind": format!("{}List", self.kind), "apiVersion": self.api_version(),
            "metadata": {}, "items": items})
    }

    fn table(&self, items: Vec<Value>, include: IncludeObject) -> Value {
        let components = self.group.is_empty();
        let columns = if components { components::COLUMNS } else { metrics::COLUMNS };
        let shown = table::Shown { of: self.kind, columns };
        let cells = if components { components::cells } else { metrics::cells };
        let rows = items.into_iter().map(|object| table::row_of(cells(&object), object, include));
        table::table(Some(shown), json!({}), rows.collect())
    }

    fn api_version(&self) -> String {
        api::Gvk::new(self.group, self.version, self.kind).api_version()
    }
}

/// Those of a group's version.
pub(crate) fn of(group: &str, version: &str) -> impl Iterator<Item = &'static Computed> {
    ALL.iter().filter(move |kind| kind.group == group && kind.version == version)
}

/// Can a path be about one of them? Asked of every request.
pub(crate) fn concerns(path: &str) -> bool {
    path.starts_with("/apis/metrics.k8s.io/") || path.starts_with("/api/v1/componentstatuses")
}

/// Which of them a path is about; `resource` is what the path names.
pub(crate) fn at(path: &str, resource: &str) -> Option<&'static Computed> {
    let mut all = ALL.iter().filter(|kind| kind.plural == resource);
    all.find(|kind| path.strip_prefix(&kind.root()).is_some_and(|rest| rest.starts_with('/')))
}

/// Answers a request about one of them.
pub(crate) async fn answer(
    shared: &Arc<Shared>,
    kind: &Computed,
    asked: &Attributes<'_>,
    request: Request<Body>,
) -> ApiResult<Response> {
    let (parts, _) = request.into_parts();
    aggregation::check(shared, asked)?;
    let nowhere = kind.namespaced && asked.verb == "get" && asked.namespace.is_empty();
    if !asked.subresource.is_empty() || nowhere {
        return Err(ApiError::no_such_path());
    }
    if !VERBS.contains(&asked.verb) {
        return Err(ApiError::method_not_allowed());
    }
    let query = Query::parse(&parts.uri)?;
    let protobuf = media::has_protobuf(kind.group, kind.version, kind.kind);
    let Wanted { format, dialect } = negotiate::wanted(&parts.headers, &parts.uri, protobuf)?;
    let one = if asked.verb == "get" { asked.name } else { "" };
    let found = match kind.plural {
        "componentstatuses" => components::find(shared, one),
        "nodes" => metrics::nodes(shared, &query, one).await?,
        _ => metrics::pods(shared, &query, asked.namespace, one).await?,
    };
    let body = match format {
        Format::Table => kind.table(found, query.include_object()?),
        _ if one.is_empty() => kind.list(found),
        _ => found.into_iter().next().unwrap_or_default(),
    };
    let mut response = respond::value(StatusCode::OK, &body);
    response.extensions_mut().insert(Translation { dialect, gzip: false });
    if kind.group.is_empty() {
        let warning = "299 - \"v1 ComponentStatus is deprecated in v1.19+\"";
        response.headers_mut().append(WARNING, HeaderValue::from_static(warning));
    }
    Ok(response)
}
