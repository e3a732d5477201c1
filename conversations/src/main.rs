//! Holds conversations with any Kubernetes server.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use sampan_conversations::{Conversation, Server, hold_all};

/// Holds conversations with a Kubernetes server: requests, and the replies that they must get.
#[derive(Parser)]
struct Args {
    /// The server's URL, in place of a kubeconfig.
    #[arg(long, conflicts_with = "kubeconfig")]
    server: Option<String>,
    /// The token to ask with.
    #[arg(long, requires = "server")]
    token: Option<String>,
    /// The CA that the server's certificate must be from, a PEM file; without it any is taken.
    #[arg(long, requires = "server")]
    certificate_authority: Option<PathBuf>,
    /// The kubeconfig that names the server and has the credentials of an administrator.
    #[arg(long, env = "KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context.
    #[arg(long)]
    context: Option<String>,
    /// Files, or names of our own; without any, all of our own.
    files: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let server = match &args.server {
        Some(url) => Server::at(url, args.token, args.certificate_authority.as_deref())?,
        None => {
            let path = args.kubeconfig.context("name a server: --server or --kubeconfig")?;
            Server::of_kubeconfig(&path, args.context).await?
        }
    };
    let outcomes = hold_all(&server, &chosen(&args.files)?).await;
    let mut failed = 0;
    for outcome in &outcomes {
        let took = outcome.took.as_millis();
        if outcome.failures.is_empty() {
            println!("ok      {} ({took} ms)", outcome.name);
            continue;
        }
        failed += 1;
        println!("FAILED  {} ({took} ms)", outcome.name);
        for error in &outcome.failures {
            println!("{error:#}\n");
        }
    }
    println!("{} held, {failed} failed", outcomes.len());
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn chosen(files: &[String]) -> Result<Vec<Conversation>> {
    let mut all = Conversation::all()?;
    let (paths, names): (Vec<_>, Vec<_>) = files.iter().partition(|file| file.ends_with(".yaml"));
    for name in &names {
        ensure!(all.iter().any(|one| one.name.contains(name.as_str())), "no conversation {name}");
    }
    if !files.is_empty() {
        all.retain(|one| names.iter().any(|name| one.name.contains(name.as_str())));
    }
    for path in paths {
        all.push(Conversation::read(path.as_ref())?);
    }
    Ok(all)
}
