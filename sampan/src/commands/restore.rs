//! `sampan restore FILE`: an instance becomes what it was at a backup.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::Path;

use anyhow::{Context, bail};

use crate::backup::restore::{self, Staged};
use crate::cli::RestoreArgs;
use crate::instance::Instance;
use crate::machine;
use crate::output::say;

pub fn run(instance: &Instance, args: RestoreArgs) -> anyhow::Result<()> {
    machine::require_root("restore")?;
    let data_dir = instance.data_dir();
    if let Some(server) = instance.running()? {
        bail!(
            "a server (pid {}) runs on {}\nstop it and its pods with 'sampan stop', and restore again",
            server.pid,
            data_dir.display()
        );
    }
    let _lock = instance.lock_for_maintenance()?;
    restore::finish(data_dir).context("finish a restore that was interrupted")?;
    refuse_running_pods(instance)?;
    let had_state = restore::has_state(data_dir);
    if had_state && !args.force {
        bail!(
            "{} has state already\ngive another --data-dir, or --force: \
             what is there is then kept in it as before-restore-<time>",
            data_dir.display()
        );
    }
    let staged = stage(data_dir, &args.file)?;
    let before = format!("before-restore-{}", jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ"));
    restore::commit(data_dir, &before)?;
    report(instance, &staged, had_state.then_some(before.as_str()));
    Ok(())
}

/// Pods outlive their server. Those that run were made by a state that is about to go.
fn refuse_running_pods(instance: &Instance) -> anyhow::Result<()> {
    let pods = fs::read_dir(instance.run_dir().join("pods"));
    let count = pods.into_iter().flatten().count();
    if count > 0 {
        bail!(
            "{count} pods of {} still run\nstop them with 'sampan stop', and restore again",
            instance.data_dir().display()
        );
    }
    Ok(())
}

fn stage(data_dir: &Path, file: &Path) -> anyhow::Result<Staged> {
    let attempt = || format!("restore {}; nothing has been changed", file.display());
    let from: Box<dyn Read> = if file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(file).with_context(|| format!("open the backup {}", file.display()))?)
    };
    restore::stage(data_dir, BufReader::new(from)).with_context(attempt)
}

fn report(instance: &Instance, staged: &Staged, before: Option<&str>) {
    let data_dir = instance.data_dir();
    say!("Restored into {}: {}.", data_dir.display(), staged.contents.summary());
    let about = &staged.about;
    say!("  It was taken of {} at {}.", about.data_dir, about.written_at);
    for (space, revision) in &staged.revisions {
        say!("  The {} go on at revision {}.", space.title(), revision.0);
    }
    if let Some(before) = before {
        say!(
            "  The state before is kept in {}; remove it when it is of no use any more.",
            data_dir.join(before).display()
        );
    }
    say!(
        "  Images are not in a backup: build or load them again with 'sampan up' or 'sampan load'."
    );
}
