//! The flags that say who comes in, and how many at once; named as kube-apiserver's.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use apiserver::authn::{Anonymous, AuthenticationConfiguration, StaticTokens};
use apiserver::pki::Pki;
use clap::{ArgAction, Args};

use super::oidc::OidcArgs;
use super::server::add_file;

/// Who comes in, and how many at once.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Access to the API")]
pub struct AccessArgs {
    /// Requests that are answered at once; this and the next one together are the seats that
    /// priority and fairness gives out
    #[arg(long, value_name = "COUNT", default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_requests_inflight: u32,
    /// See --max-requests-inflight
    #[arg(long, value_name = "COUNT", default_value_t = 200, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub max_mutating_requests_inflight: u32,
    /// Who has which token: token,user,uid,"group1,group2" in each line; read at the start
    #[arg(long, value_name = "FILE")]
    pub token_auth_file: Option<PathBuf>,
    /// Further authorities whose client certificates are users, PEM, beside the cluster's own
    #[arg(long, value_name = "FILE")]
    pub client_ca_file: Option<PathBuf>,
    /// Issuers of ID tokens with what follows from their claims, and where those may ask who show
    /// no credentials: an AuthenticationConfiguration of apiserver.config.k8s.io/v1; read at the start
    #[arg(long, value_name = "FILE", conflicts_with = "oidc_issuer_url")]
    pub authentication_config: Option<PathBuf>,
    /// Whether those may ask who show no credentials [default: true]
    #[arg(long, value_name = "BOOL", action = ArgAction::Set)]
    pub anonymous_auth: Option<bool>,
    #[command(flatten)]
    pub oidc: OidcArgs,
}

impl AccessArgs {
    /// What the API server is to do about them.
    pub fn resolve(&self) -> anyhow::Result<apiserver::Access> {
        let static_tokens = match &self.token_auth_file {
            Some(file) => tokens(file)?,
            None => StaticTokens::default(),
        };
        let requests_max = self.max_requests_inflight + self.max_mutating_requests_inflight;
        let file = match &self.authentication_config {
            Some(file) => AuthenticationConfiguration::open(file)?,
            None => AuthenticationConfiguration::default(),
        };
        if file.anonymous.is_some() && self.anonymous_auth.is_some() {
            anyhow::bail!(
                "--anonymous-auth cannot be given where the --authentication-config says it"
            );
        }
        let by_flag = match self.anonymous_auth {
            Some(false) => Anonymous::Nowhere,
            _ => Anonymous::Everywhere,
        };
        let oidc = self.oidc.resolve()?.map(Arc::new).into_iter().chain(file.issuers).collect();
        let anonymous = file.anonymous.unwrap_or(by_flag);
        Ok(apiserver::Access { requests_max, static_tokens, oidc, anonymous })
    }

    /// Makes the server take clients of the further authorities.
    pub fn trust_clients(&self, pki: &mut Pki) -> anyhow::Result<()> {
        let Some(file) = &self.client_ca_file else { return Ok(()) };
        let attempt = || format!("read the client authorities {}", file.display());
        let pem = std::fs::read(file).with_context(attempt)?;
        pki.trust_clients_of(&pem).with_context(attempt)
    }

    pub(super) fn add_flags(&self, flags: &mut Vec<String>) {
        flags.extend([
            format!("--max-requests-inflight={}", self.max_requests_inflight),
            format!("--max-mutating-requests-inflight={}", self.max_mutating_requests_inflight),
        ]);
        add_file(flags, "--token-auth-file", &self.token_auth_file);
        add_file(flags, "--client-ca-file", &self.client_ca_file);
        add_file(flags, "--authentication-config", &self.authentication_config);
        flags.extend(self.anonymous_auth.map(|may| format!("--anonymous-auth={may}")));
        self.oidc.add_flags(flags);
    }
}

fn tokens(file: &Path) -> anyhow::Result<StaticTokens> {
    let attempt = || format!("read the token file {}", file.display());
    let text = std::fs::read_to_string(file).with_context(attempt)?;
    StaticTokens::parse(&text).with_context(attempt)
}
