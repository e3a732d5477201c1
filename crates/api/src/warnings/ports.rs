//! Ports that containers of one pod have in common.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::read;

struct Port<'a> {
    path: String,
    host: i64,
    address: &'a str,
}

/// The containers, each with its path.
pub(super) fn check(containers: Vec<(String, &Value)>, found: &mut Vec<String>) {
    let mut known: BTreeMap<(i64, &str), Vec<Port<'_>>> = BTreeMap::new();
    for (at, container) in containers {
        for (index, port) in read::list(container, "ports").iter().enumerate() {
            let [number, host] =
                ["containerPort", "hostPort"].map(|field| read::int(port, field).unwrap_or(0));
            let [protocol, address] = ["protocol", "hostIP"].map(|field| read::text(port, field));
            let path = format!("{at}.ports[{index}]");
            if !address.is_empty() && host == 0 {
                let name = read::text(port, "name");
                found.push(format!(
                    "{path}: hostIP set without hostPort: {{Name:{name} HostPort:0 \
                     ContainerPort:{number} Protocol:{protocol} HostIP:{address}}}"
                ));
            }
            let others = known.entry((number, protocol)).or_default();
            let port = Port { path, host, address };
            others.iter().filter_map(|other| meets(&port, other)).for_each(|text| found.push(text));
            others.push(port);
        }
    }
}

/// What is odd about two ports of the same number and protocol.
fn meets(port: &Port<'_>, other: &Port<'_>) -> Option<String> {
    let somewhere = [port.address, other.address].iter().filter(|text| text.is_empty()).count();
    let what = if (port.address, port.host) == (other.address, other.host) {
        "duplicate"
    } else if port.host == 0 || other.host == 0 {
        "overlapping"
    } else if port.host == other.host && somewhere == 1 {
        "dangerously ambiguous"
    } else {
        return None;
    };
    Some(format!("{}: {what} port definition with {}", port.path, other.path))
}
