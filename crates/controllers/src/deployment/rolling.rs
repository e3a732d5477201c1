//! The arithmetic of a rolling update: how many replicas each ReplicaSet may have now.
//! Pure; the rules are those of Kubernetes' deployment controller.

use k8s_openapi::api::apps::v1::{DeploymentSpec, ReplicaSet};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// What the Deployment asks for, percentages resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    pub wanted: i32,
    pub max_surge: i32,
    pub max_unavailable: i32,
    /// Strategy Recreate: all old pods go before the first new one comes.
    pub recreate: bool,
}

/// One ReplicaSet in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// spec.replicas
    pub wanted: i32,
    /// status.availableReplicas
    pub available: i32,
}

impl Limits {
    pub fn of(spec: &DeploymentSpec) -> Self {
        let wanted = spec.replicas.unwrap_or(1);
        let strategy = spec.strategy.as_ref();
        let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
        let surge = rolling.and_then(|r| r.max_surge.as_ref());
        let unavailable = rolling.and_then(|r| r.max_unavailable.as_ref());
        let max_surge = resolve(surge, wanted, Round::Up);
        let mut max_unavailable = resolve(unavailable, wanted, Round::Down);
        if max_surge == 0 && max_unavailable == 0 {
            // Both rounded to nothing: the rollout could never move.
            max_unavailable = 1;
        }
        Self {
            wanted,
            max_surge,
            max_unavailable: max_unavailable.min(wanted),
            recreate: strategy.and_then(|s| s.type_.as_deref()) == Some("Recreate"),
        }
    }
}

impl Counts {
    pub fn of(set: &ReplicaSet) -> Self {
        Self {
            wanted: set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1),
            available: set.status.as_ref().and_then(|s| s.available_replicas).unwrap_or(0),
        }
    }
}

#[derive(Clone, Copy)]
enum Round {
    Up,
    Down,
}

/// A number as it stands, or a percentage of `whole`; the default is 25 %.
fn resolve(value: Option<&IntOrString>, whole: i32, round: Round) -> i32 {
    let percent = match value {
        Some(IntOrString::Int(number)) => return *number,
        Some(IntOrString::String(text)) => text.trim_end_matches('%').parse().unwrap_or(0),
        None => 25,
    };
    let part = i64::from(whole) * percent;
    let rounded = match round {
        Round::Up => (part + 99) / 100,
        Round::Down => part / 100,
    };
    i32::try_from(rounded).unwrap_or(i32::MAX)
}

/// How many replicas the new ReplicaSet should have at this step.
pub(crate) fn new_replicas(limits: Limits, new: Counts, old: &[Counts]) -> i32 {
    if new.wanted >= limits.wanted {
        return limits.wanted;
    }
    let total = new.wanted + old.iter().map(|set| set.wanted).sum::<i32>();
    let room = (limits.wanted + limits.max_surge - total).max(0);
    new.wanted + room.min(limits.wanted - new.wanted)
}

/// How many replicas each old ReplicaSet (oldest first) should have at this step.
pub(crate) fn old_replicas(limits: Limits, new: Counts, old: &[Counts]) -> Vec<i32> {
    let mut targets: Vec<i32> = old.iter().map(|set| set.wanted).collect();
    let total = new.wanted + targets.iter().sum::<i32>();
    let min_available = limits.wanted - limits.max_unavailable;
    let new_unavailable = (new.wanted - new.available).max(0);
    let may_go = total - min_available - new_unavailable;
    if may_go <= 0 {
        return targets;
    }
    let unhealthy = drop_unhealthy(&mut targets, old, may_go);
    let available: i32 = new.available + old.iter().map(|set| set.available).sum::<i32>();
    let mut left = (available - min_available).min(may_go - unhealthy).max(0);
    for target in &mut targets {
        let goes = left.min(*target);
        *target -= goes;
        left -= goes;
    }
    targets
}

/// Replicas that serve nobody go first: they cost no availability.
fn drop_unhealthy(targets: &mut [i32], old: &[Counts], may_go: i32) -> i32 {
    let mut gone = 0;
    for (target, set) in targets.iter_mut().zip(old) {
        let goes = (set.wanted - set.available).clamp(0, may_go - gone);
        *target -= goes;
        gone += goes;
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(wanted: i32, max_surge: i32, max_unavailable: i32) -> Limits {
        Limits { wanted, max_surge, max_unavailable, recreate: false }
    }

    fn counts(wanted: i32, available: i32) -> Counts {
        Counts { wanted, available }
    }

    fn check(limits: Limits, new: Counts, old: &[Counts], expected: (i32, &[i32])) {
        let seen = (new_replicas(limits, new, old), old_replicas(limits, new, old));
        assert_eq!((seen.0, seen.1.as_slice()), expected);
    }

    #[test]
    fn a_first_rollout_makes_everything_at_once() {
        check(limits(3, 1, 0), counts(0, 0), &[], (3, &[]));
    }

    #[test]
    fn a_surge_pod_comes_before_an_old_one_goes() {
        check(limits(3, 1, 0), counts(0, 0), &[counts(3, 3)], (1, &[3]));
    }

    #[test]
    fn an_old_pod_goes_once_the_new_one_is_available() {
        check(limits(3, 1, 0), counts(1, 0), &[counts(3, 3)], (1, &[3]));
        check(limits(3, 1, 0), counts(1, 1), &[counts(3, 3)], (1, &[2]));
    }

    #[test]
    fn unhealthy_old_pods_go_first() {
        check(limits(3, 1, 0), counts(1, 1), &[counts(1, 0), counts(2, 2)], (1, &[0, 2]));
    }

    #[test]
    fn unavailable_allowance_lets_old_pods_go_at_once() {
        check(limits(4, 0, 1), counts(0, 0), &[counts(4, 4)], (0, &[3]));
    }

    #[test]
    fn scaling_down_needs_no_rollout() {
        check(limits(1, 1, 0), counts(3, 3), &[], (1, &[]));
    }

    #[test]
    fn availability_never_falls_below_the_limit_whatever_becomes_available_when() {
        for (surge, unavailable) in [(1, 0), (0, 1), (2, 1), (1, 3)] {
            let limits = limits(5, surge, unavailable);
            let (mut new, mut old) = (counts(0, 0), counts(5, 5));
            for step in 0..100 {
                let target = new_replicas(limits, new, &[old]);
                let old_target = old_replicas(limits, new, &[old])[0];
                new = counts(target, new.available.min(target));
                old = counts(old_target, old.available.min(old_target));
                assert!(new.available + old.available >= 5 - unavailable, "step {step}");
                assert!(new.wanted + old.wanted <= 5 + surge, "step {step}");
                // One more new pod becomes available at each step.
                new.available = (new.available + 1).min(new.wanted);
            }
            assert_eq!((new.wanted, old.wanted), (5, 0));
        }
    }

    #[test]
    fn percentages_round_up_for_surge_and_down_for_unavailable() {
        let spec = DeploymentSpec { replicas: Some(3), ..Default::default() };
        assert_eq!(Limits::of(&spec), limits(3, 1, 0));
    }
}
