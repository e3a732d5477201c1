//! Who makes a request.

use std::collections::BTreeMap;

/// The user every unauthenticated request belongs to.
pub const ANONYMOUS: &str = "system:anonymous";
/// The group of the users that showed no credentials.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";
/// The group of all users that showed valid credentials.
pub const AUTHENTICATED: &str = "system:authenticated";
/// The group that may do everything.
pub const MASTERS: &str = "system:masters";
/// Under this key of `extra` is which credential was shown: `JTI=…` or `X509SHA256=…`.
pub const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";

/// Who makes a request. Travels as a request extension; a request without one is anonymous.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserInfo {
    /// The user's name, e.g. `system:kube-scheduler`.
    pub name: String,
    /// A unique id where the authenticator has one.
    pub uid: String,
    /// The groups the user is in.
    pub groups: Vec<String>,
    /// What else the authenticator told.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl UserInfo {
    /// An authenticated user in these groups (and in `system:authenticated`).
    pub fn new<G: Into<String>>(
        name: impl Into<String>,
        groups: impl IntoIterator<Item = G>,
    ) -> Self {
        let mut groups: Vec<String> = groups.into_iter().map(Into::into).collect();
        if !groups.iter().any(|group| group == AUTHENTICATED) {
            groups.push(AUTHENTICATED.to_owned());
        }
        Self { name: name.into(), uid: String::new(), groups, extra: BTreeMap::new() }
    }

    /// Nobody in particular: health and version only.
    pub fn anonymous() -> Self {
        Self {
            name: ANONYMOUS.to_owned(),
            uid: String::new(),
            groups: vec![UNAUTHENTICATED.to_owned()],
            extra: BTreeMap::new(),
        }
    }

    /// Is the user in this group?
    pub fn in_group(&self, group: &str) -> bool {
        self.groups.iter().any(|have| have == group)
    }
}
