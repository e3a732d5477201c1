//! Holding a conversation: step by step, in a namespace of its own.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Error, Result, anyhow, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures::StreamExt as _;
use http::{HeaderMap, Request};
use serde_json::{Value, json};

use crate::client::{Events, Reply, Server, Watches};
use crate::expect::matches;
use crate::script::{Conversation, Expect, Step};
use crate::vars::{Vars, merge};

/// How long an event may take to come.
const EVENT_TIME_MAX: Duration = Duration::from_secs(30);
/// How long a fresh namespace may take to have its ServiceAccount.
const ACCOUNT_TIME_MAX_S: u64 = 30;
/// How often a step with `within` asks again.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// How many conversations are held at a time.
const AT_ONCE: usize = 6;
/// How long `${long}` is.
const LONG: usize = 100 * 1024;
/// What a run's random part may consist of.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// How a conversation went.
pub struct Outcome {
    /// The file's name.
    pub name: String,
    /// How long it took.
    pub took: Duration,
    /// The steps that went wrong, and how.
    pub failures: Vec<Error>,
}

/// Holds many, a few at a time.
pub async fn hold_all(server: &Server, all: &[Conversation]) -> Vec<Outcome> {
    let held = all.iter().map(|one| async move {
        let start = Instant::now();
        let failures = hold(server, one).await;
        Outcome { name: one.name.clone(), took: start.elapsed(), failures }
    });
    futures::stream::iter(held).buffered(AT_ONCE).collect().await
}

/// Holds one to its end, whatever goes wrong, and returns what did. What it made is deleted again.
pub async fn hold(server: &Server, conversation: &Conversation) -> Vec<Error> {
    let mut talk =
        Talk { server, vars: Vars::default(), watches: Watches::new(), made: Vec::new() };
    let mut failures = talk.all(conversation).await;
    failures.extend(talk.clean().await.err());
    failures
}

struct Talk<'a> {
    server: &'a Server,
    vars: Vars,
    watches: Watches,
    /// Paths of objects that outlive the namespace, in the order in which they were made.
    made: Vec<String>,
}

