//! A new pod's priority, which follows from its PriorityClass.

use serde_json::{Value, json};

use crate::error::{ApiError, ApiResult};
use crate::kinds::{self, Kind};
use crate::object::{child_mut, meta};
use crate::registry::Registry;
use crate::request::Call;

/// Where the classes are stored.
pub(super) const STORAGE: &str = "priorityclasses.scheduling.k8s.io";
const POLICY: &str = "PreemptLowerPriority";

fn kind() -> &'static Kind {
    kinds::find("scheduling.k8s.io", "v1", "priorityclasses").expect("classes are in the table")
}

/// Writes the numbers of the pod's class into it; of the default class where it names none.
pub(super) fn admit(call: &Call<'_>, pod: &mut Value) -> ApiResult<()> {
    let refuse = |pod: &Value, why: String| {
        Err(ApiError::forbidden(call.kind, super::shown_name(pod), &why))
    };
    let name = pod["spec"]["priorityClassName"].as_str().unwrap_or("").to_owned();
    let class = match name.as_str() {
        "" => default_class(call.registry())?.unwrap_or_default(),
        name => match call.registry().get(kind(), "", name) {
            Some(kv) => call.registry().decode(&kv)?,
            None => return refuse(pod, format!("no PriorityClass with name {name} was found")),
        },
    };
    let priority = class["value"].as_i64().unwrap_or(0);
    if let Some(given) = pod["spec"]["priority"].as_i64().filter(|given| *given != priority) {
        return refuse(pod, contradiction("integer value of priority", &given, &priority));
    }
    let policy = class["preemptionPolicy"].as_str().unwrap_or(POLICY);
    if let Some(given) = pod["spec"]["preemptionPolicy"].as_str().filter(|given| *given != policy) {
        return refuse(pod, contradiction("string value of PreemptionPolicy", &given, &policy));
    }
    let spec = child_mut(pod, "spec");
    spec.insert("priority".to_owned(), json!(priority));
    spec.insert("preemptionPolicy".to_owned(), json!(policy));
    if name.is_empty() && !meta(&class, "name").is_empty() {
        spec.insert("priorityClassName".to_owned(), json!(meta(&class, "name")));
    }
    Ok(())
}

fn contradiction(
    what: &str,
    given: &dyn std::fmt::Display,
    computed: &dyn std::fmt::Display,
) -> String {
    format!(
        "the {what} ({given}) must not be provided in pod spec; priority admission controller computed {computed} from the given PriorityClass name"
    )
}

/// The class marked as everybody's; the lowest where, by a race, there are two.
fn default_class(registry: &Registry) -> ApiResult<Option<Value>> {
    let mut found = classes(registry)?;
    found.retain(|class| class["globalDefault"] == true);
    Ok(found.into_iter().min_by_key(|class| class["value"].as_i64()))
}

fn classes(registry: &Registry) -> ApiResult<Vec<Value>> {
    let all = registry.store.range(&Registry::range(kind(), None), None, 0);
    let all = all.map_err(|error| ApiError::internal("read the PriorityClasses", &error))?;
    all.entries.iter().map(|kv| registry.decode(kv)).collect()
}

/// Refuses a second class for everybody.
pub(super) fn one_default(call: &Call<'_>, class: &Value) -> ApiResult<()> {
    if class["globalDefault"] != true {
        return Ok(());
    }
    let name = meta(class, "name");
    match default_class(call.registry())? {
        Some(other) if meta(&other, "name") != name => {
            let why = format!(
                "PriorityClass {} is already marked as default. Only one default can exist",
                meta(&other, "name")
            );
            Err(ApiError::forbidden(call.kind, name, &why))
        }
        _ => Ok(()),
    }
}
