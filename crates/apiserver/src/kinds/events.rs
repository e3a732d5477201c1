//! events.k8s.io/v1 Events are the core ones under other names.

use serde_json::Value;

use super::Conversion;

/// Served name, stored name.
const NAMES: [(&str, &str); 7] = [
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
];

pub(super) const CONVERSION: Conversion = Conversion { to_stored, from_stored };

fn to_stored(event: &mut Value) {
    rename(event, "v1", NAMES.iter().map(|(served, stored)| (*served, *stored)));
}

fn from_stored(event: &mut Value) {
    if let Some(fields) = event.as_object_mut() {
        // Under their new names these are left out where they are empty.
        for name in ["reportingComponent", "reportingInstance"] {
            if fields.get(name).is_some_and(|text| text == "") {
                fields.remove(name);
            }
        }
    }
    rename(event, "events.k8s.io/v1", NAMES.iter().map(|(served, stored)| (*stored, *served)));
}

fn rename<'a>(
    event: &mut Value,
    api_version: &str,
    names: impl Iterator<Item = (&'a str, &'a str)>,
) {
    let Some(fields) = event.as_object_mut() else { return };
    for (from, to) in names.filter(|(from, to)| from != to) {
        if let Some(value) = fields.remove(from) {
            fields.insert(to.to_owned(), value);
        }
    }
    fields.insert("apiVersion".to_owned(), api_version.into());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_comes_back_as_it_was_given() {
        let given = json!({
            "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e"},
            "regarding": {"kind": "Pod"}, "note": "hello", "reason": "Started",
            "reportingController": "c", "deprecatedCount": 2,
        });
        let mut event = given.clone();
        to_stored(&mut event);
        assert_eq!(event["message"], "hello");
        assert_eq!(event["involvedObject"]["kind"], "Pod");
        assert_eq!(event["apiVersion"], "v1");
        from_stored(&mut event);
        assert_eq!(event, given);
    }
}
