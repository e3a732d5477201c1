//! How people and machines get in: certificates that they asked for, tokens of Secrets, and tokens of a
//! file; each shown to the real server by kubectl.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::boat::{Boat, eventually, has, is_root, skip, texts};

fn can_run(name: &str) -> bool {
    let can = is_root() && has("kubectl") && has("openssl");
    if !can {
        skip(name, "it needs root, kubectl and openssl");
    }
    can
}

/// kubectl with these credentials and no others.
fn with(boat: &Boat, credentials: &[&str], args: &[&str]) -> Output {
    let server = format!("--server=https://127.0.0.1:{}", boat.api_port);
    let fixed = ["--kubeconfig=/dev/null", "--insecure-skip-tls-verify", &server];
    boat.kubectl(&[args, &fixed[..], credentials].concat())
}

#[track_caller]
fn check(boat: &Boat, credentials: &[&str], args: &[&str], expected: &str) {
    let (out, err) = texts(&with(boat, credentials, args));
    assert!(out.contains(expected) || err.contains(expected), "{args:?}: {out}{err}");
}

/// A key and a certificate request, made by openssl; the request in base64.
fn request(directory: &Path, subject: &str) -> String {
    let (key, request) = (directory.join("key.pem"), directory.join("request.pem"));
    let made = Command::new("openssl")
        .args(["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-subj", subject, "-keyout"])
        .arg(key)
        .arg("-out")
        .arg(&request)
        .output()
        .expect("run openssl");
    assert!(made.status.success(), "{made:?}");
    base64(&fs::read(request).expect("a request"))
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn decode(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
}

fn signing_request(name: &str, signer: &str, request: &str) -> String {
    format!(
        "apiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\nmetadata: {{name: {name}}}\n\
         spec: {{signerName: {signer}, request: {request}, usages: [digital signature, client auth]}}\n"
    )
}

/// The certificate of a request, in a file.
fn issued(boat: &Boat, directory: &Path, name: &str) -> [String; 2] {
    let certificate = eventually("the certificate is issued", || {
        let text = boat.field(&["csr", name], ".status.certificate");
        (!text.is_empty()).then_some(text)
    });
    let path = directory.join("certificate.pem");
    fs::write(&path, decode(&certificate)).expect("the certificate is written");
    [
        format!("--client-certificate={}", path.display()),
        format!("--client-key={}", directory.join("key.pem").display()),
    ]
}

#[test]
fn a_certificate_is_asked_for_approved_and_used() {
    if !can_run("a_certificate_is_asked_for_approved_and_used") {
        return;
    }
    let boat = Boat::afloat("csr");
    let directory = tempfile::tempdir().expect("a folder");
    let at = directory.path();
    let client = "kubernetes.io/kube-apiserver-client";
    let ask = request(at, "/O=dev/O=ops/O=qa/CN=jane");
    boat.apply(&signing_request("jane", client, &ask));
    assert_eq!(boat.field(&["csr", "jane"], ".status.certificate"), "");
    // Nobody approves who may not.
    let args = ["certificate", "approve", "jane", "--as", "bob"];
    assert!(!boat.kubectl(&args).status.success());
    boat.kubectl_ok(&["certificate", "approve", "jane"]);
    let [certificate, key] = issued(&boat, at, "jane");
    let credentials = [certificate.as_str(), key.as_str()];
    check(&boat, &credentials, &["auth", "whoami"], "[dev ops qa system:authenticated]");
    check(&boat, &credentials, &["get", "pods"], "User \"jane\" cannot list resource \"pods\"");
    let listed = boat.kubectl_ok(&["get", "csr", "jane"]);
    assert!(listed.contains("Approved,Issued"), "{listed}");
    // What a signer does not give fails, and says why.
    let wrong = signing_request("wrong", "kubernetes.io/kube-apiserver-client-kubelet", &ask);
    boat.apply(&wrong);
    boat.kubectl_ok(&["certificate", "approve", "wrong"]);
    eventually("it is refused", || {
        let why =
            boat.field(&["csr", "wrong"], ".status.conditions[?(@.type==\"Failed\")].message");
        (why == "subject organization is not system:nodes").then_some(())
    });
    let masters = request(at, "/O=system:masters/CN=mallory");
    let refused =
        boat.kubectl_with(&["apply", "-f", "-"], &signing_request("masters", client, &masters));
    let why = "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed";
    assert!(texts(&refused).1.contains(why), "{refused:?}");
}

#[test]
fn a_node_that_joins_gets_its_certificate_by_itself() {
    if !can_run("a_node_that_joins_gets_its_certificate_by_itself") {
        return;
    }
    let boat = Boat::afloat("csr_node");
    let directory = tempfile::tempdir().expect("a folder");
    boat.kubectl_ok(&[
        "create",
        "clusterrolebinding",
        "join",
        "--clusterrole=system:certificates.k8s.io:certificatesigningrequests:nodeclient",
        "--group=joiners",
    ]);
    boat.kubectl_ok(&[
        "create",
        "clusterrolebinding",
        "ask",
        "--clusterrole=system:node-bootstrapper",
        "--group=joiners",
    ]);
    let ask = request(directory.path(), "/O=system:nodes/CN=system:node:other");
    let signer = "kubernetes.io/kube-apiserver-client-kubelet";
    let who = ["create", "-f", "-", "--as", "new-machine", "--as-group", "joiners"];
    boat.kubectl_ok_with(&who, &signing_request("other", signer, &ask));
    let [certificate, key] = issued(&boat, directory.path(), "other");
    let credentials = [certificate.as_str(), key.as_str()];
    check(&boat, &credentials, &["auth", "whoami"], "system:node:other");
    let approved = boat.field(&["csr", "other"], ".status.conditions[0].reason");
    assert_eq!(approved, "AutoApproved");
}

const ACCOUNT: &str = r#"
apiVersion: v1
kind: ServiceAccount
metadata: {name: robot}
---
apiVersion: v1
kind: Secret
metadata:
  name: robot-token
  annotations: {kubernetes.io/service-account.name: robot}
type: kubernetes.io/service-account-token
"#;

#[test]
fn a_secret_holds_a_token_that_lives_as_long_as_its_account() {
    if !can_run("a_secret_holds_a_token_that_lives_as_long_as_its_account") {
        return;
    }
    let boat = Boat::afloat("secret_token");
    boat.apply(ACCOUNT);
    let token = eventually("the Secret has its token", || {
        let text = boat.field(&["secret", "robot-token"], ".data.token");
        (!text.is_empty()).then(|| String::from_utf8(decode(&text)).expect("text"))
    });
    let token = format!("--token={token}");
    check(&boat, &[&token], &["auth", "whoami"], "system:serviceaccount:default:robot");
    eventually("its use is noted", || {
        let labels = boat.field(&["secret", "robot-token"], ".metadata.labels");
        labels.contains("kubernetes.io/legacy-token-last-used").then_some(())
    });
    let described = boat.kubectl_ok(&["describe", "secret", "robot-token"]);
    assert!(described.contains("namespace:  7 bytes"), "{described}");
    boat.kubectl_ok(&["delete", "serviceaccount", "robot"]);
    check(&boat, &[&token], &["auth", "whoami"], "Unauthorized");
    eventually("the Secret goes with its account", || {
        (!boat.kubectl(&["get", "secret", "robot-token"]).status.success()).then_some(())
    });
}

#[test]
fn a_token_of_a_file_is_a_user() {
    if !can_run("a_token_of_a_file_is_a_user") {
        return;
    }
    let mut boat = Boat::new("token_file");
    let file = boat.data_dir().join("tokens.csv");
    fs::write(&file, "s3cret,amy,7,\"dev,ops\"\nother,bob,8\n").expect("a token file");
    boat.with_flag(format!("--token-auth-file={}", file.display()));
    boat.start();
    check(&boat, &["--token=s3cret"], &["auth", "whoami"], "[dev ops system:authenticated]");
    check(&boat, &["--token=other"], &["get", "pods"], "User \"bob\" cannot list");
    check(&boat, &["--token=wrong"], &["get", "pods"], "Unauthorized");
}

fn openssl(at: &Path, args: &[&str]) {
    let made = Command::new("openssl").args(args).current_dir(at).output().expect("run openssl");
    assert!(made.status.success(), "{made:?}");
}

#[test]
fn clients_of_a_further_authority_are_users() {
    if !can_run("clients_of_a_further_authority_are_users") {
        return;
    }
    let directory = tempfile::tempdir().expect("a folder");
    let at = directory.path();
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let authority = ["req", "-x509", "-subj", "/CN=company", "-keyout", "ca.key", "-out", "ca.crt"];
    openssl(at, &[&authority[..], &curve].concat());
    request(at, "/O=people/CN=joan");
    fs::write(at.join("usage"), "extendedKeyUsage = clientAuth\n").expect("the usage is written");
    let signed =
        "x509 -req -in request.pem -CA ca.crt -CAkey ca.key -extfile usage -out certificate.pem";
    openssl(at, &signed.split(' ').collect::<Vec<_>>());
    let mut boat = Boat::new("client_ca");
    boat.with_flag(format!("--client-ca-file={}", at.join("ca.crt").display()));
    boat.start();
    let certificate = format!("--client-certificate={}", at.join("certificate.pem").display());
    let key = format!("--client-key={}", at.join("key.pem").display());
    check(&boat, &[&certificate, &key], &["auth", "whoami"], "[people system:authenticated]");
    // Those of the cluster's own authority are users as before.
    boat.kubectl_ok(&["get", "nodes"]);
    let published = ["configmap", "extension-apiserver-authentication", "-n", "kube-system"];
    let text = boat.field(&published, ".data.client-ca-file");
    assert_eq!(text.matches("BEGIN CERTIFICATE").count(), 2, "{text}");
}
