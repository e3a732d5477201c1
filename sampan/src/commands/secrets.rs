//! `sampan secrets`: how Secrets are encrypted at rest, and the change of the key.

use anyhow::{Context, bail};
use apiserver::{Rotated, SecretsReport};

use crate::cli::{Output, SecretsStatusArgs};
use crate::control;
use crate::instance::Instance;
use crate::output::{self, say};
use crate::text;

pub async fn status(instance: &Instance, args: SecretsStatusArgs) -> anyhow::Result<()> {
    require_server(instance)?;
    let report: SecretsReport =
        control::json(control::get(instance, control::SECRETS).await?).await?;
    match args.output {
        Output::Table => output::text(&table(&report)),
        Output::Json => {
            say!("{}", serde_json::to_string_pretty(&report).context("encode the report")?);
        }
    }
    Ok(())
}

pub async fn rotate(instance: &Instance) -> anyhow::Result<()> {
    require_server(instance)?;
    let rotated: Rotated = control::json(control::post(instance, control::ROTATE).await?).await?;
    let dropped = match rotated.dropped.as_slice() {
        [] => "there was none before".to_owned(),
        dropped => format!("{} is no more", dropped.join(", ")),
    };
    say!("{} Secrets are encrypted with the new key {}; {dropped}", rotated.rewritten, rotated.key);
    Ok(())
}

fn require_server(instance: &Instance) -> anyhow::Result<()> {
    if instance.running()?.is_none() {
        bail!(
            "no server runs on {}\nstart one with 'sampan server', or with 'sampan up DIR'",
            instance.data_dir().display()
        );
    }
    Ok(())
}

/// One line for each key, the one that encrypts first.
fn table(report: &SecretsReport) -> String {
    let count = |key: &String| report.sealed.get(key).copied().unwrap_or(0).to_string();
    let state = |at: usize| if at == 0 { "encrypts" } else { "only decrypts" }.to_owned();
    let keys = report.keys.iter().enumerate();
    let mut rows: Vec<Vec<String>> =
        keys.map(|(at, key)| vec![key.clone(), state(at), count(key)]).collect();
    if report.plain > 0 {
        let state = "until they are written, or the key is rotated".to_owned();
        rows.push(vec!["not encrypted".to_owned(), state, report.plain.to_string()]);
    }
    text::table(&["KEY", "STATE", "SECRETS"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_count_and_what_is_plain_is_told() {
        let report = SecretsReport {
            keys: vec!["new".into(), "old".into()],
            sealed: [("old".to_owned(), 3)].into(),
            plain: 2,
        };
        let text = table(&report);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[1].starts_with("new") && lines[1].ends_with('0'), "{text}");
        assert!(lines[2].contains("only decrypts") && lines[2].ends_with('3'), "{text}");
        assert!(lines[3].starts_with("not encrypted") && lines[3].ends_with('2'), "{text}");
    }
}
