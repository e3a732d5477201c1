//! The flags of the audit log, by kube-apiserver's names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use apiserver::audit::{AuditFile, AuditLog, AuditTo, Policy};
use clap::Args;

/// Who asked the API for what.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "The audit log")]
pub struct AuditArgs {
    /// Which requests are recorded, and how much of them: an audit.k8s.io/v1 Policy
    #[arg(long, value_name = "FILE", requires = "audit_log_path")]
    pub audit_policy_file: Option<PathBuf>,
    /// Where they are recorded, a line of JSON for each event; "-" for standard output
    #[arg(long, value_name = "FILE", requires = "audit_policy_file")]
    pub audit_log_path: Option<PathBuf>,
    /// How many megabytes the file has before it is put aside and begun anew
    #[arg(long, value_name = "MB", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub audit_log_maxsize: u64,
    /// How many old files are kept; 0: all
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    pub audit_log_maxbackup: usize,
    /// How many days old files are kept; 0: for ever
    #[arg(long, value_name = "DAYS", default_value_t = 0)]
    pub audit_log_maxage: u32,
}

impl AuditArgs {
    /// Reads the policy and begins the log, if they are wanted.
    pub fn start(&self) -> anyhow::Result<Option<Arc<AuditLog>>> {
        let (policy, path) = match (&self.audit_policy_file, &self.audit_log_path) {
            (None, None) => return Ok(None),
            (Some(policy), Some(path)) => (policy, path),
            _ => bail!("--audit-policy-file and --audit-log-path need each other"),
        };
        let to = if path == Path::new("-") {
            AuditTo::Stdout
        } else {
            AuditTo::File(AuditFile {
                path: path.clone(),
                bytes_max: self.audit_log_maxsize << 20,
                backups_max: self.audit_log_maxbackup,
                days_max: self.audit_log_maxage,
            })
        };
        Ok(Some(Arc::new(AuditLog::start(Policy::open(policy)?, to)?)))
    }

    /// The same as flags, with files by their full names.
    pub(super) fn add_flags(&self, flags: &mut Vec<String>) {
        super::server::add_file(flags, "--audit-policy-file", &self.audit_policy_file);
        match &self.audit_log_path {
            Some(path) if path == Path::new("-") => flags.push("--audit-log-path=-".to_owned()),
            path => super::server::add_file(flags, "--audit-log-path", path),
        }
        flags.push(format!("--audit-log-maxsize={}", self.audit_log_maxsize));
        flags.push(format!("--audit-log-maxbackup={}", self.audit_log_maxbackup));
        flags.push(format!("--audit-log-maxage={}", self.audit_log_maxage));
    }
}
