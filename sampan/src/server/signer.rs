//! The cluster's keys, as controllers use them.

use std::sync::Arc;

use apiserver::Pki;
use apiserver::pki::token::SecretClaims;
use controllers::{SignError, Signer};

pub struct ClusterKeys(pub Arc<Pki>);

impl Signer for ClusterKeys {
    fn account_token(
        &self,
        namespace: &str,
        secret: &str,
        account: &str,
        account_uid: &str,
    ) -> Result<String, SignError> {
        let claims = SecretClaims::new(namespace, secret, account, account_uid);
        Ok(self.0.tokens().sign_secret(&claims)?)
    }

    fn certificate(
        &self,
        request_pem: &[u8],
        usages: &[String],
        seconds: Option<i64>,
    ) -> Result<String, SignError> {
        Ok(self.0.sign_request(request_pem, usages, seconds)?)
    }
}
