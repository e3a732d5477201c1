//! The host's resolv.conf: whom the host asks.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::SystemTime;

const DNS_PORT: u16 = 53;
/// As many as the C library uses.
const SERVERS_MAX: usize = 3;

/// A resolv.conf that is read again when it changes.
#[derive(Debug)]
pub(super) struct ResolvConf {
    path: PathBuf,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// When the file was changed, and its length: a change within the clock's grain is likely seen too.
    version: Option<(SystemTime, u64)>,
    servers: Vec<SocketAddr>,
}

impl ResolvConf {
    pub(super) fn new(path: PathBuf) -> ResolvConf {
        ResolvConf { path, known: Mutex::default() }
    }

    /// The servers it names now. While it cannot be read, those it named before: it is being replaced.
    pub(super) fn servers(&self) -> Vec<SocketAddr> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let version = fs::metadata(&self.path)
            .and_then(|metadata| Ok((metadata.modified()?, metadata.len())))
            .ok();
        if version.is_some()
            && version != known.version
            && let Ok(text) = fs::read_to_string(&self.path)
        {
            *known = Known { version, servers: parse(&text) };
        }
        known.servers.clone()
    }
}

/// The name servers in a resolv.conf; what cannot be read is passed over, as the C library does.
fn parse(text: &str) -> Vec<SocketAddr> {
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        let address = words.next().filter(|word| *word == "nameserver").and(words.next())?;
        Some(SocketAddr::new(address.parse::<IpAddr>().ok()?, DNS_PORT))
    };
    text.lines().filter_map(server).take(SERVERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let got: Vec<_> = parse(text).iter().map(ToString::to_string).collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn name_servers_are_found_among_the_rest() {
        check("", &[]);
        check("# nameserver 1.1.1.1\nsearch lan\nnameserver 10.0.0.1\n", &["10.0.0.1:53"]);
        check("nameserver\tfd00::1\n nameserver 10.0.0.2 # x\n", &["[fd00::1]:53", "10.0.0.2:53"]);
        check("nameserver fe80::1%eth0\nnameserver\nnameservers 1.2.3.4\n", &[]);
        let many = "nameserver 10.0.0.1\n".repeat(9);
        check(&many, &["10.0.0.1:53"; SERVERS_MAX]);
    }

    #[test]
    fn a_change_is_seen_and_an_absence_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("resolv.conf");
        let conf = ResolvConf::new(path.clone());
        assert!(conf.servers().is_empty());
        fs::write(&path, "nameserver 10.0.0.1\n").unwrap();
        assert_eq!(conf.servers().len(), 1);
        fs::write(&path, "nameserver 10.0.0.1\nnameserver 10.0.0.2\n").unwrap();
        assert_eq!(conf.servers().len(), 2);
        fs::remove_file(&path).unwrap();
        assert_eq!(conf.servers().len(), 2);
    }

    proptest::proptest! {
        #[test]
        fn any_text_can_be_read(text: String) {
            assert!(parse(&text).len() <= SERVERS_MAX);
        }
    }
}
