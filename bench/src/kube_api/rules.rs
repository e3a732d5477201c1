//! What deciding costs: a user who may do things by a role, among many roles, and who shows a token.

use anyhow::Context;
use serde_json::{Value, json};

use super::client::{Ask, Connection, Server};
use super::load::{self, Kind};
use super::objects::{CREATED, READ};
use super::{CLIENTS, ROUNDS, objects, rows};
use crate::table::Table;

/// Roles and bindings that have nothing to do with the user.
const OTHERS: usize = 500;
const CLIENTS_MAX: usize = CLIENTS[CLIENTS.len() - 1];

/// A ServiceAccount reads and creates, with [`OTHERS`] roles and bindings of others in its namespaces.
pub async fn measure(server: &Server, table: &mut Table) -> anyhow::Result<()> {
    let mut admin = server.connect().await?;
    let token = account(&mut admin).await.context("make an account")?;
    for namespace in [READ, CREATED] {
        for index in 0..OTHERS / 2 {
            let user = json!({"kind": "User", "name": format!("other-{index}")});
            bind(&mut admin, namespace, &format!("other-{index}"), user).await?;
        }
    }
    for kind in [Kind::Get, Kind::Create] {
        let mut all = Vec::new();
        for _ in 0..ROUNDS {
            let mut connections = Vec::new();
            for _ in 0..CLIENTS_MAX {
                connections.push(server.connect_as(&token).await?);
            }
            all.push(load::run_on(server, kind, connections).await?);
        }
        let what = format!(
            "API: {kind} by token and RBAC, {OTHERS} other bindings, {CLIENTS_MAX} clients"
        );
        rows(table, &what, &all, None);
    }
    objects::empty(server, CREATED).await
}

/// Makes the account, lets it in, and gives it a token.
async fn account(admin: &mut Connection) -> anyhow::Result<String> {
    let accounts = format!("/api/v1/namespaces/{READ}/serviceaccounts");
    let account = json!({"metadata": {"name": "bench"}});
    admin.ask(Ask::post(&accounts, account.to_string())).await?;
    for namespace in [READ, CREATED] {
        let subject = json!({"kind": "ServiceAccount", "name": "bench", "namespace": READ});
        bind(admin, namespace, "bench", subject).await?;
    }
    let request = json!({"spec": {"expirationSeconds": 3600}}).to_string();
    let made = admin.ask(Ask::post(&format!("{accounts}/bench/token"), request)).await?;
    let made: Value = serde_json::from_slice(&made)?;
    Ok(made["status"]["token"].as_str().context("no token")?.to_owned())
}

/// A role that lets ConfigMaps be read and made, and its binding.
async fn bind(
    admin: &mut Connection,
    namespace: &str,
    name: &str,
    mut subject: Value,
) -> anyhow::Result<()> {
    const GROUP: &str = "rbac.authorization.k8s.io";
    if subject["kind"] == "User" {
        subject["apiGroup"] = GROUP.into();
    }
    let place = format!("/apis/{GROUP}/v1/namespaces/{namespace}");
    let rule = json!({"apiGroups": [""], "resources": ["configmaps"],
        "verbs": ["get", "list", "create"]});
    let role = json!({"metadata": {"name": name}, "rules": [rule]}).to_string();
    admin.ask(Ask::post(&format!("{place}/roles"), role)).await?;
    let binding = json!({
        "metadata": {"name": name},
        "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": name},
        "subjects": [subject],
    });
    admin.ask(Ask::post(&format!("{place}/rolebindings"), binding.to_string())).await.map(drop)
}
