//! The flags that say who comes in, and how many at once; named as kube-apiserver's.

use clap::Args;

/// Who comes in, and how many at once.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Access to the API")]
pub struct AccessArgs {
    /// Requests that are answered at once; this and the next one together are the seats that
    /// priority and fairness gives out
    #[arg(long, value_name = "COUNT", default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_requests_inflight: u32,
    /// See --max-requests-inflight
    #[arg(long, value_name = "COUNT", default_value_t = 200, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub max_mutating_requests_inflight: u32,
}

impl AccessArgs {
    /// What the API server is to do about them.
    pub fn resolve(&self) -> anyhow::Result<apiserver::Access> {
        let requests_max = self.max_requests_inflight + self.max_mutating_requests_inflight;
        Ok(apiserver::Access { requests_max })
    }

    pub(super) fn add_flags(&self, flags: &mut Vec<String>) {
        flags.extend([
            format!("--max-requests-inflight={}", self.max_requests_inflight),
            format!("--max-mutating-requests-inflight={}", self.max_mutating_requests_inflight),
        ]);
    }
}
