//! Where a custom kind keeps its size.

use serde_json::{Map, Value};

use crate::object::text;

/// Names from the object down to a value.
type Path = Vec<String>;

/// The paths of a scale subresource.
pub(crate) struct ScalePaths {
    spec: Path,
    status: Path,
    selector: Option<Path>,
}

impl ScalePaths {
    pub(super) fn read(scale: &Value) -> Option<Self> {
        let path = |field: &str| -> Path {
            let names = text(scale, field).split('.').filter(|name| !name.is_empty());
            names.map(str::to_owned).collect()
        };
        scale.is_object().then(|| Self {
            spec: path("/specReplicasPath"),
            status: path("/statusReplicasPath"),
            selector: Some(path("/labelSelectorPath")).filter(|path| !path.is_empty()),
        })
    }

    /// How many are wanted.
    pub(crate) fn wanted(&self, object: &Value) -> Option<i64> {
        at(object, &self.spec).as_i64()
    }

    /// How many there are.
    pub(crate) fn present(&self, object: &Value) -> i64 {
        at(object, &self.status).as_i64().unwrap_or(0)
    }

    /// What they are found by, as a text.
    pub(crate) fn selector<'v>(&self, object: &'v Value) -> &'v str {
        let path = self.selector.as_ref();
        path.and_then(|path| at(object, path).as_str()).unwrap_or("")
    }

    /// Says how many are wanted.
    pub(crate) fn set(&self, object: &mut Value, replicas: Value) {
        let Some((last, way)) = self.spec.split_last() else { return };
        let mut here = object;
        for name in way {
            if !here[name.as_str()].is_object() {
                here[name.as_str()] = Value::Object(Map::new());
            }
            here = &mut here[name.as_str()];
        }
        here[last.as_str()] = replicas;
    }
}

fn at<'v>(object: &'v Value, path: &[String]) -> &'v Value {
    path.iter().fold(object, |value, name| &value[name.as_str()])
}
