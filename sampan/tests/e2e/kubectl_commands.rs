//! kubectl, command by command: those of its help that the other sessions leave out.

use std::fs;

use crate::boat::{Boat, has, is_root, skip, texts};

/// A command line (words parted by one space), and what its output must have in it.
type Said = (&'static str, &'static str);

const CREATE: &[Said] = &[
    ("create clusterrole cr --verb=get,list --resource=pods,deployments.apps", "cr created"),
    ("create clusterrolebinding crb --clusterrole=cr --user=bob", "crb created"),
    ("create role r --verb=get --resource=pods --resource-name=a", "r created"),
    ("create rolebinding rb --role=r --serviceaccount=default:default", "rb created"),
    ("create configmap c --from-literal=a=b", "configmap/c created"),
    ("create cronjob cj --image=i --schedule=@hourly -- date", "cronjob.batch/cj created"),
    ("create deployment d --image=i --replicas=0 --port=80", "deployment.apps/d created"),
    ("create ingress i --class=none --rule=foo.com/bar*=s1:80,tls=t", "i created"),
    ("create job j --image=i", "job.batch/j created"),
    ("create poddisruptionbudget p --selector=app=d --min-available=1", "p created"),
    ("create priorityclass pc --value=5", "pc created"),
    ("create quota q --hard=pods=10", "resourcequota/q created"),
    ("create secret docker-registry sd --docker-username=u --docker-password=p", "sd created"),
    ("create service clusterip s1 --tcp=80:8080", "service/s1 created"),
    ("create service nodeport s2 --tcp=80", "service/s2 created"),
    ("create service externalname s3 --external-name=ex.com", "service/s3 created"),
    ("create service loadbalancer s4 --tcp=81", "service/s4 created"),
    ("create serviceaccount sa", "serviceaccount/sa created"),
    ("create token sa --duration=10m", "eyJ"),
    ("create namespace other", "namespace/other created"),
];

const CHANGE: &[Said] = &[
    ("label configmap c x=y", "labeled"),
    ("annotate configmap c z=w", "annotated"),
    ("label configmap c x-", "unlabeled"),
    ("taint node box k=v:NoSchedule", "tainted"),
    ("taint node box k-", "untainted"),
    ("cordon box", "cordoned"),
    ("uncordon box", "uncordoned"),
    ("set image deployment/d *=j", "image updated"),
    ("set env deployment/d A=b", "env updated"),
    ("set resources deployment d --limits=cpu=1", "requirements updated"),
    ("set selector service s1 a=b", "selector updated"),
    ("set serviceaccount deployment d sa", "serviceaccount updated"),
    ("set subject rolebinding rb --user=ann", "subjects updated"),
    ("autoscale deployment d --max=3", "autoscaled"),
    ("expose deployment d --port=80 --name=e", "service/e exposed"),
    ("scale deployment d --replicas=0", "scaled"),
    ("rollout status deployment/d --timeout=30s", "successfully rolled out"),
    ("rollout restart deployment/d", "restarted"),
    ("rollout undo deployment/d", "rolled back"),
    (
        "patch deployment d --subresource=scale --type=merge -p {\"spec\":{\"replicas\":0}}",
        "patched",
    ),
    ("wait --for=jsonpath={.data.a}=b configmap/c --timeout=30s", "condition met"),
    ("wait --for=create configmap/c --timeout=30s", "condition met"),
    ("wait --for=condition=Available deployment/d --timeout=30s", "condition met"),
];

const LOOK: &[Said] = &[
    ("api-versions", "storage.k8s.io/v1"),
    (
        "api-resources --api-group=apps -o wide",
        "deployments           deploy       apps/v1      true         Deployment",
    ),
    ("cluster-info", "control plane"),
    ("cluster-info dump", "\"kind\": \"NodeList\""),
    ("explain deployment.spec.strategy", "FIELD: strategy <DeploymentStrategy>"),
    ("explain pods --recursive", "containerPort\t<integer> -required-"),
    ("explain hpa --api-version=autoscaling/v1", "VERSION:    v1"),
    ("auth whoami", "system:masters"),
    (
        "auth can-i --list",
        "*.*                                             []                  []               [*]",
    ),
    ("auth can-i list pods --as=bob", "yes"),
    // Whether there are any is the controllers' affair.
    ("events", ""),
    (
        "get deployment d",
        "NAME   READY   UP-TO-DATE   AVAILABLE   AGE\nd      0/0     0            0           ",
    ),
    ("get deployment d -o wide", "CONTAINERS   IMAGES   SELECTOR\n"),
    ("get deployment d -o custom-columns=N:.metadata.name,R:.spec.replicas", "N     R\nd     0\n"),
    ("get deployment d -o jsonpath={.spec.template.spec.containers[*].image}", "j"),
    ("get deployment d -o go-template={{.metadata.name}}", "d"),
    ("get deployment d -o yaml --show-managed-fields", "manager: kubectl-set"),
    ("get deployment -L app --show-labels --show-kind", "deployment.apps/d"),
    ("get service --sort-by=.metadata.name", "s4           LoadBalancer"),
    ("get service s3", "s3     ExternalName   <none>       ex.com        <none>    "),
    ("get configmap --chunk-size=1", "kube-root-ca.crt"),
    ("get configmap --watch --request-timeout=1s", "kube-root-ca.crt"),
    ("get service --field-selector=metadata.name=s1 -o name", "service/s1"),
    ("get all", "service/kubernetes"),
    ("get --raw /livez", "ok"),
    ("get deployment d --subresource=status -o name", "deployment.apps/d"),
    ("describe rolebinding rb", "User            ann"),
    ("describe quota q", "pods        0     10"),
    ("describe ingress i", "s1:80"),
];

