//! The bounds of one item of a LimitRange, and upstream's words for what is not within them.

use api::Quantity;
use api::quota::ResourceList;
use serde_json::Value;

use crate::object::text;

/// What is asked for.
pub(super) struct Asked {
    pub(super) requests: ResourceList,
    pub(super) limits: ResourceList,
}

impl Asked {
    /// All that is not within an item's bounds.
    pub(super) fn check(&self, item: &Value) -> Vec<String> {
        let mut errors = self.each(item, "min", Self::minimum);
        errors.extend(self.each(item, "max", Self::maximum));
        errors.extend(self.each(item, "maxLimitRequestRatio", Self::ratio));
        errors
    }

    /// The same for what has requests only.
    pub(super) fn check_requests(&self, item: &Value) -> Vec<String> {
        let mut errors = self.each(item, "min", Self::minimum);
        errors.extend(self.each(item, "max", Self::maximum_request));
        errors
    }

    fn each(
        &self,
        item: &Value,
        field: &str,
        check: fn(&Self, &Bound<'_>) -> Option<String>,
    ) -> Vec<String> {
        let what = text(item, "/type");
        let bounds = ResourceList::read(&item[field]);
        let each = bounds.iter().map(|(name, amount)| Bound { what, name, amount });
        each.filter_map(|bound| check(self, &bound)).collect()
    }

    fn minimum(&self, bound: &Bound<'_>) -> Option<String> {
        let Some(request) = self.requests.get(bound.name) else {
            return Some(bound.says("minimum", ".  No request is specified"));
        };
        if request < bound.amount {
            return Some(bound.says("minimum", &format!(", but request is {request}")));
        }
        let limit = self.limits.get(bound.name).filter(|limit| *limit < bound.amount)?;
        Some(bound.says("minimum", &format!(", but limit is {limit}")))
    }

    fn maximum(&self, bound: &Bound<'_>) -> Option<String> {
        let Some(limit) = self.limits.get(bound.name) else {
            return Some(bound.says("maximum", ".  No limit is specified"));
        };
        if limit > bound.amount {
            return Some(bound.says("maximum", &format!(", but limit is {limit}")));
        }
        let request = self.requests.get(bound.name).filter(|request| *request > bound.amount)?;
        Some(bound.says("maximum", &format!(", but request is {request}")))
    }

    fn maximum_request(&self, bound: &Bound<'_>) -> Option<String> {
        let Some(request) = self.requests.get(bound.name) else {
            return Some(bound.says("maximum", ".  No request is specified"));
        };
        let over = request > bound.amount;
        over.then(|| bound.says("maximum", &format!(", but request is {request}")))
    }

    fn ratio(&self, bound: &Bound<'_>) -> Option<String> {
        let given = |list: &ResourceList| list.get(bound.name).filter(|amount| !amount.is_zero());
        let says = |end: &str| {
            let Bound { what, name, amount } = bound;
            Some(format!("{name} max limit to request ratio per {what} is {amount}, but {end}"))
        };
        let Some(request) = given(&self.requests) else {
            return says("no request is specified or request is 0");
        };
        let Some(limit) = given(&self.limits) else {
            return says("no limit is specified or limit is 0");
        };
        let ratio = limit.milli_value() as f64 / request.milli_value() as f64;
        if ratio * 1000.0 > bound.amount.milli_value() as f64 {
            return says(&format!("provided ratio is {ratio:.6}"));
        }
        None
    }
}

/// One resource's bound.
struct Bound<'a> {
    what: &'a str,
    name: &'a str,
    amount: Quantity,
}

impl Bound<'_> {
    fn says(&self, which: &str, end: &str) -> String {
        let Self { what, name, amount } = self;
        format!("{which} {name} usage per {what} is {amount}{end}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(item: Value, requests: Value, limits: Value, expected: &[&str]) {
        let (requests, limits) = (ResourceList::read(&requests), ResourceList::read(&limits));
        assert_eq!(Asked { requests, limits }.check(&item), expected);
    }

    #[test]
    fn each_bound_is_told_as_upstream_tells_it() {
        let item = json!({"type": "Container", "min": {"cpu": "100m"}, "max": {"cpu": "1"}});
        check(item.clone(), json!({"cpu": "200m"}), json!({"cpu": "1"}), &[]);
        check(
            item.clone(),
            json!({}),
            json!({}),
            &[
                "minimum cpu usage per Container is 100m.  No request is specified",
                "maximum cpu usage per Container is 1.  No limit is specified",
            ],
        );
        check(
            item.clone(),
            json!({"cpu": "50m"}),
            json!({"cpu": "2"}),
            &[
                "minimum cpu usage per Container is 100m, but request is 50m",
                "maximum cpu usage per Container is 1, but limit is 2",
            ],
        );
        check(
            item,
            json!({"cpu": "2"}),
            json!({"cpu": "50m"}),
            &[
                "minimum cpu usage per Container is 100m, but limit is 50m",
                "maximum cpu usage per Container is 1, but request is 2",
            ],
        );
    }

    #[test]
    fn a_ratio_needs_both() {
        let item = json!({"type": "Pod", "maxLimitRequestRatio": {"memory": "1500m"}});
        check(item.clone(), json!({"memory": "2Gi"}), json!({"memory": "3Gi"}), &[]);
        check(
            item.clone(),
            json!({"memory": "1Gi"}),
            json!({"memory": "2Gi"}),
            &["memory max limit to request ratio per Pod is 1500m, but provided ratio is 2.000000"],
        );
        check(
            item,
            json!({"memory": "1Gi"}),
            json!({}),
            &[
                "memory max limit to request ratio per Pod is 1500m, but no limit is specified or limit is 0",
            ],
        );
    }

    #[test]
    fn a_claim_has_requests_only() {
        let item = json!({"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}});
        let asked = |storage: &str| Asked {
            requests: ResourceList::read(&json!({"storage": storage})),
            limits: ResourceList::default(),
        };
        assert!(asked("1Gi").check_requests(&item).is_empty());
        let expected = "maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 2Gi";
        assert_eq!(asked("2Gi").check_requests(&item), [expected]);
    }
}
