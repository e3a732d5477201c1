//! What to do next with the containers of a pod: a pure decision from what is observed. It
//! may be asked at any time, twice, and after any crash.

use jiff::Timestamp;

use super::state::{Now, Role, Slot};

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Do these steps (none: there is nothing to do), and ask again at `wake` at the latest.
    Go { steps: Vec<Step>, wake: Option<Timestamp> },
    /// Every container that counts has ended for good.
    Finished { succeeded: bool },
}

/// One act on the slot of that index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Make the next attempt.
    Create(usize),
    /// Start the attempt that is made.
    Start(usize),
}

/// Decides. `initialized` is whether the init containers have run in the pod as it lives now;
/// it is set when the last of them has.
pub(crate) fn plan(slots: &[Slot], initialized: &mut bool, now: Timestamp) -> Plan {
    if let Some(succeeded) = outcome(slots) {
        return Plan::Finished { succeeded };
    }
    let mut going = Going { now, steps: Vec::new(), wake: None };
    // Whoever looks into a pod may do so before it has begun.
    for (index, slot) in of_role(slots, |role| role == Role::Ephemeral) {
        going.schedule(index, slot);
    }
    if !*initialized {
        match slots.iter().enumerate().find(|(_, slot)| holds_up(slot)) {
            Some((index, slot)) => {
                going.schedule(index, slot);
                return going.plan();
            }
            None => *initialized = true,
        }
    }
    for (index, slot) in of_role(slots, |role| matches!(role, Role::Main | Role::Sidecar)) {
        going.schedule(index, slot);
        if slot.hooking {
            // A hook may hold up the containers after it; some service meshes live by that.
            break;
        }
    }
    going.plan()
}

fn of_role(slots: &[Slot], wanted: impl Fn(Role) -> bool) -> impl Iterator<Item = (usize, &Slot)> {
    slots.iter().enumerate().filter(move |(_, slot)| wanted(slot.role))
}

/// How the pod ended, if it has.
fn outcome(slots: &[Slot]) -> Option<bool> {
    let failed_init =
        |slot: &Slot| slot.role == Role::Init && slot.is_over() && exit_code(slot) != Some(0);
    if slots.iter().any(failed_init) {
        return Some(false);
    }
    let mut mains = slots.iter().filter(|slot| slot.role == Role::Main).peekable();
    mains.peek()?;
    let mut succeeded = true;
    for main in mains {
        if !main.is_over() {
            return None;
        }
        succeeded &= exit_code(main) == Some(0);
    }
    Some(succeeded)
}

fn exit_code(slot: &Slot) -> Option<i32> {
    match &slot.now {
        Now::Ended(end) => Some(end.exit_code),
        _ => None,
    }
}

/// An init container that the ones after it wait for.
fn holds_up(slot: &Slot) -> bool {
    match slot.role {
        Role::Init => exit_code(slot) != Some(0),
        Role::Sidecar => !(slot.is_running() && slot.started && !slot.hooking),
        Role::Main | Role::Ephemeral => false,
    }
}

struct Going {
    now: Timestamp,
    steps: Vec<Step>,
    wake: Option<Timestamp>,
}

impl Going {
    fn schedule(&mut self, index: usize, slot: &Slot) {
        if slot.now == Now::Created {
            self.steps.push(Step::Start(index));
        } else if !slot.is_running() && !slot.is_over() {
            match slot.restart_at().filter(|at| *at > self.now) {
                Some(at) => self.wake = Some(self.wake.map_or(at, |wake| wake.min(at))),
                None => self.steps.push(Step::Create(index)),
            }
        }
    }

