//! Claims to devices that a pod has, and the containers that may use them.

use std::collections::BTreeSet;

use super::Seen;
use crate::names;
use crate::validation::field::Field;

/// The names of a pod's claims.
pub(super) type Claims<'a> = BTreeSet<&'a str>;

/// `resourceClaims` of a pod; answers their names.
pub(super) fn check<'a>(claims: &Field<'a>) -> Claims<'a> {
    let mut seen = Seen::default();
    for claim in claims.items() {
        let (name, own, template) = (
            claim.at("name"),
            claim.at("resourceClaimName"),
            claim.at("resourceClaimTemplateName"),
        );
        let before = claim.error_count();
        seen.check(&name);
        if name.is_empty() {
            name.required("");
        } else if claim.error_count() == before {
            name.well_formed(names::dns_label);
        }
        match (own.is_some(), template.is_some()) {
            (true, true) => claim.invalid(
                "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be \
                 specified",
            ),
            (false, false) => claim
                .invalid("must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"),
            _ => {}
        }
        for reference in [own, template].iter().filter(|reference| reference.is_some()) {
            reference.well_formed(names::dns_subdomain);
        }
    }
    seen.0.retain(|name| !name.is_empty());
    seen.0
}

/// `resources.claims` of a container, whose pod has these.
pub(super) fn used(list: &Field<'_>, claims: &Claims<'_>) {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for item in list.items() {
        let (name, request) = (item.at("name"), item.at("request"));
        let shown = item.showing(name.value);
        if name.is_empty() {
            shown.required("");
            continue;
        }
        once(&item, &mut seen);
        if !request.is_empty() {
            request.well_formed(names::dns_label);
        }
        if !claims.contains(name.text()) {
            let all: Vec<_> = claims.iter().copied().collect();
            let rest = match all[..] {
                [] => " which is empty".to_owned(),
                _ => format!(": {}", all.join(", ")),
            };
            shown.not_found_because(format!(
                "must be one of the names in pod.spec.resourceClaims{rest}"
            ));
        }
    }
}

/// A claim is used as a whole, or each of its requests once.
fn once(item: &Field<'_>, seen: &mut BTreeSet<String>) {
    let (name, request) = (item.at("name").text(), item.at("request").text());
    if seen.contains(name) {
        return item.showing(&name.into()).duplicate();
    }
    let key = if request.is_empty() { name.to_owned() } else { format!("{name}/{request}") };
    if seen.contains(&key) {
        item.showing(&key.as_str().into()).duplicate();
    }
    let parts = seen.iter().filter(|key| key.split_once('/').is_some_and(|(of, _)| of == name));
    if request.is_empty() {
        parts.for_each(|_| item.showing(&name.into()).duplicate());
    }
    seen.insert(key);
}