const DELETE: &[Said] = &[
    ("delete service --field-selector=metadata.name=s4", "service \"s4\" deleted"),
    ("delete deployment -l app=d", "deployment.apps \"d\" deleted"),
    ("delete job,cronjob --all", "cronjob.batch \"cj\" deleted"),
    ("delete priorityclass/pc clusterrole/cr clusterrolebinding/crb", "\"crb\" deleted"),
    ("delete configmap c --now", "deleted"),
    ("delete namespace other --timeout=60s", "deleted"),
];

#[track_caller]
fn check(boat: &Boat, (command, expected): Said) {
    let out = boat.kubectl_ok(&command.split(' ').collect::<Vec<_>>());
    assert!(out.contains(expected), "kubectl {command}: no {expected:?} in:\n{out}");
}

fn afloat(name: &str) -> Option<Boat> {
    if !is_root() || !has("kubectl") {
        skip(name, "it needs root and kubectl");
        return None;
    }
    let boat = Boat::afloat(name);
    // A controller makes it; the commands do not wait for it.
    crate::boat::eventually("the default service account", || {
        boat.kubectl(&["get", "serviceaccount", "default"]).status.success().then_some(())
    });
    Some(boat)
}

#[test]
fn every_command_of_kubectls_help_is_answered() {
    let Some(boat) = afloat("kubectl_commands") else { return };
    for said in [CREATE, CHANGE, LOOK, DELETE].concat() {
        check(&boat, said);
    }
}

/// All that can be listed can be shown in both ways.
#[test]
fn every_kind_is_got_and_described() {
    let Some(boat) = afloat("kubectl_kinds") else { return };
    let kinds = boat.kubectl_ok(&["api-resources", "--verbs=list", "-o", "name"]);
    assert!(kinds.lines().count() > 50, "{kinds}");
    // Metrics are no objects: they come and go by themselves.
    let all: Vec<&str> = kinds.lines().filter(|kind| !kind.ends_with(".metrics.k8s.io")).collect();
    boat.kubectl_ok(&["get", &all.join(","), "-A", "-o", "wide"]);
    // Debian's kubectl knows ServiceCIDRs in a beta version only, which is not served.
    for kind in all.iter().filter(|kind| !kind.starts_with("servicecidrs.")) {
        boat.kubectl_ok(&["describe", kind, "-A"]);
    }
}

#[test]
fn what_is_applied_no_more_is_pruned_and_what_differs_is_shown() {
    let Some(boat) = afloat("kubectl_prune") else { return };
    let one =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {app: p}}\ndata: {k: v}\n";
    let both = format!("{one}---\n{}", one.replace("name: a", "name: b"));
    let apply = |more: &[&str], yaml: &str| {
        boat.kubectl_ok_with(&[&["apply", "-f", "-"], more].concat(), yaml)
    };
    let diff = boat.kubectl_with(&["diff", "-f", "-"], &both);
    assert_eq!(diff.status.code(), Some(1), "{diff:?}");
    assert!(texts(&diff).0.contains("+  name: b"), "{diff:?}");
    apply(&[], &both);
    assert!(boat.kubectl_with(&["diff", "-f", "-"], &both).status.success());
    let prune = ["--prune", "-l", "app=p", "--prune-allowlist=core/v1/ConfigMap"];
    assert!(apply(&prune, one).contains("configmap/b pruned"));
    let folder = boat.data_dir().join("kustomization");
    fs::create_dir(&folder).expect("a folder");
    let generator = "namePrefix: kz-\nconfigMapGenerator: [{name: g, literals: [a=b]}]\n";
    fs::write(folder.join("kustomization.yaml"), generator).expect("a file");
    let folder = folder.to_str().expect("a path in UTF-8");
    assert!(boat.kubectl_ok(&["apply", "-k", folder]).contains("configmap/kz-g-"));
    assert!(boat.kubectl_ok(&["delete", "-k", folder]).contains("deleted"));
    let replaced = boat.kubectl_ok_with(&["replace", "--force", "-f", "-"], one);
    assert!(replaced.contains("configmap/a replaced"), "{replaced}");
    let rules = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r, namespace: default}\n\
                 rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]\n";
    let reconciled = boat.kubectl_ok_with(&["auth", "reconcile", "-f", "-"], rules);
    assert!(reconciled.contains("role.rbac.authorization.k8s.io/r reconciled"), "{reconciled}");
}
