//! Those who show no credentials.

/// Where they may ask at all; what they are answered is the authorizer's matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Anonymous {
    /// Everywhere.
    #[default]
    Everywhere,
    /// Nowhere: they are told to show credentials.
    Nowhere,
    /// At these paths.
    At(Vec<String>),
}

impl Anonymous {
    /// May they ask at this path?
    pub(crate) fn may_ask(&self, path: &str) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Nowhere => false,
            Self::At(paths) => paths.iter().any(|at| at == path),
        }
    }
}
