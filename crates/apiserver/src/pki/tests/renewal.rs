//! Certificates over the years, by a clock that is set by hand.

use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConnection, ServerConnection};

use super::*;

const DAY: i64 = 24 * 3600;
/// Some day, as seconds since 1970.
const TODAY: i64 = 1_800_000_000;
const URL: &str = "https://127.0.0.1:6443";

/// A PKI whose clock is ours.
struct Years {
    now: Arc<AtomicI64>,
    clock: Clock,
    directory: tempfile::TempDir,
    pki: Pki,
    tls: Arc<rustls::ServerConfig>,
}

impl Years {
    fn start() -> Self {
        let now = Arc::new(AtomicI64::new(TODAY));
        let told = now.clone();
        let clock = Clock::new(move || told.load(Relaxed));
        let directory = tempfile::tempdir().unwrap();
        let pki = Pki::open_at(directory.path(), clock.clone()).unwrap();
        let tls = pki.tls(&ServingNames::default()).unwrap();
        Self { now, clock, directory, pki, tls }
    }

    fn set(&self, days: i64) {
        self.now.store(TODAY + days * DAY, Relaxed);
    }

    /// The server's TLS, and a client that trusts this CA.
    fn connect(&self, ca_pem: &str, name: &str) -> Result<Connection, rustls::Error> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let clock = Arc::new(self.clock.clone());
        let client = rustls::ClientConfig::builder_with_details(provider, clock)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let client = ClientConnection::new(Arc::new(client), name)?;
        let server = ServerConnection::new(self.tls.clone())?;
        let mut connection = Connection { client, server };
        while connection.client.is_handshaking() || connection.server.is_handshaking() {
            connection.exchange()?;
        }
        Ok(connection)
    }

    /// What the next connection sees.
    fn seen(&self) -> CertificateDer<'static> {
        self.connect(&self.pki.ca_pem(), "localhost").unwrap().certificate()
    }
}

struct Connection {
    client: ClientConnection,
    server: ServerConnection,
}

impl Connection {
    fn exchange(&mut self) -> Result<(), rustls::Error> {
        let mut bytes = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut bytes).unwrap();
        }
        self.server.read_tls(&mut bytes.as_slice()).unwrap();
        self.server.process_new_packets()?;
        let mut bytes = Vec::new();
        while self.server.wants_write() {
            self.server.write_tls(&mut bytes).unwrap();
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            self.client.read_tls(&mut rest).unwrap();
            self.client.process_new_packets()?;
        }
        Ok(())
    }

    fn certificate(&self) -> CertificateDer<'static> {
        self.client.peer_certificates().unwrap()[0].clone().into_owned()
    }

    /// What the client says arrives.
    fn check_open(&mut self) {
        self.client.writer().write_all(b"hello").unwrap();
        self.exchange().unwrap();
        let mut heard = [0; 5];
        self.server.reader().read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"hello");
    }
}

#[test]
fn near_its_end_the_next_connection_sees_a_new_certificate_and_open_ones_go_on() {
    let years = Years::start();
    let mut open = years.connect(&years.pki.ca_pem(), "localhost").unwrap();
    years.set(300);
    assert_eq!(years.seen(), open.certificate(), "it is not time yet");
    years.set(310);
    let renewed = years.seen();
    assert_ne!(renewed, open.certificate());
    assert_eq!(years.seen(), renewed, "once is enough");
    open.check_open();
    let on_disk = std::fs::read(years.directory.path().join("serving.crt")).unwrap();
    assert_eq!(CertificateDer::from_pem_slice(&on_disk).unwrap(), renewed);
}

#[test]
fn a_clock_that_jumps_leaves_no_connection_without_a_valid_certificate() {
    let years = Years::start();
    for days in [3000, 40, -400, 0] {
        years.set(days);
        // Clients check the certificate by the same clock.
        years.pki.renew(&ServingNames::default()).unwrap();
        years.connect(&years.pki.ca_pem(), "127.0.0.1").unwrap();
        let again = Pki::open_at(years.directory.path(), years.clock.clone()).unwrap();
        assert_eq!(again.ca_pem(), years.pki.ca_pem(), "day {days}: as after a restart");
    }
}

#[test]
fn new_names_are_seen_by_the_next_connection() {
    let years = Years::start();
    assert!(years.connect(&years.pki.ca_pem(), "10.9.8.7").is_err());
    let names = ServingNames { given: vec!["10.9.8.7".to_owned()], ..Default::default() };
    years.pki.renew(&names).unwrap();
    years.connect(&years.pki.ca_pem(), "10.9.8.7").unwrap();
    years.connect(&years.pki.ca_pem(), "127.0.0.1").unwrap();
    years.pki.renew(&ServingNames::default()).unwrap();
    assert!(years.connect(&years.pki.ca_pem(), "10.9.8.7").is_err());
}

#[test]
fn the_authority_is_issued_again_with_its_key_and_old_clients_go_on() {
    let years = Years::start();
    let before = years.pki.ca_pem();
    years.set(3650 - 300);
    years.pki.renew(&ServingNames::default()).unwrap();
    let after = years.pki.ca_pem();
    assert_ne!(before, after);
    // Who trusts the old certificate trusts what the new one signs, and the other way round.
    years.connect(&before, "localhost").unwrap();
    years.connect(&after, "localhost").unwrap();
}

#[test]
fn a_kubeconfig_is_kept_until_its_certificate_nears_its_end() {
    let years = Years::start();
    let text = years.pki.kubeconfig(URL, "admin", &["system:masters"]).unwrap();
    let check = |days: i64, url: &str, expected: bool| {
        years.set(days);
        assert_eq!(years.pki.keeps_kubeconfig(&text, url), expected, "day {days}");
    };
    check(0, URL, true);
    check(300, URL, true);
    check(310, URL, false);
    check(-10, URL, false);
    check(0, "https://127.0.0.1:7443", false);
    years.set(0);
    assert!(!years.pki.keeps_kubeconfig("rubbish", URL));
    let other = Years::start();
    assert!(!other.pki.keeps_kubeconfig(&text, URL), "it is of another authority");
}
