//! Who may reach what, and in which order requests are served.

use serde_json::{Value, json};

use super::{each, fill, in_made, in_object, set};
use crate::read;

pub(super) fn network_policy(object: &mut Value) {
    in_made(object, "spec", |spec| {
        fill(spec, "podSelector", json!({}));
        for side in ["ingress", "egress"] {
            each(spec, side, |rule| each(rule, "ports", |port| set(port, "protocol", "TCP")));
        }
        let both = !read::is_empty(spec, "egress");
        let types = if both { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
        set(spec, "policyTypes", types);
    });
}

pub(super) fn flow_schema(object: &mut Value) {
    const PRECEDENCE: i64 = 1000;
    in_made(object, "spec", |spec| set(spec, "matchingPrecedence", PRECEDENCE));
}

pub(super) fn priority_level(object: &mut Value) {
    const SHARES: i64 = 30;
    in_made(object, "spec", |spec| {
        in_object(spec, "limited", |limited| {
            fill(limited, "nominalConcurrencyShares", json!(SHARES));
            fill(limited, "lendablePercent", json!(0));
            in_object(limited, "limitResponse", |response| {
                in_object(response, "queuing", |queuing| {
                    set(queuing, "queues", 64);
                    set(queuing, "handSize", 8);
                    set(queuing, "queueLengthLimit", 50);
                });
            });
        });
        in_object(spec, "exempt", |exempt| {
            fill(exempt, "nominalConcurrencyShares", json!(0));
            fill(exempt, "lendablePercent", json!(0));
        });
    });
}

/// Each device request is for one device unless it says otherwise.
pub(super) fn device_requests(spec: &mut Value) {
    let exactly = |request: &mut Value| {
        set(request, "allocationMode", "ExactCount");
        if read::text(request, "allocationMode") == "ExactCount" {
            set(request, "count", 1);
        }
    };
    in_object(spec, "devices", |devices| {
        each(devices, "requests", |request| {
            in_object(request, "exactly", exactly);
            each(request, "firstAvailable", exactly);
        });
    });
}
