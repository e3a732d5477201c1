//! Making a container, step by step; what fails is undone.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::{AsRawFd, RawFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use libcontainer::container::builder::ContainerBuilder;
use libcontainer::syscall::syscall::SyscallType;

use super::ends::{OurEnds, Theirs, stdio};
use super::{Container, Defaults, chain, devices};
use crate::cgroup::Group;
use crate::error::CreateStep;
use crate::protocol::Refusal;
use crate::record::{make_private, remove_file, remove_tree, write_json};
use crate::shim::bundle::{self, PidNamespace, Surroundings};
use crate::shim::event_loop::Shim;
use crate::shim::log::Log;
use crate::shim::passwd::{Identity, identify};
use crate::shim::program::Program;
use crate::shim::{capabilities, descriptors, rootfs};
use crate::spec::{ContainerSpec, Seccomp};
use crate::state::{ContainerState, Status};

/// A step's name on what went wrong in it.
fn at<E: std::fmt::Display>(step: CreateStep) -> impl Fn(E) -> Refusal {
    move |error| Refusal::Create { step, message: error.to_string() }
}

impl Shim {
    /// Makes a container up to the point before its program runs.
    pub(in crate::shim) fn create(&mut self, spec: ContainerSpec) -> Result<(), Refusal> {
        crate::record::check_id("container id", &spec.id).map_err(at(CreateStep::Spec))?;
        if let Some(container) = self.containers.get(spec.id.as_str()) {
            return Err(container.wrong_state());
        }
        // A removed container of the same name, or on the same directories, may still be there.
        self.empty_trash();
        let id: Rc<str> = spec.id.as_str().into();
        match self.make(spec) {
            Ok(container) => {
                let record = self.directory.container_record(&id);
                if let Err(error) = write_json(&record, &container.state) {
                    self.complain(&error.to_string());
                }
                self.containers.insert(id, container);
                Ok(())
            }
            Err(refusal) => {
                self.discard(&id);
                Err(refusal)
            }
        }
    }

    fn make(&mut self, spec: ContainerSpec) -> Result<Container, Refusal> {
        let pid_namespace = self.pid_namespace(&spec).map_err(at(CreateStep::Process))?;
        let capabilities = capabilities::granted(&spec.security).map_err(at(CreateStep::Spec))?;
        let directory = self.directory.container(&spec.id);
        let root = directory.join("root");
        make_private(&root).map_err(at(CreateStep::RootFs))?;
        rootfs::mount_overlay(&spec.rootfs, &root).map_err(at(CreateStep::RootFs))?;
        let identity = identify(&root, &spec.user).map_err(at(CreateStep::User))?;
        let log = Log::open(spec.log.clone()).map_err(at(CreateStep::Log))?;
        let group = self.group.child(&spec.id);
        limit(&group, &spec).map_err(at(CreateStep::Cgroup))?;
        let dies_whole = matches!(pid_namespace, PidNamespace::Own);
        self.write_bundle(&spec, &identity, &root, &group, pid_namespace)
            .map_err(at(CreateStep::Process))?;
        let defaults = defaults(&spec, identity, capabilities);
        let (made, ends) = self.spawn(&spec, &defaults, &directory)?;
        let mut warnings = Vec::new();
        if let Err(error) = set_oom_score(made.pid, defaults.oom_score_adj)
            && spec.oom_score_adj.is_some()
        {
            warnings.push(format!("set oom_score_adj to {}: {error}", defaults.oom_score_adj));
        }
        Ok(Container {
            state: ContainerState { id: spec.id, status: Status::Created, warnings },
            group,
            root,
            pid: made.pid,
            defaults,
            library: made.library,
            failure: Some(ends.failure),
            outputs: ends.outputs,
            stdin: ends.stdin,
            stdin_once: spec.stdin_once,
            terminal: ends.terminal,
            log,
            attached: Vec::new(),
            dies_whole,
        })
    }

    fn write_bundle(
        &self,
        spec: &ContainerSpec,
        identity: &Identity,
        root: &Path,
        group: &Group,
        pid_namespace: PidNamespace,
    ) -> Result<(), String> {
        let hierarchies = self.mount_hierarchies(&spec.id, group)?;
        let around = Surroundings {
            root,
            hierarchies,
            cgroup: group.name(),
            shared_memory: self.directory.shared_memory(),
            pid_namespace,
            devices: if spec.security.privileged { devices::of_host() } else { Vec::new() },
        };
        let bundle = bundle::spec(spec, identity, &around).map_err(|error| error.to_string())?;
        let path = self.directory.container(&spec.id).join("config.json");
        write_json(&path, &bundle).map_err(|error| error.to_string())
    }

    /// Mounts the container's v1 groups together, to be shown in it; nothing to do in v2.
    fn mount_hierarchies(&self, id: &str, group: &Group) -> Result<Option<PathBuf>, String> {
        let shown = self.layout.shown();
        if shown.is_empty() {
            return Ok(None);
        }
        let tree = self.directory.container(id).join("cgroup");
        let below = group.name();
        let below = below.strip_prefix("/").unwrap_or(&below);
        rootfs::mount_together(&tree, shown.iter().map(|mount| (mount, mount.join(below))))
            .map_err(|error| format!("mount the cgroups: {error}"))?;
        Ok(Some(tree))
    }