impl Talk<'_> {
    async fn all(&mut self, conversation: &Conversation) -> Vec<Error> {
        if let Err(error) = self.begin(&conversation.name).await.context("make the namespace") {
            return vec![error];
        }
        let mut failures = Vec::new();
        for (number, step) in conversation.steps.iter().enumerate() {
            let shown = step.request.as_ref().or(step.next.as_ref()).map_or("", String::as_str);
            let name = format!("{}: step {}: {shown} {}", conversation.name, number + 1, step.say);
            failures.extend(
                self.rounds(step).await.into_iter().map(|error| error.context(name.clone())),
            );
        }
        failures
    }

    /// A step, once or for each of its values.
    async fn rounds(&mut self, step: &Step) -> Vec<Error> {
        let rounds = if step.each.is_empty() { vec![Value::Null] } else { step.each.clone() };
        let mut failures = Vec::new();
        for it in rounds {
            let held = match self.vars.value(&it) {
                Ok(value) => {
                    self.vars.set("it", value);
                    let held = self.step(step).await;
                    if it.is_null() { held } else { held.with_context(|| format!("for {it}")) }
                }
                Err(error) => Err(error.context("what the step is repeated for")),
            };
            failures.extend(held.err());
        }
        failures
    }

    /// A namespace that nobody else has, ready for pods.
    async fn begin(&mut self, name: &str) -> Result<()> {
        let id: String =
            (0..5).map(|_| char::from(LETTERS[rand::random_range(0..LETTERS.len())])).collect();
        let namespace = format!("c-{name}-{id}");
        self.vars.set("id", id);
        self.vars.set("long", "x".repeat(LONG));
        self.vars.set("ns", namespace.as_str());
        let make = Step {
            request: Some("POST /api/v1/namespaces".into()),
            body: Some(json!({"metadata": {"name": namespace}})),
            ..Step::default()
        };
        let reply = self.server.ask(true, self.request(&make)?).await?;
        // A server for custom kinds alone has no Namespaces, and asks for none.
        if reply.status == 404 {
            return Ok(());
        }
        self.judge(&reply, &make)?;
        self.remember(&make, &reply)?;
        let account = Step {
            request: Some("GET /api/v1/namespaces/${ns}/serviceaccounts/default".into()),
            within: ACCOUNT_TIME_MAX_S,
            ..Step::default()
        };
        self.step(&account).await
    }

    /// Deletes what was made. Finalizers are the conversations' own business.
    async fn clean(&mut self) -> Result<()> {
        self.watches.clear();
        for path in std::mem::take(&mut self.made).into_iter().rev() {
            let request = Request::delete(&path).body(Vec::new())?;
            self.server.ask(true, request).await.with_context(|| format!("delete {path}"))?;
        }
        Ok(())
    }

    async fn step(&mut self, step: &Step) -> Result<()> {
        if let Some(name) = &step.next {
            return self.look(&self.vars.text(name)?, step).await;
        }
        if let Some(name) = &step.watch {
            let reply = self.server.send(step.bearer.is_none(), self.request(step)?).await?;
            ensure!(reply.status().is_success(), "the watch was answered {}", reply.status());
            self.watches.insert(name.clone(), Events::new(reply.into_body()));
            return Ok(());
        }
        let deadline = Instant::now() + Duration::from_secs(step.within);
        loop {
            let reply = self.server.ask(step.bearer.is_none(), self.request(step)?).await?;
            match self.judge(&reply, step) {
                Ok(()) => return self.remember(step, &reply),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => tokio::time::sleep(ASK_AGAIN).await,
            }
        }
    }

    fn request(&self, step: &Step) -> Result<Request<Vec<u8>>> {
        let text = self.vars.text(step.request.as_deref().unwrap_or_default())?;
        let (method, path) = text.split_once(' ').context("a method and a path")?;
        let mut builder = Request::builder().method(method).uri(path);
        if let Some(user) = &step.user {
            builder = builder.header("impersonate-user", self.vars.text(user)?);
        }
        for group in &step.groups {
            builder = builder.header("impersonate-group", self.vars.text(group)?);
        }
        if let Some(token) = step.bearer.as_ref().filter(|token| !token.is_empty()) {
            builder = builder.header("authorization", format!("Bearer {}", self.vars.text(token)?));
        }
        for (name, value) in &step.headers {
            builder = builder.header(name, self.vars.text(value)?);
        }
        let mut body = self.body(step)?;
        body.resize(body.len() + step.pad, b' ');
        if !body.is_empty() {
            let usual = if method == "PATCH" { "merge-patch+json" } else { "json" };
            let usual = format!("application/{usual}");
            let media = self.vars.text(step.media.as_ref().unwrap_or(&usual))?;
            builder = builder.header("content-type", media);
        }
        Ok(builder.body(body)?)
    }

    fn body(&self, step: &Step) -> Result<Vec<u8>> {
        if let Some(text) = &step.text {
            return Ok(self.vars.text(text)?.into_bytes());
        }
        if let Some(bytes) = &step.base64 {
            let bytes: String = bytes.split_whitespace().collect();
            return BASE64_STANDARD.decode(bytes).context("the body is no base64");
        }
        let Some(body) = &step.body else { return Ok(Vec::new()) };
        let mut body = self.vars.value(body)?;
        if let Some(with) = &step.with {
            merge(&mut body, &self.vars.value(with)?);
        }
        Ok(serde_json::to_vec(&body)?)
    }

    fn judge(&mut self, reply: &Reply, step: &Step) -> Result<()> {
        let Expect { status, headers, body, text } = &step.expect;
        let shown = || reply.text.chars().take(3000).collect::<String>();
        let wanted = status.as_ref().map(|status| self.vars.value(status)).transpose()?;
        match &wanted {
            None => {
                ensure!(reply.status < 300, "wanted success, found {}: {}", reply.status, shown())
            }
            Some(wanted) => matches(Some(&reply.status.into()), wanted, &mut self.vars)
                .map_err(|error| anyhow!("the status: {error}\nin {}", shown()))?,
        }
        for (name, wanted) in headers {
            let wanted = self.vars.value(wanted)?;
            let found = header(&reply.headers, name).map(Value::from);
            matches(found.as_ref(), &wanted, &mut self.vars)
                .map_err(|error| anyhow!("header {name}: {error}"))?;
        }
        if let Some(text) = text {
            let wanted = self.vars.value(text)?;
            matches(Some(&reply.text.as_str().into()), &wanted, &mut self.vars)
                .map_err(|error| anyhow!("the text: {error}"))?;
        }
        if let Some(body) = body {
            let wanted = self.vars.value(body)?;
            matches(Some(&reply.json()), &wanted, &mut self.vars)
                .map_err(|error| anyhow!("{error}\nin {}", shown()))?;
        }
        Ok(())
    }

    /// Keeps what the step wants kept, and notes what has to be deleted in the end.
    fn remember(&mut self, step: &Step, reply: &Reply) -> Result<()> {
        let body = reply.json();
        for (name, pointer) in &step.keep {
            let value = body.pointer(pointer).with_context(|| format!("no {pointer} to keep"))?;
            self.vars.set(name.clone(), value.clone());
        }
        let request = self.vars.text(step.request.as_deref().unwrap_or_default())?;
        let (path, query) = request.split_once('?').unwrap_or((&request, ""));
        let Some((method, path)) = path.split_once(' ') else { return Ok(()) };
        let own = self.vars.get("ns")?.as_str().unwrap_or_default();
        let gone_with_namespace = path.contains(&format!("/namespaces/{own}/"));
        if reply.status != 201 || query.contains("dryRun") || gone_with_namespace {
            return Ok(());
        }
        match (method, body.pointer("/metadata/name").and_then(Value::as_str)) {
            ("POST", Some(name)) => self.made.push(format!("{path}/{name}")),
            ("PATCH", _) => self.made.push(path.to_owned()),
            _ => {}
        }
        Ok(())
    }

    /// The next events of a watch.
    async fn look(&mut self, name: &str, step: &Step) -> Result<()> {
        let events = self.watches.get_mut(name).with_context(|| format!("no watch {name}"))?;
        let patience = EVENT_TIME_MAX;
        if let Some(until) = &step.until {
            let wanted = self.vars.value(until)?;
            loop {
                let Some(event) = events.next(patience).await.context(wanted.to_string())? else {
                    bail!("the watch ended before {wanted}")
                };
                if matches(Some(&event), &wanted, &mut self.vars).is_ok() {
                    break;
                }
            }
        }
        for wanted in &step.events {
            let wanted = self.vars.value(wanted)?;
            let event = events.next(patience).await.context(wanted.to_string())?;
            matches(event.as_ref(), &wanted, &mut self.vars).map_err(|error| anyhow!(error))?;
        }
        if step.end
            && let Some(more) = events.next(patience).await?
        {
            bail!("the watch went on with {more}");
        }
        Ok(())
    }
}

/// All values of a header, joined.
fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    let values: Vec<_> = headers
        .get_all(name)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .collect();
    (!values.is_empty()).then(|| values.join(", "))
}
