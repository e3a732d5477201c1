//! What a certificate request asks for, and whether a signer of ours gives such certificates.

use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer as _;

pub(super) const CLIENT: &str = "kubernetes.io/kube-apiserver-client";
pub(super) const NODE_CLIENT: &str = "kubernetes.io/kube-apiserver-client-kubelet";
pub(super) const NODE_SERVING: &str = "kubernetes.io/kubelet-serving";

const NODE_PREFIX: &str = "system:node:";
const NODES: &str = "system:nodes";
const CLIENT_AUTH: &str = "client auth";
const SERVER_AUTH: &str = "server auth";
/// Usages that a signature or key exchange needs; they may always be asked for.
const KEY_USES: [&str; 2] = ["digital signature", "key encipherment"];

/// What a request asks for.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) common_name: String,
    organizations: Vec<String>,
    dns_names: usize,
    addresses: usize,
    emails: usize,
    uris: usize,
}

/// The request is no PEM certificate request.
#[derive(Debug, thiserror::Error)]
#[error("unable to parse the certificate request")]
pub(super) struct Unreadable;

impl Asked {
    pub(super) fn read(request_pem: &[u8]) -> Result<Self, Unreadable> {
        let (_, pem) = x509_parser::pem::parse_x509_pem(request_pem).map_err(|_| Unreadable)?;
        let (_, request) =
            X509CertificationRequest::from_der(&pem.contents).map_err(|_| Unreadable)?;
        let subject = &request.certification_request_info.subject;
        let texts = |text: &x509_parser::x509::AttributeTypeAndValue<'_>| {
            text.as_str().map(str::to_owned).unwrap_or_default()
        };
        let mut asked = Self {
            common_name: subject.iter_common_name().last().map(texts).unwrap_or_default(),
            organizations: subject.iter_organization().map(texts).collect(),
            ..Self::default()
        };
        for extension in request.requested_extensions().into_iter().flatten() {
            if let ParsedExtension::SubjectAlternativeName(names) = extension {
                names.general_names.iter().for_each(|name| asked.count(name));
            }
        }
        Ok(asked)
    }

    fn count(&mut self, name: &GeneralName<'_>) {
        match name {
            GeneralName::DNSName(_) => self.dns_names += 1,
            GeneralName::IPAddress(_) => self.addresses += 1,
            GeneralName::RFC822Name(_) => self.emails += 1,
            GeneralName::URI(_) => self.uris += 1,
            _ => {}
        }
    }

    /// `None`: the signer is not one of ours. Otherwise why it does not give this, in upstream's
    /// words.
    pub(super) fn judge(&self, signer: &str, usages: &[String]) -> Option<Result<(), String>> {
        match signer {
            CLIENT => Some(client_usages(usages)),
            NODE_CLIENT => Some(self.node_client(usages)),
            NODE_SERVING => Some(self.node_serving(usages)),
            _ => None,
        }
    }

    /// A node's own client certificate.
    pub(super) fn node_client(&self, usages: &[String]) -> Result<(), String> {
        self.of_nodes()?;
        refuse(self.dns_names, "DNS")?;
        refuse(self.emails, "Email")?;
        refuse(self.addresses, "IP")?;
        refuse(self.uris, "URI")?;
        exact_usages(usages, CLIENT_AUTH)?;
        self.named_as_node()
    }

    fn node_serving(&self, usages: &[String]) -> Result<(), String> {
        self.of_nodes()?;
        if self.dns_names + self.addresses == 0 {
            return Err("DNS or IP subjectAltName is required".to_owned());
        }
        refuse(self.emails, "Email")?;
        refuse(self.uris, "URI")?;
        exact_usages(usages, SERVER_AUTH)?;
        self.named_as_node()
    }

    fn of_nodes(&self) -> Result<(), String> {
        match self.organizations.as_slice() {
            [one] if one == NODES => Ok(()),
            _ => Err(format!("subject organization is not {NODES}")),
        }
    }

    fn named_as_node(&self) -> Result<(), String> {
        match self.common_name.starts_with(NODE_PREFIX) {
            true => Ok(()),
            false => Err(format!("subject common name does not begin with {NODE_PREFIX}")),
        }
    }
}

fn refuse(count: usize, kind: &str) -> Result<(), String> {
    if count == 0 { Ok(()) } else { Err(format!("{kind} subjectAltNames are not allowed")) }
}

/// What such a certificate is for, a signature, and maybe the encryption of keys.
fn exact_usages(usages: &[String], purpose: &str) -> Result<(), String> {
    let has = |usage: &str| usages.iter().any(|have| have == usage);
    let only = usages.iter().all(|have| have == purpose || KEY_USES.contains(&have.as_str()));
    if only && has(purpose) && has(KEY_USES[0]) {
        return Ok(());
    }
    let [signature, encipherment] = KEY_USES;
    let mut required = [signature, encipherment, purpose];
    required.sort_unstable();
    Err(format!("usages did not match [{}]", required.join(" ")))
}

fn client_usages(usages: &[String]) -> Result<(), String> {
    let other = usages
        .iter()
        .find(|have| have.as_str() != CLIENT_AUTH && !KEY_USES.contains(&have.as_str()));
    match other {
        Some(other) => Err(format!("invalid usage for client certificate: {other}")),
        None if usages.iter().any(|have| have == CLIENT_AUTH) => Ok(()),
        None => Err(format!("missing required usage for client certificate: {CLIENT_AUTH}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> Asked {
        Asked {
            common_name: "system:node:a".to_owned(),
            organizations: vec![NODES.to_owned()],
            ..Asked::default()
        }
    }

    #[track_caller]
    fn check(asked: &Asked, signer: &str, usages: &[&str], expected: Result<(), &str>) {
        let usages: Vec<String> = usages.iter().map(|usage| (*usage).to_owned()).collect();
        let expected = expected.map_err(str::to_owned);
        assert_eq!(asked.judge(signer, &usages), Some(expected), "{asked:?} {usages:?}");
    }

    #[test]
    fn a_node_gets_what_a_node_needs() {
        let client = ["digital signature", "client auth"];
        let serving = ["digital signature", "key encipherment", "server auth"];
        check(&node(), NODE_CLIENT, &client, Ok(()));
        let with_address = Asked { addresses: 1, ..node() };
        check(&with_address, NODE_SERVING, &serving, Ok(()));
        check(&with_address, NODE_CLIENT, &client, Err("IP subjectAltNames are not allowed"));
        check(&node(), NODE_SERVING, &serving, Err("DNS or IP subjectAltName is required"));
        let usages = "usages did not match [client auth digital signature key encipherment]";
        check(&node(), NODE_CLIENT, &serving, Err(usages));
        let other = Asked { organizations: vec!["x".to_owned()], ..node() };
        check(&other, NODE_CLIENT, &client, Err("subject organization is not system:nodes"));
        let other = Asked { common_name: "amy".to_owned(), ..node() };
        let name = "subject common name does not begin with system:node:";
        check(&other, NODE_CLIENT, &client, Err(name));
    }

    #[test]
    fn a_client_gets_a_clients_certificate() {
        check(&Asked::default(), CLIENT, &["client auth"], Ok(()));
        let missing = "missing required usage for client certificate: client auth";
        check(&Asked::default(), CLIENT, &["digital signature"], Err(missing));
        let invalid = "invalid usage for client certificate: server auth";
        check(&Asked::default(), CLIENT, &["client auth", "server auth"], Err(invalid));
        assert_eq!(Asked::default().judge("example.com/signer", &[]), None);
    }
}
