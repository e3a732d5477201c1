//! One file per command, all of the same shape: `run(instance, args)`.

mod backup;
mod build;
mod down;
mod images;
mod kubeconfig;
mod load;
mod logs;
mod restore;
mod secrets;
mod status;
mod stop;
mod store;
mod up;

use std::process::ExitCode;

use crate::cli::{Cli, Command, SecretsCommand, StoreCommand};
use crate::instance::Instance;
use crate::server;

/// Does what the command line says.
pub async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let data_dir = cli.data_dir;
    let instance = || Instance::create(&data_dir);
    match cli.command {
        Command::Server(args) => server::run(instance, args).await?,
        Command::Up(args) => up::run(instance, args).await?,
        Command::Down(args) => down::run(&instance()?, args).await?,
        Command::Status => status::run(&instance()?).await?,
        Command::Stop => stop::run(&instance()?).await?,
        Command::Build(args) => build::run(&instance()?, args).await?,
        Command::Images => images::run(&instance()?)?,
        Command::Load(args) => load::run(&instance()?, args).await?,
        Command::Logs(args) => logs::run(&instance()?, args).await?,
        Command::Kubeconfig => kubeconfig::run(&instance()?)?,
        Command::Backup(args) => backup::run(&instance()?, args).await?,
        Command::Restore(args) => restore::run(&instance()?, args)?,
        Command::Store { command: StoreCommand::Status(args) } => {
            store::status(&instance()?, args).await?;
        }
        Command::Secrets { command: SecretsCommand::Status(args) } => {
            secrets::status(&instance()?, args).await?;
        }
        Command::Secrets { command: SecretsCommand::RotateKey } => {
            secrets::rotate(&instance()?).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
