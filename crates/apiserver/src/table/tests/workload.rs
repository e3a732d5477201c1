//! What runs pods, and what limits, protects and scales them.

use super::*;

#[test]
fn replicas_show_how_many_of_how_many() {
    let [names, images] = CONTAINERS;
    let spec = || json!({"replicas": 5, "selector": {"matchLabels": {"app": "web"}}, "template": template()});
    let status =
        || json!({"replicas": 4, "readyReplicas": 3, "updatedReplicas": 2, "availableReplicas": 1});
    let object = || json!({"spec": spec(), "status": status()});
    check("Deployment", object(), json!(["x", "3/5", 2, 1, OLD, names, images, "app=web"]));
    check("ReplicaSet", object(), json!(["x", 5, 4, 3, OLD, names, images, "app=web"]));
    check("StatefulSet", object(), json!(["x", "3/5", OLD, names, images]));
    let mut controller = object();
    controller["spec"]["selector"] = json!({"b": "2", "a": "1"});
    check(
        "ReplicationController",
        controller,
        json!(["x", 5, 4, 3, OLD, names, images, "a=1,b=2"]),
    );
    let bare = || json!({"spec": {"replicas": 1, "template": {"spec": {"containers": []}}}});
    // Of these kinds one that selects nothing reads differently.
    check("Deployment", bare(), json!(["x", "0/1", 0, 0, OLD, "", "", ""]));
    check("ReplicaSet", bare(), json!(["x", 1, 0, 0, OLD, "", "", "<none>"]));
    let mut odd = bare();
    odd["spec"]["selector"] = json!({"matchExpressions": [{"key": "k", "operator": "In"}]});
    check("Deployment", odd.clone(), json!(["x", "0/1", 0, 0, OLD, "", "", "<invalid>"]));
    check("ReplicaSet", odd, json!(["x", 1, 0, 0, OLD, "", "", "<error>"]));
}

#[test]
fn daemon_sets_count_nodes() {
    let [names, images] = CONTAINERS;
    let mut object = json!({"spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template()},
        "status": {"desiredNumberScheduled": 5, "currentNumberScheduled": 4, "numberReady": 3,
            "updatedNumberScheduled": 2, "numberAvailable": 1}});
    let row = |nodes: &str| json!(["x", 5, 4, 3, 2, 1, nodes, OLD, names, images, "app=web"]);
    check("DaemonSet", object.clone(), row("<none>"));
    object["spec"]["template"]["spec"]["nodeSelector"] = json!({"z": "1", "disk": "ssd"});
    check("DaemonSet", object, row("disk=ssd,z=1"));
}

#[test]
fn jobs_show_status_completions_and_duration() {
    let job = |spec: Value, status: Value| {
        let mut job = json!({"metadata": {}, "spec": spec, "status": status});
        job["spec"]["template"] = template();
        job
    };
    let row = |status: &str, completions: &str, duration: &str| {
        json!(["x", status, completions, duration, OLD, CONTAINERS[0], CONTAINERS[1], "<none>"])
    };
    let of = |status: Value, expected: Value| {
        check("Job", job(json!({"completions": 2}), status), expected)
    };
    of(json!({"succeeded": 1}), row("Running", "1/2", ""));
    let took = json!({"startTime": ago(1900), "completionTime": ago(100)});
    of(took, row("Running", "0/2", "30m"));
    of(json!({"startTime": ago(20 * 60)}), row("Running", "0/2", "20m"));
    for (kind, status, shown) in [
        ("Complete", "True", "Complete"),
        ("Complete", "False", "Running"),
        ("Failed", "True", "Failed"),
        ("Suspended", "True", "Suspended"),
        ("FailureTarget", "True", "FailureTarget"),
        ("SuccessCriteriaMet", "True", "SuccessCriteriaMet"),
    ] {
        of(json!({"conditions": [{"type": kind, "status": status}]}), row(shown, "0/2", ""));
    }
    let ends = json!({"conditions": [{"type": "FailureTarget", "status": "True"}, {"type": "Failed", "status": "True"}]});
    of(ends, row("Failed", "0/2", ""));
    check("Job", job(json!({"parallelism": 1}), json!({})), row("Running", "0/1", ""));
    check("Job", job(json!({"parallelism": 20}), json!({})), row("Running", "0/1 of 20", ""));
    check("Job", job(json!({}), json!({"succeeded": 1})), row("Running", "1/1", ""));
    let mut going =
        job(json!({}), json!({"conditions": [{"type": "Suspended", "status": "True"}]}));
    going["metadata"]["deletionTimestamp"] = ago(1).into();
    check("Job", going, row("Terminating", "0/1", ""));
}

#[test]
fn cron_jobs_show_when_they_run() {
    let row = |zone: &str, suspend: &str, active: i64, last: &str| {
        json!([
            "x",
            "0 5 * * ?",
            zone,
            suspend,
            active,
            last,
            OLD,
            CONTAINERS[0],
            CONTAINERS[1],
            "<none>"
        ])
    };
    let cron = |spec: Value, status: Value| {
        let mut cron = json!({"spec": spec, "status": status});
        cron["spec"]["schedule"] = "0 5 * * ?".into();
        cron["spec"]["jobTemplate"] = json!({"spec": {"template": template()}});
        cron
    };
    check("CronJob", cron(json!({}), json!({})), row("<none>", "<unset>", 0, "<none>"));
    let ran = json!({"active": [{}, {}], "lastScheduleTime": ago(600)});
    let spec = json!({"suspend": false, "timeZone": "Etc/UTC"});
    check("CronJob", cron(spec, ran), row("Etc/UTC", "False", 2, "10m"));
    check("CronJob", cron(json!({"suspend": true}), json!({})), row("<none>", "True", 0, "<none>"));
}

