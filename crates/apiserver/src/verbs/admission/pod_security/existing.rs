//! The pods that a namespace has already, when it becomes stricter: they stay, and are told of.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::checks;
use super::level::LevelVersion;
use super::pod::Pod;
use crate::error::{ApiError, ApiResult};
use crate::kinds;
use crate::object::meta;
use crate::registry::Registry;
use crate::request::Call;

/// More pods are not looked at.
const PODS_MAX: usize = 3_000;
/// For longer nobody is made to wait.
const TIME_MAX: Duration = Duration::from_secs(1);

/// Warns of the namespace's pods that violate the level which is enforced from now on.
pub(super) fn warn(call: &Call<'_>, namespace: &str, level: LevelVersion) -> ApiResult<()> {
    let kind = kinds::find("", "v1", "pods").expect("pods are in the table");
    let all = call.registry().store.range(&Registry::range(kind, Some(namespace)), None, 0);
    let all = all.map_err(|error| ApiError::internal("read the pods", &error))?;
    let deadline = Instant::now() + TIME_MAX;
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut checked = 0;
    for kv in all.entries.iter().take(PODS_MAX) {
        let pod = call.registry().decode(kv)?;
        checked += 1;
        if let Some(reasons) = reasons(level, &Pod::of(&pod)) {
            found.entry(reasons).or_default().push(meta(&pod, "name").to_owned());
        }
        if Instant::now() > deadline {
            break;
        }
    }
    if checked < all.entries.len() {
        call.warn(format!(
            "new PodSecurity enforce level only checked against the first {checked} of {} existing pods",
            all.entries.len()
        ));
    }
    tell(call, namespace, level, found);
    Ok(())
}

fn reasons(level: LevelVersion, pod: &Pod<'_>) -> Option<String> {
    let reasons: Vec<String> =
        checks::evaluate(level, pod).into_iter().map(|violation| violation.reason).collect();
    (!reasons.is_empty()).then(|| reasons.join(", "))
}

fn tell(
    call: &Call<'_>,
    namespace: &str,
    level: LevelVersion,
    found: BTreeMap<String, Vec<String>>,
) {
    if found.is_empty() {
        return;
    }
    call.warn(format!(
        "existing pods in namespace {namespace:?} violate the new PodSecurity enforce level \"{level}\""
    ));
    let mut texts: Vec<String> =
        found.iter().map(|(reasons, names)| format!("{}: {reasons}", together(names))).collect();
    texts.sort();
    texts.into_iter().for_each(|text| call.warn(text));
}

/// `a`, `a (and 1 other pod)`, `a (and 2 other pods)`
fn together(names: &[String]) -> String {
    let first = names.iter().min().map_or("", String::as_str);
    match names.len() {
        1 => first.to_owned(),
        2 => format!("{first} (and 1 other pod)"),
        count => format!("{first} (and {} other pods)", count - 1),
    }
}
