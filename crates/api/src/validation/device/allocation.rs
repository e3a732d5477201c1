//! The status of a ResourceClaim: what it was given, who uses it, and how that is.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::Value;

use super::request::{Names, REQUESTS_MAX};
use super::{
    CONFIGS_MAX, binding_conditions, bounded, configuration, names, raw, unique, unique_names,
};
use crate::meta;
use crate::names::dns_label;
use crate::read;
use crate::validation::field::Field;
use crate::validation::{pod, status, storage_names};

const USERS_MAX: usize = 256;
const RESULTS_MAX: usize = 32;
const CONDITIONS_MAX: usize = 8;
const DATA_LEN_MAX: usize = 10 * 1024;
const INTERFACE_LEN_MAX: usize = 256;
const HARDWARE_LEN_MAX: usize = 128;
const ADDRESSES_MAX: usize = 16;

pub(in crate::validation) fn update_status(object: &Field<'_>, old: &Value) {
    let (status, was) = (object.at("status"), read::at(old, &["status"]));
    let requests = Names::of(&object.at("spec").at("devices"));
    let users = status.at("reservedFor");
    unique(
        &users,
        USERS_MAX,
        |user| user.at("uid").text().to_owned(),
        |user| {
            ["resource", "name", "uid"].iter().for_each(|field| user.at(field).must_be_given());
        },
    );
    let given = status.at("allocation");
    let allocated: BTreeSet<String> =
        given.at("devices").at("results").items().map(|one| id(&one)).collect();
    unique(&status.at("devices"), usize::MAX, id, |one| device(one, &allocated));
    if !users.is_empty() {
        in_use(&users, &given, object.value, read::list(was, "reservedFor"));
    }
    let had = read::at(was, &["allocation"]);
    if given.is_some() && !had.is_null() {
        given.immutable(had);
    } else if given.is_some() {
        allocation(&given, &requests);
    }
}

/// A device, and which share of it.
fn id(device: &Field<'_>) -> String {
    let mut parts = vec!["driver", "pool", "device"];
    if device.at("shareID").is_some() {
        parts.push("shareID");
    }
    let parts: Vec<&str> = parts.into_iter().map(|part| device.at(part).text()).collect();
    parts.join("/")
}

fn in_use(users: &Field<'_>, given: &Field<'_>, object: &Value, had: &[Value]) {
    if !given.is_some() {
        return users.forbidden("may not be specified when `allocated` is not set");
    }
    let new = users.items().any(|user| !had.contains(user.value));
    if meta::is_deleting(object) && new {
        users.forbidden(
            "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are \
             set",
        );
    }
}

fn place(device: &Field<'_>) {
    storage_names::driver(&device.at("driver"));
    names::pool(&device.at("pool"));
    device.at("device").well_formed(dns_label);
}

fn allocation(allocation: &Field<'_>, requests: &Names<'_>) {
    let devices = allocation.at("devices");
    for result in bounded(&devices.at("results"), RESULTS_MAX) {
        requests.check(&result.at("request"));
        place(&result);
        binding_conditions(&result);
        if result.at("shareID").is_some() {
            names::uid(&result.at("shareID"));
        }
    }
    // As many of the class as of the claim.
    for config in bounded(&devices.at("config"), 2 * CONFIGS_MAX) {
        config.at("source").one_of(&["FromClaim", "FromClass"]);
        unique_names(&config.at("requests"), REQUESTS_MAX, |name| requests.check(name));
        configuration(&config);
    }
    if allocation.at("nodeSelector").is_some() {
        pod::node_selector(&allocation.at("nodeSelector"));
    }
}

fn device(device: &Field<'_>, allocated: &BTreeSet<String>) {
    place(device);
    if device.at("shareID").is_some() {
        names::uid(&device.at("shareID"));
    }
    let id = id(device);
    if !allocated.contains(&id) {
        device.invalid_as(id, "must be an allocated device in the claim");
    }
    let conditions = device.at("conditions");
    if conditions.len() > CONDITIONS_MAX {
        conditions.too_many(CONDITIONS_MAX);
    }
    status::conditions(&conditions);
    if device.at("data").is_some() {
        raw(&device.at("data"), DATA_LEN_MAX);
    }
    network(&device.at("networkData"));
}

fn network(data: &Field<'_>) {
    for (field, max) in
        [("interfaceName", INTERFACE_LEN_MAX), ("hardwareAddress", HARDWARE_LEN_MAX)]
    {
        if data.at(field).text().len() > max {
            data.at(field).too_long(max);
        }
    }
    unique_names(&data.at("ips"), ADDRESSES_MAX, |address| {
        let canonical = address.text().split_once('/').and_then(|(ip, bits)| {
            let (ip, bits): (IpAddr, u8) = (ip.parse().ok()?, bits.parse().ok()?);
            (bits <= if ip.is_ipv4() { 32 } else { 128 }).then(|| format!("{ip}/{bits}"))
        });
        match canonical {
            None => address.invalid_text(
                "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)",
            ),
            Some(canonical) if canonical != address.text() => {
                address.invalid(format!("must be in canonical form ({canonical:?})"));
            }
            Some(_) => {}
        }
    });
}
