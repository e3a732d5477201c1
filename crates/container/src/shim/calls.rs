//! What clients ask for, one call after the other.

use std::os::fd::OwnedFd;

use super::container::Container;
use super::event_loop::Shim;
use crate::protocol::{Answer, Call, Message, Refusal, Request, VERSION};
use crate::record::{remove_file, write_json};
use crate::state::{ContainerState, PodRecord, Stats};

impl Shim {
    /// Answers a request of this client.
    pub(super) fn answer(&mut self, client: u32, request: Request) {
        let Request { sequence, call } = request;
        let greeted = self.clients.get(&client).is_some_and(|client| client.greeted);
        if matches!(call, Call::Stop) && greeted {
            self.stop(client, sequence);
        }
        let mut descriptors = Vec::new();
        let result = match call {
            Call::Hello { version } => self.hello(client, version),
            _ if !greeted => Err(Refusal::Version { ours: VERSION }),
            call => self.perform(client, call, &mut descriptors),
        };
        self.send(client, &Message::Reply { sequence, result }, &descriptors);
    }

    fn hello(&mut self, client: u32, version: u32) -> Result<Answer, Refusal> {
        if version != VERSION {
            return Err(Refusal::Version { ours: VERSION });
        }
        if let Some(client) = self.clients.get_mut(&client) {
            client.greeted = true;
        }
        Ok(Answer::Hello {
            version: VERSION,
            pod: self.pod.id.clone(),
            labels: self.pod.labels.clone(),
            pid: std::process::id(),
        })
    }

    fn perform(
        &mut self,
        client: u32,
        call: Call,
        descriptors: &mut Vec<OwnedFd>,
    ) -> Result<Answer, Refusal> {
        match call {
            Call::Create(spec) => self.create(*spec)?,
            Call::Start { container } => self.start(&container)?,
            Call::Signal { container, signal, all } => {
                let container = self.container(&container)?;
                container
                    .signal(signal, all)
                    .map_err(|error| Refusal::Failed(format!("send signal {signal}: {error}")))?;
            }
            Call::Remove { container } => self.remove(&container)?,
            Call::Exec(spec) => return stdio(self.exec(&spec, client)?, descriptors),
            Call::Attach(spec) => return stdio(self.attach(&spec, client)?, descriptors),
            Call::Containers => return Ok(Answer::Containers(self.states())),
            Call::Update { container, resources } => {
                let group = &self.container(&container)?.group;
                group.limit(&resources).map_err(|error| Refusal::Failed(error.to_string()))?;
            }
            Call::Stats { container } => return self.stats(container).map(Answer::Stats),
            Call::ReopenLog { container } => {
                let log = &mut self.container(&container)?.log;
                log.reopen().map_err(|error| Refusal::Failed(error.to_string()))?;
            }
            // Answered before, where they belong.
            Call::Hello { .. } | Call::Stop => {}
        }
        Ok(Answer::Done)
    }

    /// The container of this id.
    pub(super) fn container(&mut self, id: &str) -> Result<&mut Container, Refusal> {
        self.containers.get_mut(id).ok_or_else(|| Refusal::NoSuchContainer(id.to_owned()))
    }

    fn start(&mut self, id: &str) -> Result<(), Refusal> {
        let record = self.directory.container_record(id);
        let container = self.container(id)?;
        let started = container.start();
        let written = write_json(&record, &container.state);
        if let Err(error) = written {
            self.complain(&error.to_string());
        }
        started
    }

    /// Kills what runs of a container and takes it away.
    fn remove(&mut self, id: &str) -> Result<(), Refusal> {
        let group = self.container(id)?.group.clone();
        let fail = |error: std::io::Error| Refusal::Failed(format!("remove {id}: {error}"));
        if !group.kill().map_err(fail)? {
            return Err(Refusal::Failed(format!("processes of {id} outlive SIGKILL")));
        }
        let gone = |shim: &Shim| shim.containers.get(id).is_none_or(Container::has_exited);
        if !self.reap_until(gone) {
            return Err(Refusal::Failed(format!("the first process of {id} outlives SIGKILL")));
        }
        self.containers.remove(id);
        remove_file(&self.directory.container_record(id)).map_err(fail)?;
        // Taking its mounts and cgroups away is slow in the kernel: done when nobody waits.
        self.trash.push(id.to_owned());
        Ok(())
    }

    fn states(&self) -> Vec<ContainerState> {
        self.containers.values().map(|container| container.state.clone()).collect()
    }

    fn stats(&mut self, container: Option<String>) -> Result<Stats, Refusal> {
        let group = match container {
            Some(id) => &self.container(&id)?.group,
            None => &self.group,
        };
        group.stats().map_err(|error| Refusal::Failed(error.to_string()))
    }

    /// Sends a message; a client that cannot take it is let go.
    pub(super) fn send(&mut self, client: u32, message: &Message, descriptors: &[OwnedFd]) {
        if let Some(have) = self.clients.get_mut(&client)
            && !have.send(message, descriptors)
        {
            self.clients.remove(&client);
        }
    }

    /// Kills everything, tells the client, and ends.
    fn stop(&mut self, client: u32, sequence: u32) -> ! {
        // What outlives this is killed by whoever clears up after us.
        if let Err(error) = self.group.kill() {
            self.complain(&format!("kill the pod: {error}"));
        }
        self.reap_until(|shim| shim.containers.values().all(Container::has_exited));
        let record = PodRecord {
            id: self.pod.id.clone(),
            labels: self.pod.labels.clone(),
            containers: self.states(),
        };
        if let Err(error) = self.directory.write_record(&record) {
            self.complain(&error.to_string());
        }
        let reply = Message::Reply { sequence, result: Ok(Answer::Stopped(record)) };
        self.send(client, &reply, &[]);
        if let Some(client) = self.clients.remove(&client) {
            client.flush_last();
        }
        std::process::exit(0)
    }
}

fn stdio(
    (which, handed): super::exec::Handed,
    descriptors: &mut Vec<OwnedFd>,
) -> Result<Answer, Refusal> {
    *descriptors = handed;
    Ok(Answer::Stdio(which))
}
