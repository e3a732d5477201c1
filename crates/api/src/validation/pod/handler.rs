//! Probes and lifecycle hooks, and what either does.

use crate::validation::address;
use crate::validation::field::Field;

const KINDS: [&str; 5] = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"];

/// A probe of one of the three kinds.
pub(super) fn probe(probe: &Field<'_>, kind: &str) {
    handler(probe, 0);
    let numbers = [
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ];
    for number in numbers {
        probe.at(number).not_negative();
    }
    let (grace, successes) =
        (probe.at("terminationGracePeriodSeconds"), probe.at("successThreshold"));
    match kind {
        "readinessProbe" if grace.is_some() => {
            grace.invalid("must not be set for readinessProbes");
        }
        "readinessProbe" => {}
        _ => {
            grace.positive();
            if successes.number() != 1 {
                successes.invalid_number("must be 1");
            }
        }
    }
}

/// Both hooks, where they are.
pub(super) fn lifecycle(lifecycle: &Field<'_>, grace: i64) {
    for hook in ["postStart", "preStop"].map(|hook| lifecycle.at(hook)) {
        if hook.is_some() {
            handler(&hook, grace);
        }
    }
}

/// Exactly one thing is done.
fn handler(owner: &Field<'_>, grace: i64) {
    let mut given = KINDS.iter().filter(|kind| owner.at(kind).is_some());
    let Some(first) = given.next() else {
        return owner.required("must specify a handler type");
    };
    action(first, &owner.at(first), grace);
    for other in given {
        owner.at(other).forbidden("may not specify more than 1 handler type");
    }
}

fn action(kind: &str, action: &Field<'_>, grace: i64) {
    match kind {
        "exec" if action.at("command").is_empty() => action.at("command").required(""),
        "httpGet" => http(action),
        "tcpSocket" => address::port_or_name(&action.at("port")),
        "grpc" => address::port(&action.at("port")),
        "sleep" => {
            let seconds = action.at("seconds");
            if seconds.number() < 0 || seconds.number() > grace {
                // Upstream's path is the action's.
                let shown = if seconds.is_some() { seconds.value.clone() } else { 0.into() };
                action.invalid_as(
                    shown,
                    format!(
                        "must be non-negative and less than terminationGracePeriodSeconds ({grace})"
                    ),
                );
            }
        }
        _ => {}
    }
}

fn http(get: &Field<'_>) {
    get.at("path").must_be_given();
    address::port_or_name(&get.at("port"));
    let schemes = ["HTTP", "HTTPS"];
    if !schemes.contains(&get.at("scheme").text()) {
        get.at("scheme").unsupported(&schemes);
    }
    for header in get.at("httpHeaders").items() {
        let name = header.at("name").text();
        let fine = !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
        if !fine {
            get.at("httpHeaders").invalid_as(
                name,
                "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. \
                 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')",
            );
        }
    }
}
