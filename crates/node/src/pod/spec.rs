//! A container of a pod as the runtime takes it: a pure translation.

use std::collections::BTreeMap;
use std::path::PathBuf;

use container::{ContainerSpec, LogSpec, Mount, PodNetwork, PodSpec, RootFs};
use k8s_openapi::api::core::v1::{Container, Pod};

use super::expand::expand;
use super::{qos, security};

/// A log file is rotated at this size.
pub(crate) const LOG_BYTES_MAX: u64 = 10 << 20;
/// Log files kept for one container.
pub(crate) const LOG_FILES_MAX: u32 = 3;
/// Where programs are searched when neither image nor pod says so.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What an image says about the containers made from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ImageFacts {
    /// As `status.containerStatuses[].imageID` shows it.
    pub id: String,
    pub entrypoint: Vec<String>,
    pub command: Vec<String>,
    pub env: Vec<(String, String)>,
    pub working_dir: String,
    pub user: String,
    /// Unpacked layers, top first.
    pub layers: Vec<PathBuf>,
}

/// What a container is made from.
pub(crate) struct Inputs<'a> {
    pub pod: &'a Pod,
    pub container: &'a Container,
    pub id: String,
    pub hostname: &'a str,
    pub image: &'a ImageFacts,
    pub env: BTreeMap<String, String>,
    pub mounts: Vec<Mount>,
    pub upper: PathBuf,
    pub work: PathBuf,
    pub log: PathBuf,
    pub node_memory_bytes: u64,
}

/// Why a container cannot be made as asked.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum ConfigError {
    #[error("container has runAsNonRoot and image will run as root")]
    Root,
    #[error(
        "container has runAsNonRoot and image has non-numeric user ({0}), cannot verify user is non-root"
    )]
    NamedUser(String),
    #[error("{field} is {value}: ids are 0 to 4294967295")]
    Id { field: &'static str, value: i64 },
    #[error("the image has neither entrypoint nor command and the container gives none")]
    NoCommand,
}

/// The container's spec for the runtime.
pub(crate) fn translate(inputs: Inputs<'_>) -> Result<ContainerSpec, ConfigError> {
    let Inputs { pod, container, image, .. } = inputs;
    let user = security::user(pod, container, &image.user)?;
    let args = args(container, image, &inputs.env)?;
    Ok(ContainerSpec {
        id: inputs.id,
        rootfs: RootFs { lower: image.layers.clone(), upper: inputs.upper, work: inputs.work },
        args,
        env: environment(inputs.env, image, inputs.hostname),
        cwd: container.working_dir.clone().unwrap_or_else(|| image.working_dir.clone()),
        user,
        mounts: inputs.mounts,
        resources: qos::resources(container),
        security: security::security(pod, container),
        tty: container.tty.unwrap_or(false),
        stdin: container.stdin.unwrap_or(false),
        stdin_once: container.stdin_once.unwrap_or(false),
        shares_processes_of: None,
        log: LogSpec { path: inputs.log, max_bytes: LOG_BYTES_MAX, max_files: LOG_FILES_MAX },
        oom_score_adj: Some(qos::oom_score_adj(
            qos::Class::of(pod),
            container,
            inputs.node_memory_bytes,
        )),
    })
}

/// `command` replaces the image's entrypoint and its command; `args` replaces the command.
fn args(
    container: &Container,
    image: &ImageFacts,
    env: &BTreeMap<String, String>,
) -> Result<Vec<String>, ConfigError> {
    let expanded = |words: &Option<Vec<String>>| -> Option<Vec<String>> {
        let words = words.as_ref().filter(|words| !words.is_empty())?;
        Some(words.iter().map(|word| expand(word, |name| env.get(name).cloned())).collect())
    };
    let mut all;
    match (expanded(&container.command), expanded(&container.args)) {
        (Some(command), args) => {
            all = command;
            all.extend(args.unwrap_or_default());
        }
        (None, args) => {
            all = image.entrypoint.clone();
            all.extend(args.unwrap_or_else(|| image.command.clone()));
        }
    }
    if all.is_empty() { Err(ConfigError::NoCommand) } else { Ok(all) }
}

/// PATH and HOSTNAME, then the image's variables, then the container's; each name once.
fn environment(
    container: BTreeMap<String, String>,
    image: &ImageFacts,
    hostname: &str,
) -> Vec<(String, String)> {
    let mut all = BTreeMap::from([
        ("PATH".to_owned(), PATH.to_owned()),
        ("HOSTNAME".to_owned(), hostname.to_owned()),
    ]);
    all.extend(image.env.iter().cloned());
    all.extend(container);
    all.into_iter().collect()
}

/// The host name of a pod: `spec.hostname` or its name, cut to what the kernel takes.
pub(crate) fn hostname(pod: &Pod) -> String {
    let spec = pod.spec.as_ref();
    let own = spec.and_then(|spec| spec.hostname_override.clone().or(spec.hostname.clone()));
    let mut name = own.or_else(|| pod.metadata.name.clone()).unwrap_or_default();
    name.truncate(63);
    name.trim_end_matches(['-', '.']).to_owned()
}

