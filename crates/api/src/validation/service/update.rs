//! What may change of a Service: its addresses are known to its clients and stay while it has any.

use serde_json::Value;

use super::is_headless;
use crate::read;
use crate::validation::field::Field;

const KEPT: &str = "may not change once set";

pub(in crate::validation) fn update(object: &Field<'_>, old: &Value) {
    let (spec, old) = (object.at("spec"), read::at(old, &["spec"]));
    let named = [spec.value, old].iter().any(|spec| read::text(spec, "type") == "ExternalName");
    let headless = (is_headless(old), is_headless(spec.value));
    if !named && headless != (true, true) {
        addresses(&spec, read::list(old, "clusterIPs"));
    }
    if !named && headless == (false, false) {
        families(&spec, read::list(old, "ipFamilies"));
    }
    balancer(&spec, old);
}

fn addresses(spec: &Field<'_>, old: &[Value]) {
    let (list, policy) = (spec.at("clusterIPs"), spec.at("ipFamilyPolicy"));
    let refuse = |index: usize, why: &str| list.item(index).showing(list.value).invalid(why);
    let new = list.value.as_array().map_or(&[][..], Vec::as_slice);
    if new.len() == old.len() {
        for index in (0..new.len()).filter(|index| new[*index] != old[*index]) {
            refuse(index, KEPT);
        }
        return;
    }
    if new.is_empty() {
        refuse(0, "primary clusterIP can not be unset");
    } else if !old.is_empty() && new[0] != old[0] {
        refuse(0, KEPT);
    }
    if new.len() < old.len() && new.len() == 1 && policy.text() != "SingleStack" {
        policy.invalid("must be set to 'SingleStack' when releasing the secondary clusterIP");
    }
}

fn families(spec: &Field<'_>, old: &[Value]) {
    let (list, policy) = (spec.at("ipFamilies"), spec.at("ipFamilyPolicy"));
    let first = list.item(0);
    let new = list.value.as_array().map_or(&[][..], Vec::as_slice);
    if new.len() == old.len() {
        for _ in (0..new.len()).filter(|index| new[*index] != old[*index]) {
            first.showing(list.value).invalid(KEPT);
        }
        return;
    }
    // As upstream, which looks at the addresses here, and shows those below.
    let addresses = spec.at("clusterIPs");
    if new.len() < old.len() && addresses.is_empty() {
        first.showing(list.value).invalid("primary ipFamily can not be unset");
    }
    if !new.is_empty() && !old.is_empty() && new[0] != old[0] {
        first.showing(addresses.value).invalid(KEPT);
    }
    if new.len() < old.len() && new.len() == 1 && policy.text() != "SingleStack" {
        policy.invalid("must be set to 'SingleStack' when releasing the secondary ipFamily");
    }
}

fn balancer(spec: &Field<'_>, old: &Value) {
    let balances = |spec: &Value| read::text(spec, "type") == "LoadBalancer";
    if !balances(spec.value) || !balances(old) {
        return;
    }
    let class = spec.at("loadBalancerClass");
    if *class.value != *read::at(old, &["loadBalancerClass"]) {
        class.invalid(KEPT);
    }
    let local = |spec: &Value| read::text(spec, "externalTrafficPolicy") == "Local";
    let port = spec.at("healthCheckNodePort");
    if local(spec.value)
        && local(old)
        && port.number() != read::int(old, "healthCheckNodePort").unwrap_or_default()
    {
        port.forbidden("field is immutable");
    }
}
