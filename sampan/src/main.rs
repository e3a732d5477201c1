//! `sampan`: the whole cloud-native stack in one small boat.
//!
//! The way through a command: arguments ([`cli`]), then one file per command
//! ([`commands`]). `sampan server` wires the parts together in [`server`]; `sampan up` is in
//! [`app`]. A shim starts before anything else, because it must stay single-threaded.

mod app;
mod backup;
mod cli;
mod client;
mod commands;
mod control;
mod instance;
mod logging;
mod machine;
mod memory;
mod output;
mod progress;
mod server;
mod text;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    if args.nth(1).is_some_and(|first| first == "shim") {
        container::shim_main(args);
    }
    memory::keep_no_pages();
    let cli = cli::Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{}", text::failure(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: cli::Cli) -> anyhow::Result<ExitCode> {
    // One process serves every TLS connection, ours and kube-rs's, with the same provider.
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("set up TLS: a provider is installed already"))?;
    tokio::runtime::Builder::new_multi_thread()
        .on_thread_park(memory::give_back_at_rest)
        .enable_all()
        .build()
        .context("start the async runtime")?
        .block_on(commands::run(cli))
}
