//! `sampan kubeconfig`

use anyhow::bail;

use crate::instance::Instance;
use crate::output::say;

pub fn run(instance: &Instance) -> anyhow::Result<()> {
    let path = instance.kubeconfig();
    if !path.exists() {
        bail!(
            "there is no kubeconfig yet: it is written when the server first starts\nstart it with 'sampan server', or with 'sampan up DIR'"
        );
    }
    say!("{}", path.display());
    Ok(())
}