    /// Has libcontainer make the process.
    fn spawn(
        &self,
        spec: &ContainerSpec,
        defaults: &Defaults,
        directory: &Path,
    ) -> Result<(Made, OurEnds), Refusal> {
        let fail = at::<std::io::Error>(CreateStep::Process);
        let (ours, theirs) = stdio(spec, directory).map_err(&fail)?;
        let state = self.directory.libcontainer();
        let given: BTreeSet<RawFd> = theirs.numbers();
        let before = descriptors::open();
        let program = Program {
            args: spec.args.clone(),
            env: defaults.env.clone(),
            cwd: defaults.cwd.clone(),
            capabilities: defaults.capabilities.clone(),
            seccomp: defaults.seccomp,
            failure: theirs.failure.as_raw_fd(),
            inherited: before.difference(&given).copied().collect(),
        };
        let built = build(spec, program, &state, directory, theirs);
        let library = built.map_err(|message| {
            // SAFETY: what libcontainer opened it has leaked: all its objects went with the
            // failed call. What we opened since is `ours`, and was open before.
            unsafe { descriptors::close_since(&before) };
            Refusal::Create { step: CreateStep::Process, message }
        })?;
        let pid = library.pid().map(|pid| pid.as_raw());
        let pid = pid.ok_or_else(|| fail(std::io::Error::other("it has no process")))?;
        let ends = ours.finish().map_err(&fail)?;
        Ok((Made { library, pid }, ends))
    }

    /// Takes away whatever there is of a container: processes, cgroups, mounts, files.
    pub(in crate::shim) fn discard(&mut self, id: &str) {
        let group = self.group.child(id);
        let directory = self.directory.container(id);
        let undone = [
            group.kill().map(drop),
            group.remove(),
            rootfs::unmount(&directory.join("root")),
            rootfs::unmount(&directory.join("cgroup")),
            remove_tree(&self.directory.libcontainer().join(id)),
            remove_tree(&directory),
            remove_file(&self.directory.container_record(id)),
        ];
        for error in undone.into_iter().filter_map(Result::err) {
            self.complain(&format!("take away container {id}: {error}"));
        }
    }

    fn pid_namespace(&mut self, spec: &ContainerSpec) -> std::io::Result<PidNamespace> {
        if let Some(other) = &spec.shares_processes_of {
            let found = self.containers.get(other.as_str());
            let Some(Status::Running { pid, .. }) = found.map(|found| &found.state.status) else {
                let message = format!("container {other}, whose processes it shares, does not run");
                return Err(std::io::Error::other(message));
            };
            return Ok(PidNamespace::Shared(PathBuf::from(format!("/proc/{pid}/ns/pid"))));
        }
        if self.pod.host_pid {
            return Ok(PidNamespace::Host);
        }
        if !self.pod.share_processes {
            return Ok(PidNamespace::Own);
        }
        let init = self.namespace_init()?;
        Ok(PidNamespace::Shared(PathBuf::from(format!("/proc/{init}/ns/pid"))))
    }
}

struct Made {
    library: libcontainer::container::Container,
    pid: i32,
}

fn build(
    spec: &ContainerSpec,
    program: Program,
    state: &Path,
    bundle: &Path,
    theirs: Theirs,
) -> Result<libcontainer::container::Container, String> {
    let mut builder = ContainerBuilder::new(spec.id.clone(), SyscallType::default())
        .with_root_path(state)
        .map_err(|error| chain(&error))?
        .with_executor(program)
        .with_console_socket(theirs.terminal.clone());
    (builder.stdin, builder.stdout, builder.stderr) = (theirs.stdin, theirs.stdout, theirs.stderr);
    let init = builder.as_init(bundle).with_systemd(false).with_detach(true);
    init.build().map_err(|error| chain(&error))
}

fn limit(group: &Group, spec: &ContainerSpec) -> std::io::Result<()> {
    group.create()?;
    group.limit(&spec.resources)?;
    // The group may be left from an earlier container of this name, or the kernel without it.
    group.die_together()?;
    if !spec.security.privileged {
        group.restrict_devices()?;
    }
    Ok(())
}

fn defaults(spec: &ContainerSpec, identity: Identity, capabilities: caps::CapsHashSet) -> Defaults {
    let security = &spec.security;
    let mut env = spec.env.clone();
    if !env.iter().any(|(name, _)| name == "HOME") {
        env.push(("HOME".to_owned(), identity.home.clone()));
    }
    if spec.tty && !env.iter().any(|(name, _)| name == "TERM") {
        env.push(("TERM".to_owned(), "xterm".to_owned()));
    }
    Defaults {
        env,
        cwd: if spec.cwd.is_empty() { "/".to_owned() } else { spec.cwd.clone() },
        identity: Rc::new(identity),
        capabilities,
        seccomp: security.seccomp == Seccomp::Default && !security.privileged,
        no_new_privileges: security.no_new_privileges,
        oom_score_adj: spec.oom_score_adj.unwrap_or(0),
    }
}

/// Written from here, as the child may not: lowering it takes a capability that even root may
/// lack.
pub(in crate::shim) fn set_oom_score(pid: i32, score: i32) -> std::io::Result<()> {
    fs::write(format!("/proc/{pid}/oom_score_adj"), score.to_string())
}
