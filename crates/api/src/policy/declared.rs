//! What is known of `request` and `namespaceObject` beforehand.

use std::sync::Arc;

use cel::{Declared, Field, ListKind, Object, Shape, Type};

pub(super) fn object(name: &str, fields: &[(&str, Declared)]) -> Declared {
    let field = |declared: &Declared, json_name: &str| Field {
        json_name: json_name.to_owned(),
        declared: Arc::new(declared.clone()),
    };
    let fields = fields.iter().map(|(name, declared)| ((*name).to_owned(), field(declared, name)));
    let object = Object { name: name.to_owned(), fields: fields.collect(), open: false };
    Declared { shape: Shape::Object(Arc::new(object)), ..Declared::anything() }
}

fn list(item: Declared) -> Declared {
    Declared { shape: Shape::List(Arc::new(item), ListKind::Atomic), ..Declared::anything() }
}

pub(super) fn map(value: Declared) -> Declared {
    Declared { shape: Shape::Map(Arc::new(value)), ..Declared::anything() }
}

fn text() -> Declared {
    Declared::plain(Type::String)
}

fn time() -> Declared {
    Declared::plain(Type::Timestamp)
}

fn int() -> Declared {
    Declared::plain(Type::Int)
}

/// An AdmissionRequest, without uid and objects.
pub(super) fn request() -> Declared {
    let kind = object(
        "kubernetes.GroupVersionKind",
        &[("group", text()), ("version", text()), ("kind", text())],
    );
    let resource = object(
        "kubernetes.GroupVersionResource",
        &[("group", text()), ("version", text()), ("resource", text())],
    );
    let user = object(
        "kubernetes.UserInfo",
        &[
            ("username", text()),
            ("uid", text()),
            ("groups", list(text())),
            ("extra", map(list(text()))),
        ],
    );
    object(
        "kubernetes.AdmissionRequest",
        &[
            ("kind", kind.clone()),
            ("resource", resource.clone()),
            ("subResource", text()),
            ("requestKind", kind),
            ("requestResource", resource),
            ("requestSubResource", text()),
            ("name", text()),
            ("namespace", text()),
            ("operation", text()),
            ("userInfo", user),
            ("dryRun", Declared::plain(Type::Bool)),
            ("options", Declared::anything()),
        ],
    )
}

/// The Namespace that an object is in.
pub(super) fn namespace() -> Declared {
    let spec = object("kubernetes.NamespaceSpec", &[("finalizers", list(text()))]);
    let condition = object(
        "kubernetes.NamespaceCondition",
        &[
            ("status", text()),
            ("type", text()),
            ("lastTransitionTime", time()),
            ("message", text()),
            ("reason", text()),
        ],
    );
    let status =
        object("kubernetes.NamespaceStatus", &[("conditions", list(condition)), ("phase", text())]);
    let metadata = object(
        "kubernetes.NamespaceMetadata",
        &[
            ("name", text()),
            ("generateName", text()),
            ("namespace", text()),
            ("labels", map(text())),
            ("annotations", map(text())),
            ("uid", text()),
            ("creationTimestamp", time()),
            ("deletionGracePeriodSeconds", int()),
            ("deletionTimestamp", time()),
            ("generation", int()),
            ("resourceVersion", text()),
            ("finalizers", list(text())),
        ],
    );
    object("kubernetes.Namespace", &[("metadata", metadata), ("spec", spec), ("status", status)])
}
