//! The real kubectl over TLS. Skipped by name where there is none.

use std::process::Stdio;

use tokio::process::Command;

use super::tls::Listening;

pub struct Kubectl {
    listening: Listening,
}

impl Kubectl {
    /// `None` where kubectl is not installed.
    pub async fn start() -> Option<Self> {
        if Command::new("kubectl").arg("version").arg("--client").output().await.is_err() {
            eprintln!("skipped: kubectl is not installed");
            return None;
        }
        Some(Self { listening: Listening::start().await })
    }

    pub async fn run(&self, arguments: &[&str], input: &str) -> (bool, String) {
        let file = self.listening.server.directory.path().join("input.yaml");
        std::fs::write(&file, input).unwrap();
        let output = Command::new("kubectl")
            .args(arguments.iter().map(|a| if *a == "-" { file.to_str().unwrap() } else { a }))
            .env("KUBECONFIG", &self.listening.kubeconfig)
            .env("HOME", self.listening.server.directory.path())
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), text)
    }

    /// The command succeeds and prints this.
    #[track_caller]
    pub fn check(&self, command: &str, expected: &str) -> impl Future<Output = ()> {
        self.check_with(command, "", true, expected)
    }

    #[track_caller]
    pub fn check_with(
        &self,
        command: &str,
        input: &str,
        succeeds: bool,
        expected: &str,
    ) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let arguments: Vec<&str> = command.split(' ').collect();
            let (success, text) = self.run(&arguments, input).await;
            assert_eq!(success, succeeds, "{caller}: kubectl {command}\n{text}");
            assert!(text.contains(expected), "{caller}: kubectl {command}\n{text}");
        }
    }

    pub async fn stop(self) {
        self.listening.stop().await;
    }
}

const APP: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
";

const LISTED: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: listed}, data: {a: b}}\n";

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_applies_changes_and_deletes_an_app() {
    let Some(kubectl) = Kubectl::start().await else { return };
    kubectl.check_with("apply -f -", APP, true, "deployment.apps/web created").await;
    kubectl.check_with("apply -f -", APP, true, "deployment.apps/web unchanged").await;
    kubectl.check_with("diff -f -", APP, true, "").await;
    kubectl.check("scale deployment web --replicas=5", "scaled").await;
    kubectl.check("get deployments", "0/5").await;
    kubectl.check("patch deployment web -p {\"spec\":{\"replicas\":3}}", "patched").await;
    kubectl.check("label deployment web tier=front", "labeled").await;
    kubectl.check("annotate deployment web note=hello", "annotated").await;
    kubectl.check("set image deployment/web web=nginx:2", "image updated").await;
    kubectl.check("rollout history deployment/web", "deployment.apps/web").await;
    kubectl.check("describe deployment web", "Image:         nginx:2").await;
    kubectl.check("describe service web", "Selector:").await;
    kubectl
        .check("wait --for=jsonpath={.spec.replicas}=3 deployment/web --timeout=10s", "met")
        .await;
    kubectl.check_with("replace -f -", APP, true, "deployment.apps/web replaced").await;
    kubectl
        .check_with("apply --server-side --force-conflicts -f -", APP, true, "serverside-applied")
        .await;
    kubectl.check_with("delete -f -", APP, true, "deployment.apps \"web\" deleted").await;
    kubectl.check("get deployments", "No resources found").await;
    let list = format!("apiVersion: v1\nkind: List\nitems:\n- {LISTED}");
    kubectl.check_with("create -f -", &list, true, "configmap/listed created").await;
    let wrong = list.replace("data: {a", "datta: {a");
    kubectl.check_with("apply -f -", &wrong, false, "unknown field \"datta\"").await;
    kubectl.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_makes_typed_objects_and_asks_about_itself() {
    let Some(kubectl) = Kubectl::start().await else { return };
    kubectl.check("create namespace shop", "namespace/shop created").await;
    kubectl.check("create configmap c --from-literal=a=b -n shop", "created").await;
    kubectl.check("create secret generic s --from-literal=a=b", "created").await;
    kubectl.check("create deployment d --image=nginx", "created").await;
    kubectl.check("create priorityclass high --value=7", "created").await;
    kubectl.check("get priorityclasses", "system-node-critical      2000001000").await;
    kubectl.check("create serviceaccount robot", "created").await;
    kubectl.check("create token robot", "eyJ").await;
    kubectl.check("run p --image=nginx", "pod/p created").await;
    kubectl.check("get pods -o wide", "Pending").await;
    kubectl.check("describe pod p", "nginx").await;
    kubectl.check("expose deployment d --port=80 --type=NodePort", "exposed").await;
    kubectl.check("get services", "NodePort").await;
    kubectl.check("get configmaps -A --chunk-size=1", "shop").await;
    kubectl.check("get namespaces -o name", "namespace/shop").await;
    kubectl.check("auth whoami", "system:masters").await;
    kubectl.check("auth can-i create pods", "yes").await;
    kubectl.check("auth can-i --list", "*.*").await;
    kubectl.check("events", "No events found").await;
    kubectl.check("delete pod p", "pod \"p\" deleted").await;
    kubectl.check("delete configmaps --all -n shop", "configmap \"c\" deleted").await;
    kubectl.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_learns_what_the_server_serves() {
    let Some(kubectl) = Kubectl::start().await else { return };
    kubectl.check("version", "Server Version: v1.36").await;
    kubectl.check("api-resources", "deployments").await;
    kubectl.check("api-versions", "networking.k8s.io/v1").await;
    kubectl.check("explain deployment.spec.replicas", "Number of desired pods").await;
    kubectl.check("explain pod.spec.containers", "<[]Container>").await;
    kubectl.check("get --raw /readyz", "ok").await;
    kubectl.check("cluster-info", "is running at").await;
    kubectl.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_is_told_what_is_wrong() {
    let Some(kubectl) = Kubectl::start().await else { return };
    let unknown = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndatta: {}\n";
    kubectl.check_with("apply -f -", unknown, false, "unknown field \"datta\"").await;
    kubectl
        .check_with("apply --validate=warn -f -", unknown, true, "Warning: unknown field \"datta\"")
        .await;
    kubectl.check_with("get pod nope", "", false, "pods \"nope\" not found").await;
    kubectl.check_with("get nothing", "", false, "doesn't have a resource type").await;
    let selector = "get pods --field-selector=foo=bar";
    kubectl.check_with(selector, "", false, "field label not supported: foo").await;
    kubectl
        .check_with("create configmap x -n absent", "", false, "namespaces \"absent\" not found")
        .await;
    kubectl.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_comes_in_with_a_service_accounts_token() {
    let Some(kubectl) = Kubectl::start().await else { return };
    kubectl.check("create serviceaccount robot", "created").await;
    let (_, token) = kubectl.run(&["create", "token", "robot"], "").await;
    let url = kubectl.listening.url.clone();
    let bare = format!(
        "--kubeconfig=/dev/null --insecure-skip-tls-verify --server={url} --token={}",
        token.trim()
    );
    let who = "system:serviceaccount:default:robot";
    kubectl.check(&format!("auth whoami {bare}"), who).await;
    kubectl.check_with(&format!("get pods {bare}"), "", false, "cannot list resource").await;
    kubectl.check("delete serviceaccount robot", "deleted").await;
    kubectl.check_with(&format!("auth whoami {bare}"), "", false, "Unauthorized").await;
    kubectl.stop().await;
}