    fn plan(self) -> Plan {
        Plan::Go { steps: self.steps, wake: self.wake }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::state::slots;
    use k8s_openapi::api::core::v1::ContainerStateTerminated;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::{Value, json};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn running() -> Now {
        Now::Running { since: at(0) }
    }

    fn ended(code: i32) -> Now {
        Now::Ended(ContainerStateTerminated {
            exit_code: code,
            started_at: Some(Time(at(0))),
            finished_at: Some(Time(at(10))),
            ..Default::default()
        })
    }

    /// Slots of `spec` in the given states.
    fn state(spec: Value, nows: Vec<Now>) -> Vec<Slot> {
        let pod = serde_json::from_value(json!({"spec": spec})).unwrap();
        let mut slots = slots(&pod, at(0));
        for (slot, now) in slots.iter_mut().zip(nows) {
            slot.attempt = (now != Now::Absent).then_some(0);
            slot.now = now;
        }
        slots
    }

    fn check(slots: &[Slot], expected: Plan) {
        assert_eq!(plan(slots, &mut false, at(10)), expected);
    }

    fn go(steps: &[Step]) -> Plan {
        Plan::Go { steps: steps.to_vec(), wake: None }
    }

    fn two(policy: &str) -> Value {
        json!({"restartPolicy": policy, "containers": [{"name": "a"}, {"name": "b"}]})
    }

    fn init() -> Value {
        json!({"initContainers": [{"name": "i"}, {"name": "s", "restartPolicy": "Always"}],
            "containers": [{"name": "a"}]})
    }

    #[test]
    fn containers_are_made_then_started_together() {
        let slots = state(two("Always"), vec![Now::Absent, Now::Created]);
        check(&slots, go(&[Step::Create(0), Step::Start(1)]));
    }

    #[test]
    fn a_hook_holds_up_the_containers_after_it() {
        let mut slots = state(two("Always"), vec![running(), Now::Created]);
        slots[0].hooking = true;
        check(&slots, go(&[]));
        slots[0].hooking = false;
        check(&slots, go(&[Step::Start(1)]));
        let mut slots = state(init(), vec![ended(0), running(), Now::Absent]);
        (slots[1].started, slots[1].hooking) = (true, true);
        check(&slots, go(&[]));
    }

    #[test]
    fn a_pod_that_runs_needs_nothing() {
        check(&state(two("Always"), vec![running(), running()]), go(&[]));
    }

    #[test]
    fn init_containers_go_one_by_one_before_the_rest() {
        check(&state(init(), vec![Now::Absent; 3]), go(&[Step::Create(0)]));
        check(&state(init(), vec![running(), Now::Absent, Now::Absent]), go(&[]));
        check(&state(init(), vec![ended(0), Now::Absent, Now::Absent]), go(&[Step::Create(1)]));
    }

    #[test]
    fn a_sidecar_lets_the_rest_go_once_it_is_up() {
        let mut slots = state(init(), vec![ended(0), running(), Now::Absent]);
        check(&slots, go(&[]));
        slots[1].started = true;
        check(&slots, go(&[Step::Create(2)]));
    }

    #[test]
    fn a_first_end_is_followed_at_once_and_later_ones_after_a_wait() {
        let mut slots = state(two("Always"), vec![ended(1), running()]);
        check(&slots, go(&[Step::Create(0)]));
        slots[0].backoff = crate::pod::restart::Backoff::from_restarts(1);
        check(&slots, Plan::Go { steps: vec![], wake: Some(at(20)) });
    }

    #[test]
    fn a_pod_that_never_restarts_ends_with_its_containers() {
        check(&state(two("Never"), vec![ended(0), running()]), go(&[]));
        check(&state(two("Never"), vec![ended(0), ended(0)]), Plan::Finished { succeeded: true });
        check(&state(two("Never"), vec![ended(0), ended(2)]), Plan::Finished { succeeded: false });
        check(&state(two("OnFailure"), vec![ended(0), ended(2)]), go(&[Step::Create(1)]));
    }

    #[test]
    fn a_failed_init_container_fails_a_pod_that_never_restarts() {
        let mut spec = init();
        spec["restartPolicy"] = json!("Never");
        let slots = state(spec, vec![ended(1), Now::Absent, Now::Absent]);
        check(&slots, Plan::Finished { succeeded: false });
        check(&state(init(), vec![ended(1), Now::Absent, Now::Absent]), go(&[Step::Create(0)]));
    }

    #[test]
    fn an_ephemeral_container_starts_once_at_any_time() {
        let mut spec = init();
        spec["ephemeralContainers"] = json!([{"name": "d"}]);
        let at_work = |debugger: Now| {
            state(spec.clone(), vec![running(), Now::Absent, Now::Absent, debugger])
        };
        check(&at_work(Now::Absent), go(&[Step::Create(3)]));
        check(&at_work(Now::Created), go(&[Step::Start(3)]));
        check(&at_work(ended(1)), go(&[]));
        // It keeps no pod alive, and ends none.
        let mut spec = two("Never");
        spec["ephemeralContainers"] = json!([{"name": "d"}]);
        let over = state(spec, vec![ended(0), ended(0), running()]);
        check(&over, Plan::Finished { succeeded: true });
    }

    #[test]
    fn once_initialized_init_containers_are_left_alone() {
        let slots = state(init(), vec![Now::Absent, ended(1), running()]);
        let mut initialized = true;
        assert_eq!(plan(&slots, &mut initialized, at(10)), go(&[Step::Create(1)]));
    }
}
