//! How the etcd API is asked for: ports, TLS, off; and wrong flags, which are met with help.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::boat::{Boat, is_root, skip};
use crate::etcd::{Etcdctl, afloat, can_run};
use crate::http;

/// An authority, a server's and a client's certificate, as files.
struct Certificates {
    dir: tempfile::TempDir,
}

impl Certificates {
    fn make() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let authority_key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "the authority");
        let authority = params.self_signed(&authority_key).expect("an authority");
        fs::write(dir.path().join("ca.crt"), authority.pem()).expect("write it");
        let issuer = Issuer::new(params, authority_key);
        for (name, common_name) in [("server", "server"), ("client", "root")] {
            let key = KeyPair::generate().expect("a key");
            let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
            let mut params = CertificateParams::new(names).expect("parameters");
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, common_name);
            let certificate = params.signed_by(&key, &issuer).expect("a certificate");
            let write = |ending: &str, text: String| {
                fs::write(dir.path().join(format!("{name}.{ending}")), text).expect("write it");
            };
            write("crt", certificate.pem());
            write("key", key.serialize_pem());
        }
        Self { dir }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn server_flags(&self) -> [String; 2] {
        [
            format!("--etcd-cert-file={}", self.path("server.crt")),
            format!("--etcd-key-file={}", self.path("server.key")),
        ]
    }
}

#[test]
fn tls_and_client_certificates_are_served_when_asked_for() {
    if !can_run("flags-tls") {
        return;
    }
    let certificates = Certificates::make();
    let mut boat = Boat::new("flags-tls");
    for flag in certificates.server_flags() {
        boat.with_flag(flag);
    }
    boat.with_flag(format!("--etcd-trusted-ca-file={}", certificates.path("ca.crt")));
    boat.with_flag("--etcd-client-cert-auth");
    boat.start();
    assert!(boat.etcd_url().starts_with("https://"));
    assert!(boat.sampan_ok(&["status"]).contains(&format!("Etcd      {}", boat.etcd_url())));
    let trusting = Etcdctl::of(&boat).with(format!("--cacert={}", certificates.path("ca.crt")));
    trusting.fails(&["put", "a", "1"]);
    let known = trusting
        .with(format!("--cert={}", certificates.path("client.crt")))
        .with(format!("--key={}", certificates.path("client.key")));
    known.ok(&["put", "a", "1"]);
    // The certificate's common name is the user.
    for args in [
        &["user", "add", "root:x"][..],
        &["user", "grant-role", "root", "root"],
        &["auth", "enable"],
    ] {
        known.ok(args);
    }
    assert_eq!(known.ok(&["get", "a"]), "a\n1\n");
    known.ok(&["user", "list"]);
    // The unix socket needs no certificate, but it is not root of etcd's users.
    let refused = Etcdctl::of_socket(&boat).fails(&["get", "a"]);
    assert!(refused.contains("user name is empty"), "{refused}");
}

