//! Disks of iSCSI, and the names that targets and initiators have there (RFC 3720).

use super::{Owner, disk};
use crate::validation::field::Field;

const SHAPE: &str = "must be valid format";
const START: &str = "must be valid format starting with iqn, eui, or naa";

pub(super) fn check(source: &Field<'_>, owner: Owner) {
    let (name, initiator) = (source.at("iqn"), source.at("initiatorName"));
    source.at("targetPortal").must_be_given();
    // Upstream words it otherwise for PersistentVolumes.
    let start = if owner == Owner::Pod { START } else { SHAPE };
    match name.is_empty() {
        true => name.required(""),
        false => qualified(&name, start),
    }
    disk::unit(&source.at("lun"));
    let secret = source.at("secretRef");
    let logs_in = source.at("chapAuthDiscovery").flag() || source.at("chapAuthSession").flag();
    if logs_in && !secret.is_some() {
        secret.required("");
    }
    if owner == Owner::Persistent && secret.is_some() {
        secret.at("name").must_be_given();
    }
    if initiator.is_some() {
        qualified(&source.at("initiatorname").showing(initiator.value), start);
    }
}

fn qualified(name: &Field<'_>, start: &str) {
    let text = name.text();
    let fine = match () {
        () if text.starts_with("iqn") => is_iqn(text),
        () if text.starts_with("eui") => is_number(text, "eui.", 16),
        () if text.starts_with("naa") => is_number(text, "naa.", 32),
        () => return name.invalid_text(start),
    };
    if !fine {
        name.invalid(SHAPE);
    }
}

/// `iqn.2001-04.com.example:storage.disk1`: a month, the domain's owner in it, and a name.
fn is_iqn(text: &str) -> bool {
    let Some((authority, unique)) = text.split_once(':') else { return false };
    let mut parts = authority.splitn(3, '.');
    let (Some("iqn"), Some(month), Some(domain)) = (parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let digits =
        |text: &str, count| text.len() == count && text.bytes().all(|c| c.is_ascii_digit());
    let dated = month.split_once('-').is_some_and(|(y, m)| digits(y, 4) && digits(m, 2));
    let named = !domain.is_empty()
        && domain.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'.');
    let forbidden = |c: char| ",;*&$|".contains(c) || c.is_ascii_whitespace();
    dated && named && !unique.is_empty() && !unique.contains(forbidden)
}

fn is_number(text: &str, prefix: &str, digits: usize) -> bool {
    text.strip_prefix(prefix)
        .is_some_and(|rest| rest.len() == digits && rest.bytes().all(|c| c.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_iscsi_have_three_forms() {
        let check = |name, fine| assert_eq!(is_iqn(name), fine, "{name}");
        check("iqn.2001-04.com.example:storage.disk1", true);
        check("iqn.2001-04.com.example", false);
        check("iqn.01-04.com.example:a", false);
        check("iqn.2001-04.com.example:a b", false);
        assert!(is_number("eui.0123456789ABCDEF", "eui.", 16));
        assert!(!is_number("eui.0123", "eui.", 16));
    }
}
