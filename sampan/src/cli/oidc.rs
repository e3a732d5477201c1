//! The flags that let users of an OpenID Connect issuer in; named as kube-apiserver's.

use std::path::PathBuf;

use anyhow::Context as _;
use apiserver::authn::{Oidc, OidcSettings};
use clap::Args;

use super::server::add_file;

/// An OpenID Connect issuer whose ID tokens are taken.
#[derive(Debug, Clone, Args)]
pub struct OidcArgs {
    /// An OpenID Connect issuer, an https URL; its ID tokens are users
    #[arg(long, value_name = "URL", requires = "oidc_client_id")]
    pub oidc_issuer_url: Option<String>,
    /// Whom its tokens must be for
    #[arg(long, value_name = "ID", requires = "oidc_issuer_url")]
    pub oidc_client_id: Option<String>,
    /// The claim that is the user's name
    #[arg(long, value_name = "CLAIM", default_value = "sub")]
    pub oidc_username_claim: String,
    /// What is put before the name; "-" is nothing [default: the issuer and #, unless it is an email]
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub oidc_username_prefix: String,
    /// The claim that has the user's groups
    #[arg(long, value_name = "CLAIM", default_value = "", hide_default_value = true)]
    pub oidc_groups_claim: String,
    /// What is put before each group
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub oidc_groups_prefix: String,
    /// A claim that tokens must have, with its value; may be given several times
    #[arg(long, value_name = "CLAIM=VALUE", value_delimiter = ',', value_parser = claim)]
    pub oidc_required_claim: Vec<(String, String)>,
    /// The algorithms that tokens may be signed by
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "RS256")]
    pub oidc_signing_algs: Vec<String>,
    /// Who vouches for the issuer's server, PEM [default: whom the system trusts]
    #[arg(long, value_name = "FILE")]
    pub oidc_ca_file: Option<PathBuf>,
}

fn claim(text: &str) -> Result<(String, String), String> {
    let (claim, value) = text.split_once('=').ok_or("it is not of the form CLAIM=VALUE")?;
    Ok((claim.to_owned(), value.to_owned()))
}

impl OidcArgs {
    /// The issuer, where one is given.
    pub fn resolve(&self) -> anyhow::Result<Option<Oidc>> {
        let Some(issuer_url) = self.oidc_issuer_url.clone() else { return Ok(None) };
        let read = |file: &PathBuf| {
            let attempt = || format!("read the authorities of the OIDC issuer {}", file.display());
            std::fs::read(file).with_context(attempt)
        };
        let settings = OidcSettings {
            issuer_url,
            client_id: self.oidc_client_id.clone().unwrap_or_default(),
            username_claim: self.oidc_username_claim.clone(),
            username_prefix: self.oidc_username_prefix.clone(),
            groups_claim: self.oidc_groups_claim.clone(),
            groups_prefix: self.oidc_groups_prefix.clone(),
            required_claims: self.oidc_required_claim.clone(),
            signing_algs: self.oidc_signing_algs.clone(),
            ca_pem: self.oidc_ca_file.as_ref().map(read).transpose()?,
        };
        Ok(Some(Oidc::new(settings)?))
    }

    pub(super) fn add_flags(&self, flags: &mut Vec<String>) {
        let given = [
            ("--oidc-issuer-url", self.oidc_issuer_url.as_deref()),
            ("--oidc-client-id", self.oidc_client_id.as_deref()),
            ("--oidc-username-claim", Some(self.oidc_username_claim.as_str())),
            ("--oidc-username-prefix", Some(self.oidc_username_prefix.as_str())),
            ("--oidc-groups-claim", Some(self.oidc_groups_claim.as_str())),
            ("--oidc-groups-prefix", Some(self.oidc_groups_prefix.as_str())),
        ];
        let given = given.into_iter().filter_map(|(name, value)| Some((name, value?)));
        flags.extend(given.map(|(name, value)| format!("{name}={value}")));
        let required = self.oidc_required_claim.iter();
        flags.extend(
            required.map(|(claim, value)| format!("--oidc-required-claim={claim}={value}")),
        );
        flags.push(format!("--oidc-signing-algs={}", self.oidc_signing_algs.join(",")));
        add_file(flags, "--oidc-ca-file", &self.oidc_ca_file);
    }
}
