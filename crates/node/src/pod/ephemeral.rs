//! Ephemeral containers: put into a pod that runs, to look at it. They are containers like others,
//! but nothing starts them again.

use k8s_openapi::api::core::v1::{Container, EphemeralContainer, Pod};

/// All of a pod.
pub(crate) fn all(pod: &Pod) -> impl Iterator<Item = &EphemeralContainer> {
    pod.spec.iter().flat_map(|spec| spec.ephemeral_containers.iter().flatten())
}

/// The container whose processes the ephemeral one of that name sees.
pub(crate) fn target<'a>(pod: &'a Pod, name: &str) -> Option<&'a str> {
    let found = all(pod).find(|container| container.name == name)?;
    found.target_container_name.as_deref().filter(|target| !target.is_empty())
}

/// What it has in common with other containers; what it may not have is left out.
pub(crate) fn as_container(ephemeral: &EphemeralContainer) -> Container {
    let own = ephemeral.clone();
    Container {
        args: own.args,
        command: own.command,
        env: own.env,
        env_from: own.env_from,
        image: own.image,
        image_pull_policy: own.image_pull_policy,
        name: own.name,
        security_context: own.security_context,
        stdin: own.stdin,
        stdin_once: own.stdin_once,
        termination_message_path: own.termination_message_path,
        termination_message_policy: own.termination_message_policy,
        tty: own.tty,
        volume_devices: own.volume_devices,
        volume_mounts: own.volume_mounts,
        working_dir: own.working_dir,
        ..Container::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_ephemeral_container_is_found_with_its_target() {
        let pod: Pod = serde_json::from_value(json!({"spec": {"containers": [{"name": "web"}],
            "ephemeralContainers": [{"name": "a", "image": "box", "tty": true},
                {"name": "b", "targetContainerName": "web"}]}}))
        .unwrap();
        assert_eq!((target(&pod, "a"), target(&pod, "b")), (None, Some("web")));
        let first = as_container(all(&pod).next().unwrap());
        assert_eq!((first.image.as_deref(), first.tty), (Some("box"), Some(true)));
    }
}
