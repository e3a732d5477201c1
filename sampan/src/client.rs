//! The way from a command to the API of the running server.

use std::path::Path;

use anyhow::{Context, bail};
use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};

use crate::instance::Instance;

/// A client of the instance's server, which must be running.
pub async fn connect(instance: &Instance) -> anyhow::Result<Client> {
    if instance.running()?.is_none() {
        bail!(
            "no server runs on {}\nstart one with 'sampan server', or with 'sampan up DIR'",
            instance.data_dir().display()
        );
    }
    from_kubeconfig(&instance.kubeconfig()).await
}

/// A client of whatever cluster a kubeconfig names.
pub async fn from_kubeconfig(path: &Path) -> anyhow::Result<Client> {
    let attempt = || format!("read the kubeconfig {}", path.display());
    let kubeconfig = Kubeconfig::read_from(path).with_context(attempt)?;
    let options = KubeConfigOptions::default();
    let config =
        Config::from_custom_kubeconfig(kubeconfig, &options).await.with_context(attempt)?;
    Client::try_from(config).context("make a client for the API")
}

/// What the API answered, without the client's wrapping.
pub fn api_message(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}