/// The pod itself for the runtime. `address` is remembered in its labels for adoption.
pub(crate) fn pod_spec(pod: &Pod, domain: &str, address: &str) -> PodSpec {
    let meta = &pod.metadata;
    let spec = pod.spec.clone().unwrap_or_default();
    let host_network = spec.host_network == Some(true);
    let label =
        |key: &str, value: Option<&String>| (key.to_owned(), value.cloned().unwrap_or_default());
    let fqdn = (spec.set_hostname_as_fqdn == Some(true)).then(|| fqdn(pod, domain)).flatten();
    let sysctls = spec.security_context.and_then(|security| security.sysctls).unwrap_or_default();
    PodSpec {
        id: meta.uid.clone().unwrap_or_default(),
        hostname: if host_network { String::new() } else { fqdn.unwrap_or_else(|| hostname(pod)) },
        domain: String::new(),
        network: if host_network { PodNetwork::Host } else { PodNetwork::Own },
        share_processes: spec.share_process_namespace == Some(true),
        host_pid: spec.host_pid == Some(true),
        host_ipc: spec.host_ipc == Some(true),
        sysctls: sysctls.into_iter().map(|sysctl| (sysctl.name, sysctl.value)).collect(),
        labels: BTreeMap::from([
            label("namespace", meta.namespace.as_ref()),
            label("name", meta.name.as_ref()),
            label("address", Some(&address.to_owned())),
        ]),
        resources: qos::pod_resources(pod),
    }
}

/// `hostname.subdomain.namespace.svc.domain`, for a pod that has a subdomain.
pub(crate) fn fqdn(pod: &Pod, domain: &str) -> Option<String> {
    let subdomain = pod.spec.as_ref()?.subdomain.as_deref().filter(|name| !name.is_empty())?;
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    Some(format!("{}.{subdomain}.{namespace}.svc.{domain}", hostname(pod)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn image() -> ImageFacts {
        ImageFacts {
            entrypoint: vec!["/app".into()],
            command: vec!["serve".into()],
            env: vec![("LANG".into(), "C".into()), ("MODE".into(), "image".into())],
            working_dir: "/srv".into(),
            layers: vec!["/l2".into(), "/l1".into()],
            ..ImageFacts::default()
        }
    }

    fn made(container: Value, env: &[(&str, &str)]) -> Result<ContainerSpec, ConfigError> {
        let mut container = container;
        container["name"] = json!("main");
        let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "web"},
            "spec": {"containers": [container]}}))
        .unwrap();
        translate(Inputs {
            pod: &pod,
            container: &pod.spec.as_ref().unwrap().containers[0],
            id: "main.0".into(),
            hostname: "web",
            image: &image(),
            env: env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            mounts: Vec::new(),
            upper: "/u".into(),
            work: "/w".into(),
            log: "/log".into(),
            node_memory_bytes: 1 << 30,
        })
    }

    fn check_args(container: Value, expected: &[&str]) {
        assert_eq!(made(container, &[("A", "1")]).unwrap().args, expected);
    }

    #[test]
    fn command_and_args_override_the_image() {
        check_args(json!({}), &["/app", "serve"]);
        check_args(json!({"args": ["x"]}), &["/app", "x"]);
        check_args(json!({"command": ["/sh"]}), &["/sh"]);
        check_args(json!({"command": ["/sh"], "args": ["-c"]}), &["/sh", "-c"]);
    }

    #[test]
    fn arguments_are_expanded() {
        check_args(json!({"args": ["--a=$(A)", "$(B)"]}), &["/app", "--a=1", "$(B)"]);
    }

    #[test]
    fn the_pods_environment_wins_over_the_images() {
        let env = made(json!({}), &[("MODE", "pod")]).unwrap().env;
        let pairs: Vec<_> = env.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(
            pairs,
            ["HOSTNAME=web", "LANG=C", "MODE=pod", &format!("PATH={PATH}")].map(str::to_owned)
        );
    }

    #[test]
    fn working_directory_falls_back_to_the_image() {
        assert_eq!(made(json!({}), &[]).unwrap().cwd, "/srv");
        assert_eq!(made(json!({"workingDir": "/x"}), &[]).unwrap().cwd, "/x");
    }

    #[test]
    fn a_container_without_a_program_is_refused() {
        let pod: Pod =
            serde_json::from_value(json!({"spec": {"containers": [{"name": "c"}]}})).unwrap();
        let container = &pod.spec.as_ref().unwrap().containers[0];
        let found = args(container, &ImageFacts::default(), &BTreeMap::new());
        assert_eq!(found, Err(ConfigError::NoCommand));
    }

    #[test]
    fn host_names_are_cut_to_what_the_kernel_takes() {
        let name = format!("{}-{}", "a".repeat(62), "b".repeat(20));
        let pod: Pod = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
        assert_eq!(hostname(&pod), "a".repeat(62));
    }

    #[test]
    fn a_pod_on_the_hosts_network_keeps_the_hosts_name() {
        let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "a", "uid": "u"},
            "spec": {"hostNetwork": true, "containers": []}}))
        .unwrap();
        let spec = pod_spec(&pod, "cluster.local", "10.42.0.1");
        assert_eq!((spec.network, spec.hostname.as_str()), (PodNetwork::Host, ""));
        assert_eq!(spec.labels["address"], "10.42.0.1");
    }
}