#[test]
fn the_unix_socket_is_for_root_alone() {
    let Some((boat, ctl)) = afloat("flags-socket") else { return };
    for name in ["etcd.sock", "control.sock"] {
        let mode = fs::metadata(boat.run_dir().join(name)).expect(name).permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    ctl.ok(&["put", "a", "1"]);
    assert_eq!(Etcdctl::of_socket(&boat).ok(&["get", "a"]), "a\n1\n");
}

#[test]
fn plain_http_has_health_version_and_metrics() {
    let Some((boat, ctl)) = afloat("flags-http") else { return };
    ctl.ok(&["put", "a", "1"]);
    let at = boat.etcd_address().parse().expect("an address");
    let get = |path| http::get(at, "etcd", path).expect("an answer");
    assert!(get("/health").body.contains("\"health\":\"true\""), "{:?}", get("/health"));
    assert!(get("/version").body.contains("etcdserver"));
    let metrics = get("/metrics").body;
    for name in ["etcd_mvcc_put_total", "etcd_disk_wal_fsync_duration_seconds_bucket"] {
        assert!(metrics.contains(name), "{metrics}");
    }
}

#[test]
fn the_metrics_of_the_objects_are_the_apis() {
    let Some((boat, _)) = afloat("flags-metrics") else { return };
    let metrics = boat.kubectl_ok(&["get", "--raw", "/metrics"]);
    for name in ["etcd_mvcc_put_total", "etcd_disk_wal_fsync_duration_seconds_bucket"] {
        assert!(metrics.contains(name), "{metrics}");
    }
}

#[test]
fn off_is_off() {
    if !is_root() {
        return skip("flags-off", "it needs root");
    }
    let mut boat = Boat::new("flags-off");
    boat.with_flag("--etcd-listen=off");
    boat.start();
    assert!(boat.sampan_ok(&["status"]).contains("Etcd      off"));
    assert!(!boat.data_dir().join("etcd").exists(), "no key space that nobody uses");
    assert!(!boat.run_dir().join("etcd.sock").exists());
    let report: serde_json::Value =
        serde_json::from_str(&boat.sampan_ok(&["store", "status", "-o", "json"])).expect("JSON");
    assert_eq!(report["spaces"].as_array().map(Vec::len), Some(1), "{report}");
}

/// The server does not start, and says why.
#[track_caller]
fn refused(boat: &Boat, flags: &[&str], expected: &[&str]) {
    let all = boat.server_flags();
    let mut args = vec!["server"];
    args.extend(all.iter().map(String::as_str).filter(|flag| {
        let name = |flag: &str| flag.split('=').next().map(str::to_owned);
        !flags.iter().any(|given| name(given) == name(flag))
    }));
    args.extend(flags);
    let message = boat.sampan_fails(&args);
    for part in expected {
        assert!(message.contains(part), "no {part:?} in:\n{message}");
    }
}

#[test]
fn wrong_flags_are_told_before_anything_starts() {
    if !is_root() {
        return skip("flags-wrong", "it needs root");
    }
    let certificates = Certificates::make();
    let boat = Boat::new("flags-wrong");
    let [cert, key] = certificates.server_flags();
    refused(&boat, &[&cert], &["--etcd-cert-file needs --etcd-key-file"]);
    refused(&boat, &[&key], &["--etcd-key-file needs --etcd-cert-file"]);
    refused(&boat, &["--etcd-client-cert-auth"], &["--etcd-client-cert-auth needs TLS"]);
    let missing = "--etcd-key-file=/no/such.key";
    refused(&boat, &[&cert, missing], &["TLS for the etcd API", "/no/such.key"]);
    let swapped = format!("--etcd-cert-file={}", certificates.path("server.key"));
    refused(&boat, &[&swapped, &key], &["TLS for the etcd API", "server.key"]);
    let other = format!("--etcd-key-file={}", certificates.path("client.key"));
    refused(&boat, &[&cert, &other], &["server.crt", "client.key"]);
    refused(&boat, &["--etcd-listen=nowhere"], &["--etcd-listen", "\"off\""]);
    refused(&boat, &["--etcd-quota-bytes=much"], &["--etcd-quota-bytes", "512MiB"]);
    refused(
        &boat,
        &["--etcd-auto-compaction-retention=1h"],
        &["no number of revisions", "--etcd-auto-compaction-mode=periodic"],
    );
    assert!(!Path::new(&boat.run_dir()).exists(), "nothing was started");
}

#[test]
fn a_taken_port_is_told_with_the_flag_that_helps() {
    if !is_root() {
        return skip("flags-port", "it needs root");
    }
    let boat = Boat::new("flags-port");
    let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
    let flag = format!("--etcd-listen={}", holder.local_addr().expect("its address"));
    refused(&boat, &[&flag], &["the etcd API cannot listen at", "--etcd-listen"]);
}