#[test]
fn templates_and_revisions() {
    let shown = json!(["x", CONTAINERS[0], CONTAINERS[1], "app=web"]);
    check("PodTemplate", json!({"template": template()}), shown);
    let bare = json!({"template": {"spec": {"containers": []}}});
    check("PodTemplate", bare, json!(["x", "", "", "<none>"]));
    let owned = |api_version: &str, controller: bool| {
        json!({"metadata": {"ownerReferences": [{"apiVersion": api_version, "kind": "DaemonSet",
            "name": "d", "controller": controller}]}, "revision": 3})
    };
    let kind = "ControllerRevision";
    check(kind, owned("apps/v1", true), json!(["x", "daemonset.apps/d", 3, OLD]));
    check(kind, owned("v1", true), json!(["x", "daemonset/d", 3, OLD]));
    check(kind, owned("apps/v1", false), json!(["x", "<none>", 3, OLD]));
}

#[test]
fn budgets_and_quotas() {
    let budget = |spec: Value| json!({"spec": spec, "status": {"disruptionsAllowed": 5}});
    let kind = "PodDisruptionBudget";
    check(kind, budget(json!({"minAvailable": 22})), json!(["x", "22", "N/A", 5, OLD]));
    check(kind, budget(json!({"maxUnavailable": "10%"})), json!(["x", "N/A", "10%", 5, OLD]));
    let quota = json!({"status": {
        "hard": {"limits.memory": "2Gi", "limits.cpu": "1", "requests.cpu": "1000m", "pods": "5", "limits": "1"},
        "used": {"pods": "2", "limits.cpu": "500m"}}});
    let requests = "limits: 0/1, pods: 2/5, requests.cpu: 0/1";
    let limits = "limits.cpu: 500m/1, limits.memory: 0/2Gi";
    check("ResourceQuota", quota, json!(["x", requests, limits, OLD]));
    check("ResourceQuota", json!({}), json!(["x", "", "", OLD]));
}

#[track_caller]
fn check_targets(metrics: Value, current: Value, expected: &str) {
    let scaler = json!({"spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "minReplicas": 2,
            "maxReplicas": 10, "metrics": metrics},
        "status": {"currentReplicas": 4, "currentMetrics": current}});
    let kind = super::super::autoscaling::row(&scaler);
    assert_eq!(kind[2], expected);
    assert_eq!(kind[1], "Deployment/web");
    assert_eq!(kind[3..6], [json!("2"), json!(10), json!(4)]);
}

fn metric(kind: &str, field: &str, target: Value) -> Value {
    json!([{"type": kind, field: {"name": "cpu", "container": "a", "target": target}}])
}

fn now(field: &str, current: Value) -> Value {
    json!([{field: {"current": current}}])
}

#[test]
fn scalers_show_each_kind_of_target() {
    let none = || json!([]);
    check_targets(none(), none(), "<none>");
    let average = || json!({"averageValue": "100m"});
    for (kind, field, tail) in
        [("External", "external", " (avg)"), ("Object", "object", " (avg)"), ("Pods", "pods", "")]
    {
        check_targets(metric(kind, field, average()), none(), &format!("<unknown>/100m{tail}"));
        let current = now(field, json!({"averageValue": "50m"}));
        check_targets(metric(kind, field, average()), current, &format!("50m/100m{tail}"));
    }
    for (kind, field) in [("External", "external"), ("Object", "object")] {
        check_targets(metric(kind, field, json!({"value": "100m"})), none(), "<unknown>/100m");
        let current = now(field, json!({"value": "50m"}));
        check_targets(metric(kind, field, json!({"value": "100m"})), current, "50m/100m");
        let other = now(field, json!({"value": "50m"}));
        check_targets(metric(kind, field, average()), other, "<unknown>/100m (avg)");
    }
    for (kind, field) in [("Resource", "resource"), ("ContainerResource", "containerResource")] {
        check_targets(metric(kind, field, average()), none(), "cpu: <unknown>/100m");
        let current = now(field, json!({"averageValue": "50m"}));
        check_targets(metric(kind, field, average()), current, "cpu: 50m/100m");
        let wanted = || json!({"averageUtilization": 80});
        check_targets(metric(kind, field, wanted()), none(), "cpu: <unknown>/80%");
        let current = || now(field, json!({"averageUtilization": 50, "averageValue": "1"}));
        check_targets(metric(kind, field, wanted()), current(), "cpu: 50%/80%");
        check_targets(metric(kind, field, json!({})), current(), "cpu: 50%/<auto>");
    }
    check_targets(json!([{"type": "Odd"}]), none(), "<unknown type>");
}

#[test]
fn scalers_show_two_targets_and_count_the_rest() {
    let pods = json!({"type": "Pods", "pods": {"target": {"averageValue": "100m"}}});
    check_targets(json!([pods, pods]), json!([]), "<unknown>/100m, <unknown>/100m");
    let shown = "<unknown>/100m, <unknown>/100m + 2 more...";
    check_targets(json!([pods, pods, pods, pods]), json!([]), shown);
}
