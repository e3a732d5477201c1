//! A file that says who comes in: issuers of tokens with what follows from their claims, and what
//! nobody in particular may ask for. Source: Kubernetes, "Authenticating", AuthenticationConfiguration
//! of apiserver.config.k8s.io/v1.

mod mapping;
mod read;

use std::path::Path;
use std::sync::Arc;

use api::FieldError;
use api::validation::aggregate;

use super::anonymous::Anonymous;
use super::oidc::{Issuer, Oidc, Rules};

/// What a file says.
#[derive(Debug, Clone, Default)]
pub struct AuthenticationConfiguration {
    /// The issuers whose tokens are taken.
    pub issuers: Vec<Arc<Oidc>>,
    /// What those may ask for who show no credentials; `None`: the file says nothing of it.
    pub anonymous: Option<Anonymous>,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// It cannot be read.
    #[error("read the authentication configuration {path}")]
    File {
        /// Which file.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// It is no such configuration.
    #[error("the authentication configuration {path} cannot be read: {why}")]
    Unreadable {
        /// Which file.
        path: String,
        /// Why not.
        why: String,
    },
    /// What it says makes no sense.
    #[error("the authentication configuration {path} is not valid: {why}")]
    Invalid {
        /// Which file.
        path: String,
        /// Why not, field by field.
        why: String,
    },
}

impl AuthenticationConfiguration {
    /// Reads a file, YAML or JSON.
    pub fn open(path: &Path) -> Result<Self, ConfigurationError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigurationError::File { path: name.clone(), source })?;
        Self::parse(&name, &text)
    }

    /// The configuration that a text is; `name` is what errors call it.
    pub fn parse(name: &str, text: &str) -> Result<Self, ConfigurationError> {
        let unreadable =
            |why: String| ConfigurationError::Unreadable { path: name.to_owned(), why };
        let file: read::File =
            serde_saphyr::from_str(text).map_err(|error| unreadable(error.to_string()))?;
        file.check_kind().map_err(unreadable)?;
        let mut errors = file.complaints();
        let mut issuers = Vec::new();
        for (index, jwt) in file.jwt.iter().enumerate() {
            issuers.extend(issuer(jwt, &format!("jwt[{index}]"), &mut errors));
        }
        if !errors.is_empty() {
            let why = aggregate(&errors);
            return Err(ConfigurationError::Invalid { path: name.to_owned(), why });
        }
        Ok(Self { issuers, anonymous: file.anonymous.map(Anonymous::from) })
    }
}

fn issuer(jwt: &read::Jwt, path: &str, errors: &mut Vec<FieldError>) -> Option<Arc<Oidc>> {
    let mapping = mapping::compile(jwt, path, errors)?;
    let from = &jwt.issuer;
    Some(Arc::new(Oidc::of(Issuer {
        url: from.url.clone(),
        discovery_url: from.discovery_url.clone(),
        audiences: from.audiences.clone(),
        signing_algs: Issuer::all_algorithms(),
        ca_pem: (!from.certificate_authority.is_empty())
            .then(|| from.certificate_authority.clone().into_bytes()),
        rules: Rules::File(mapping),
    })))
}

impl From<read::Anonymous> for Anonymous {
    fn from(read: read::Anonymous) -> Self {
        match (read.enabled, read.conditions.is_empty()) {
            (false, _) => Self::Nowhere,
            (true, true) => Self::Everywhere,
            (true, false) => Self::At(read.conditions.into_iter().map(|at| at.path).collect()),
        }
    }
}

#[cfg(test)]
mod tests;
