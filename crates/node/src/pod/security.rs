//! Security contexts: who a container's process is and what it may do.

use container::{Principal, Seccomp, Security, User};
use k8s_openapi::api::core::v1::{Container, Pod, PodSecurityContext, SecurityContext};

use super::spec::ConfigError;

/// The user of a container: its own context, then the pod's, then the image's.
pub(crate) fn user(pod: &Pod, container: &Container, image: &str) -> Result<User, ConfigError> {
    let (own, shared) = contexts(pod, container);
    let uid = own.and_then(|c| c.run_as_user).or(shared.and_then(|c| c.run_as_user));
    let gid = own.and_then(|c| c.run_as_group).or(shared.and_then(|c| c.run_as_group));
    let mut user = User::parse(image);
    if let Some(uid) = uid {
        // The image's group belongs to the image's user.
        user = User { user: Principal::Id(id("runAsUser", uid)?), ..User::default() };
    }
    if let Some(gid) = gid {
        user.group = Some(Principal::Id(id("runAsGroup", gid)?));
    }
    user.additional_groups = groups(shared)?;
    let non_root = own.and_then(|c| c.run_as_non_root).or(shared.and_then(|c| c.run_as_non_root));
    if non_root == Some(true) {
        refuse_root(&user)?;
    }
    Ok(user)
}

fn refuse_root(user: &User) -> Result<(), ConfigError> {
    match &user.user {
        Principal::Id(0) => Err(ConfigError::Root),
        Principal::Id(_) => Ok(()),
        Principal::Name(name) => Err(ConfigError::NamedUser(name.clone())),
    }
}

/// `fsGroup` and `supplementalGroups`.
fn groups(shared: Option<&PodSecurityContext>) -> Result<Vec<u32>, ConfigError> {
    let Some(shared) = shared else { return Ok(Vec::new()) };
    let mut groups = Vec::new();
    for gid in shared.supplemental_groups.iter().flatten() {
        groups.push(id("supplementalGroups", *gid)?);
    }
    if let Some(gid) = shared.fs_group {
        groups.push(id("fsGroup", gid)?);
    }
    groups.dedup();
    Ok(groups)
}

fn id(field: &'static str, value: i64) -> Result<u32, ConfigError> {
    u32::try_from(value).map_err(|_| ConfigError::Id { field, value })
}

/// The pod's `fsGroup`, for the volumes.
pub(crate) fn fs_group(pod: &Pod) -> Option<u32> {
    let group = pod.spec.as_ref()?.security_context.as_ref()?.fs_group?;
    u32::try_from(group).ok()
}

/// The user that all containers of the pod are to run as, where each says so and says the same.
pub(crate) fn common_user(pod: &Pod) -> Option<u32> {
    let spec = pod.spec.as_ref()?;
    let containers = spec.init_containers.iter().flatten().chain(&spec.containers);
    let mut users = containers.map(|container| {
        let (own, shared) = contexts(pod, container);
        own.and_then(|c| c.run_as_user).or(shared.and_then(|c| c.run_as_user))
    });
    let first = users.next()??;
    users.all(|user| user == Some(first)).then(|| u32::try_from(first).ok()).flatten()
}

/// What the process may do.
pub(crate) fn security(pod: &Pod, container: &Container) -> Security {
    let (own, shared) = contexts(pod, container);
    let privileged = own.and_then(|c| c.privileged).unwrap_or(false);
    let capabilities = own.and_then(|c| c.capabilities.as_ref());
    let list = |list: Option<&Vec<String>>| list.cloned().unwrap_or_default();
    let unmasked = own.and_then(|c| c.proc_mount.as_deref()) == Some("Unmasked");
    Security {
        privileged,
        read_only_root: own.and_then(|c| c.read_only_root_filesystem).unwrap_or(false),
        no_new_privileges: own.and_then(|c| c.allow_privilege_escalation) == Some(false),
        add_capabilities: list(capabilities.and_then(|c| c.add.as_ref())),
        drop_capabilities: list(capabilities.and_then(|c| c.drop.as_ref())),
        seccomp: seccomp(own, shared),
        masked_paths: unmasked.then(Vec::new),
        read_only_paths: unmasked.then(Vec::new),
    }
}

/// `RuntimeDefault` unless somebody says `Unconfined`: safer than upstream's default.
fn seccomp(own: Option<&SecurityContext>, shared: Option<&PodSecurityContext>) -> Seccomp {
    let profile = own
        .and_then(|c| c.seccomp_profile.as_ref())
        .or(shared.and_then(|c| c.seccomp_profile.as_ref()));
    match profile.map(|profile| profile.type_.as_str()) {
        Some("Unconfined") => Seccomp::Unconfined,
        _ => Seccomp::Default,
    }
}

fn contexts<'a>(
    pod: &'a Pod,
    container: &'a Container,
) -> (Option<&'a SecurityContext>, Option<&'a PodSecurityContext>) {
    let shared = pod.spec.as_ref().and_then(|spec| spec.security_context.as_ref());
    (container.security_context.as_ref(), shared)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(shared: Value, own: Value) -> Pod {
        serde_json::from_value(json!({"spec": {"securityContext": shared,
            "containers": [{"name": "c", "securityContext": own}]}}))
        .unwrap()
    }

    fn check(shared: Value, own: Value, image: &str, expected: Result<User, ConfigError>) {
        let pod = pod(shared, own);
        let container = &pod.spec.as_ref().unwrap().containers[0];
        assert_eq!(user(&pod, container, image), expected);
    }

    #[test]
    fn the_nearest_user_wins() {
        check(json!({}), json!({}), "7:8", Ok(User::id(7, 8)));
        check(
            json!({"runAsUser": 1}),
            json!({}),
            "7:8",
            Ok(User { user: Principal::Id(1), ..User::default() }),
        );
        check(
            json!({"runAsUser": 1, "runAsGroup": 3}),
            json!({"runAsUser": 2}),
            "7:8",
            Ok(User::id(2, 3)),
        );
    }

    #[test]
    fn groups_of_the_pod_are_added() {
        let expected = User { additional_groups: vec![5, 9], ..User::parse("7") };
        check(json!({"supplementalGroups": [5], "fsGroup": 9}), json!({}), "7", Ok(expected));
    }

    #[test]
    fn non_root_is_held() {
        check(json!({"runAsNonRoot": true}), json!({}), "", Err(ConfigError::Root));
        check(json!({"runAsNonRoot": true}), json!({}), "7", Ok(User::parse("7")));
        check(
            json!({"runAsNonRoot": true}),
            json!({}),
            "app",
            Err(ConfigError::NamedUser("app".into())),
        );
        check(
            json!({"runAsNonRoot": true}),
            json!({"runAsNonRoot": false}),
            "",
            Ok(User::default()),
        );
    }

    #[test]
    fn contexts_become_security() {
        let pod = pod(
            json!({"seccompProfile": {"type": "Unconfined"}}),
            json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}}),
        );
        let made = security(&pod, &pod.spec.as_ref().unwrap().containers[0]);
        assert!(made.no_new_privileges && made.read_only_root && !made.privileged);
        assert_eq!(made.drop_capabilities, ["ALL"]);
        assert_eq!(made.add_capabilities, ["NET_BIND_SERVICE"]);
        assert_eq!(made.seccomp, Seccomp::Unconfined);
    }
}
