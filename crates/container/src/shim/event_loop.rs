//! The shim's state and its loop: one poll(2) over signals, clients and the containers' output.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixListener;
use std::rc::Rc;

use nix::errno::Errno;
use nix::libc;
use nix::sys::signalfd::SignalFd;

use super::client::Client;
use super::container::Container;
use super::reap::ExecProcess;
use super::stdio::Channel;
use crate::cgroup::{Group, Layout};
use crate::record::PodDirectory;
use crate::spec::PodSpec;

/// Connections at once; more are turned away.
const CLIENTS_MAX: usize = 256;

/// Complaints written to the shim's log in its life.
const COMPLAINTS_MAX: u32 = 200;

/// A pod's shim.
pub(super) struct Shim {
    pub pod: PodSpec,
    pub directory: PodDirectory,
    pub layout: Layout,
    /// The pod's group; each container has one below it.
    pub group: Group,
    pub containers: BTreeMap<Rc<str>, Container>,
    /// Processes beside the containers' first ones, by pid.
    pub execs: BTreeMap<i32, ExecProcess>,
    pub clients: BTreeMap<u32, Client>,
    /// The init process of a pid namespace that all containers share.
    pub namespace_init: Option<i32>,
    /// Removed containers whose remains are still to be taken away.
    pub trash: Vec<String>,
    signals: SignalFd,
    listener: UnixListener,
    next_client: u32,
    complaints: u32,
}

/// What a polled descriptor belongs to.
enum Source {
    Signals,
    Listener,
    Client(u32),
    Output(Rc<str>, Channel),
}

impl Shim {
    pub(super) fn new(
        pod: PodSpec,
        directory: PodDirectory,
        layout: Layout,
        group: Group,
        signals: SignalFd,
        listener: UnixListener,
    ) -> Shim {
        Shim {
            pod,
            directory,
            layout,
            group,
            containers: BTreeMap::new(),
            execs: BTreeMap::new(),
            clients: BTreeMap::new(),
            namespace_init: None,
            trash: Vec::new(),
            signals,
            listener,
            next_client: 0,
            complaints: 0,
        }
    }

    /// Serves until told to stop.
    pub(super) fn run(mut self) -> ! {
        loop {
            let (mut polled, sources) = self.poll_set();
            // With work left over, only look; else sleep until something happens.
            let timeout = if self.trash.is_empty() { -1 } else { 0 };
            let ready = match poll(&mut polled, timeout) {
                Ok(ready) => ready,
                Err(error) => {
                    self.complain(&format!("poll: {error}"));
                    continue;
                }
            };
            if ready == 0 {
                self.empty_trash();
                continue;
            }
            for (polled, source) in polled.iter().zip(sources) {
                if polled.revents != 0 {
                    self.serve(source, polled.revents);
                }
            }
        }
    }

    fn poll_set(&self) -> (Vec<libc::pollfd>, Vec<Source>) {
        let mut polled = vec![
            watch(self.signals.as_raw_fd(), libc::POLLIN),
            watch(self.listener.as_raw_fd(), libc::POLLIN),
        ];
        let mut sources = vec![Source::Signals, Source::Listener];
        for (number, client) in &self.clients {
            polled.push(watch(client.descriptor(), client.interest()));
            sources.push(Source::Client(*number));
        }
        for (id, container) in &self.containers {
            for (channel, descriptor) in container.outputs() {
                polled.push(watch(descriptor, libc::POLLIN));
                sources.push(Source::Output(Rc::clone(id), channel));
            }
        }
        (polled, sources)
    }

    fn serve(&mut self, source: Source, events: libc::c_short) {
        match source {
            Source::Signals => self.reap(),
            Source::Listener => self.accept(),
            Source::Client(number) => self.serve_client(number, events),
            Source::Output(id, channel) => {
                if let Some(container) = self.containers.get_mut(&id) {
                    container.copy_output(channel);
                }
            }
        }
    }

    fn accept(&mut self) {
        match self.listener.accept() {
            Ok((stream, _)) if self.clients.len() < CLIENTS_MAX => match Client::new(stream) {
                Ok(client) => {
                    self.clients.insert(self.next_client, client);
                    self.next_client = self.next_client.wrapping_add(1);
                }
                Err(error) => self.complain(&format!("take a client: {error}")),
            },
            Ok(_) => self.complain("too many clients"),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => self.complain(&format!("accept: {error}")),
        }
    }

    fn serve_client(&mut self, number: u32, events: libc::c_short) {
        if events & libc::POLLOUT != 0
            && let Some(client) = self.clients.get_mut(&number)
            && !client.flush()
        {
            self.clients.remove(&number);
            return;
        }
        if events & (libc::POLLIN | libc::POLLHUP | libc::POLLERR) == 0 {
            return;
        }
        let Some(client) = self.clients.get_mut(&number) else { return };
        let open = client.receive();
        while let Some(client) = self.clients.get_mut(&number) {
            match client.next_request() {
                Ok(Some(request)) => self.answer(number, request),
                Ok(None) => break,
                Err(error) => {
                    self.complain(&format!("a client broke the protocol: {error}"));
                    self.clients.remove(&number);
                    return;
                }
            }
        }
        if !open {
            self.clients.remove(&number);
        }
    }

    /// Clears the descriptor's pending signals; what they tell is asked of waitpid.
    pub(super) fn drain_signals(&mut self) {
        while let Ok(Some(_)) = self.signals.read_signal() {}
    }

    /// Sleeps until a child ends or `milliseconds` are over.
    pub(super) fn await_signal(&self, milliseconds: i32) {
        // A failure here is a look too early; the caller looks again.
        let _ = poll(&mut [watch(self.signals.as_raw_fd(), libc::POLLIN)], milliseconds);
    }

    /// Takes away what is left of removed containers.
    pub(super) fn empty_trash(&mut self) {
        for id in std::mem::take(&mut self.trash) {
            self.discard(&id);
        }
    }

    /// Writes to the shim's log, within its bound.
    pub(super) fn complain(&mut self, text: &str) {
        if self.complaints < COMPLAINTS_MAX {
            self.complaints += 1;
            eprintln!("{} {text}", jiff::Timestamp::now());
        }
    }
}

fn watch(fd: RawFd, events: libc::c_short) -> libc::pollfd {
    libc::pollfd { fd, events, revents: 0 }
}

/// poll(2), again after an interruption. Returns how many are ready.
pub(super) fn poll(polled: &mut [libc::pollfd], timeout: i32) -> io::Result<usize> {
    let count = polled.len() as libc::nfds_t;
    loop {
        // SAFETY: the pointer and the count are those of one slice.
        let ready = unsafe { libc::poll(polled.as_mut_ptr(), count, timeout) };
        match usize::try_from(ready) {
            Ok(ready) => return Ok(ready),
            Err(_) if Errno::last() == Errno::EINTR => {}
            Err(_) => return Err(io::Error::last_os_error()),
        }
    }
}
