//! The etcd v3 API beside Debian's etcd: the same client, the same disk, one after the other in
//! rounds, so that what the machine does meanwhile hits both.

mod disk;
mod fan_out;
mod load;
mod peer;

use std::path::Path;

use load::{Kind, Measured};
use peer::Peer;

use crate::table::{Table, median};

/// Rounds of each load; the numbers are medians over them.
const ROUNDS: usize = 3;
/// Clients of the loads, each with a connection of its own.
const CLIENTS: [usize; 4] = [1, 16, 64, 256];

/// Every measurement of the API; without etcd on the machine only our side.
pub fn compare(binary: &Path, table: &mut Table) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ours = Peer::ours(binary)?;
    let theirs = Peer::debian()?;
    let pair = Pair { ours: &ours, theirs: theirs.as_ref(), runtime: &runtime };
    for clients in CLIENTS {
        pair.load(Kind::Put, clients, table)?;
    }
    for clients in [1, 64] {
        pair.load(Kind::Get, clients, table)?;
    }
    pair.load(Kind::RangeOf1000, 1, table)?;
    pair.load(Kind::LeaseGrant, 64, table)?;
    pair.fan_out(table)?;
    pair.disk(table)
}

/// The two that are compared.
struct Pair<'a> {
    ours: &'a Peer,
    theirs: Option<&'a Peer>,
    runtime: &'a tokio::runtime::Runtime,
}

impl Pair<'_> {
    fn load(&self, kind: Kind, clients: usize, table: &mut Table) -> anyhow::Result<()> {
        let what = format!("etcd API: {kind}, {clients} client{}", plural(clients));
        let run = |peer: &Peer| self.runtime.block_on(load::run(peer.url(), kind, clients));
        let (ours, theirs) = self.rounds(run)?;
        let per_second = |all: &[Measured]| median(all.iter().map(|m| m.per_second).collect());
        let p50 = |all: &[Measured]| median(all.iter().map(|m| m.p50_ms).collect());
        let p99 = |all: &[Measured]| median(all.iter().map(|m| m.p99_ms).collect());
        self.row(table, &what, "/s", per_second(&ours), per_second(&theirs));
        self.row(table, &format!("{what}: p50"), "ms", p50(&ours), p50(&theirs));
        self.row(table, &format!("{what}: p99"), "ms", p99(&ours), p99(&theirs));
        Ok(())
    }

    fn fan_out(&self, table: &mut Table) -> anyhow::Result<()> {
        let what = format!("etcd API: put to event, {} watchers", fan_out::WATCHERS);
        let (ours, theirs) = self.rounds(|peer| self.runtime.block_on(fan_out::run(peer.url())))?;
        let p50 = |all: &[fan_out::Times]| median(all.iter().map(|t| t.p50_ms).collect());
        let p99 = |all: &[fan_out::Times]| median(all.iter().map(|t| t.p99_ms).collect());
        self.row(table, &format!("{what}: p50"), "ms", p50(&ours), p50(&theirs));
        self.row(table, &format!("{what}: p99"), "ms", p99(&ours), p99(&theirs));
        Ok(())
    }

    /// Once only: a million writes are long enough to be steady.
    fn disk(&self, table: &mut Table) -> anyhow::Result<()> {
        let what = format!("etcd API: {} overwrites of 1,000 keys", disk::OVERWRITES);
        let run = |peer: &Peer| self.runtime.block_on(disk::run(peer));
        let ours = run(self.ours)?;
        let theirs = self.theirs.map(run).transpose()?;
        let mut row = |name: &str, unit: &str, value: fn(&disk::Used) -> f64| {
            let theirs = theirs.as_ref().map_or(f64::NAN, value);
            self.row(table, &format!("{what}: {name}"), unit, value(&ours), theirs);
        };
        row("writes per second", "/s", |used| used.per_second);
        row("disk after them", "MB", |used| used.disk_mb);
        row("memory after them (PSS)", "MB", |used| used.memory_mb);
        Ok(())
    }

    /// Ours and theirs in turn; which one goes first changes from round to round.
    fn rounds<T>(
        &self,
        run: impl Fn(&Peer) -> anyhow::Result<T>,
    ) -> anyhow::Result<(Vec<T>, Vec<T>)> {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            if round % 2 == 0 {
                ours.push(run(self.ours)?);
            }
            if let Some(peer) = self.theirs {
                theirs.push(run(peer)?);
            }
            if round % 2 == 1 {
                ours.push(run(self.ours)?);
            }
        }
        Ok((ours, theirs))
    }

    fn row(&self, table: &mut Table, what: &str, unit: &str, ours: f64, theirs: f64) {
        match self.theirs {
            Some(_) => table.beside(what, unit, ours, ("etcd", theirs)),
            None => {
                table.alone(&format!("{what} (etcd is not installed)"), format!("{ours:.2} {unit}"))
            }
        }
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
