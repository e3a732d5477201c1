//! The objects in an external etcd instead of the data directory: which one an instance uses, and
//! who leads on it.

use std::fs;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, bail};
use etcd::remote::{self, Login, Progress, RemoteConfig, RemoteStore, RemoteTls};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::backup::Space;
use crate::cli::server::StoreArgs;
use crate::control::ExternalReport;
use crate::instance::{EXTERNAL_STORE, Instance};

/// What the data directory remembers of the etcd that its objects are in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    pub endpoints: Vec<String>,
    pub prefix: String,
}

impl Remembered {
    /// Read from the data directory; None when its objects are its own, or there are none yet.
    pub fn of(instance: &Instance) -> anyhow::Result<Option<Self>> {
        let path = instance.data_dir().join(EXTERNAL_STORE);
        match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text)
                .map(Some)
                .with_context(|| format!("read {}", path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
        }
    }

    fn save(&self, instance: &Instance) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self).context("encode the store's description")?;
        super::write_secret(&instance.data_dir().join(EXTERNAL_STORE), &text)
    }
}

/// The external etcd of a server that runs or is about to. Clones share it.
#[derive(Clone)]
pub struct External {
    remembered: Remembered,
    config: RemoteConfig,
    standing: Arc<Mutex<Standing>>,
}

/// How this server stands to the other servers on the etcd.
#[derive(Debug, Clone)]
enum Standing {
    /// It asks who leads.
    Asking,
    /// Another one leads.
    Waiting { leader: String },
    /// It leads, by the lease that this says.
    Leading { lease: watch::Receiver<i64> },
}

impl External {
    /// None when the objects are in the data directory. Files are read, nothing is reached.
    pub fn resolve(args: &StoreArgs, options: store::Options) -> anyhow::Result<Option<Self>> {
        if args.store.is_empty() {
            return refuse_lone_flags(args).map(|()| None);
        }
        let remembered =
            Remembered { endpoints: args.store.clone(), prefix: args.store_prefix.clone() };
        let standing = Arc::new(Mutex::new(Standing::Asking));
        let told = standing.clone();
        let config = RemoteConfig {
            prefix: args.store_prefix.clone(),
            tls: tls(args)?,
            login: login(args)?,
            options,
            on_progress: Some(Arc::new(move |progress| note(&told, progress))),
            ..RemoteConfig::new(args.store.clone())
        };
        Ok(Some(Self { remembered, config, standing }))
    }

    /// Opens the store: waits for as long as another server leads.
    pub async fn open(&self, instance: &Instance) -> anyhow::Result<RemoteStore> {
        let opened = remote::open(self.config.clone()).await;
        let opened = opened.context("open the store in the external etcd")?;
        *lock(&self.standing) = Standing::Leading { lease: opened.lease.clone() };
        tracing::info!(endpoints = self.remembered.endpoints.join(","), "this server leads");
        // Only now: a first start that failed binds the data directory to nothing.
        self.remembered.save(instance)?;
        Ok(opened)
    }

    /// As `sampan store status` and `sampan status` tell it.
    pub fn report(&self) -> ExternalReport {
        let report = ExternalReport {
            endpoints: self.remembered.endpoints.clone(),
            prefix: self.remembered.prefix.clone(),
            ..ExternalReport::default()
        };
        match &*lock(&self.standing) {
            Standing::Asking => report,
            Standing::Waiting { leader } => {
                ExternalReport { leader: Some(leader.clone()), ..report }
            }
            Standing::Leading { lease } => {
                let lease = Some(format!("{:016x}", *lease.borrow()));
                ExternalReport { leading: true, lease, ..report }
            }
        }
    }
}

fn note(standing: &Mutex<Standing>, progress: Progress<'_>) {
    match progress {
        Progress::Waiting { holder } => {
            *lock(standing) = Standing::Waiting { leader: holder.to_owned() };
        }
        Progress::Loading { keys } => tracing::debug!(keys, "reading the store in etcd"),
    }
}

/// Whole whatever panicked while it was held: every change is one assignment.
fn lock(standing: &Mutex<Standing>) -> MutexGuard<'_, Standing> {
    standing.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refuse_lone_flags(args: &StoreArgs) -> anyhow::Result<()> {
    let given = [
        ("--store-cacert", args.store_cacert.is_some()),
        ("--store-cert", args.store_cert.is_some()),
        ("--store-key", args.store_key.is_some()),
        ("--store-user", args.store_user.is_some()),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((flag, _)) => bail!("{flag} needs --store: the external etcd that it is for"),
        None => Ok(()),
    }
}

fn tls(args: &StoreArgs) -> anyhow::Result<Option<RemoteTls>> {
    let identity = match (&args.store_cert, &args.store_key) {
        (Some(cert), Some(key)) => Some((cert.clone(), key.clone())),
        (None, None) => None,
        (Some(_), None) => bail!("--store-cert needs --store-key: the key of that certificate"),
        (None, Some(_)) => bail!("--store-key needs --store-cert: the certificate of that key"),
    };
    let secure = args.store.iter().any(|url| url.starts_with("https://"));
    match &args.store_cacert {
        Some(authority) => Ok(Some(RemoteTls { authority: authority.clone(), identity })),
        None if secure || identity.is_some() => {
            bail!("--store-cacert is needed: the authority of the external etcd's certificates")
        }
        None => Ok(None),
    }
}

fn login(args: &StoreArgs) -> anyhow::Result<Option<Login>> {
    let (Some(user), Some(file)) = (&args.store_user, &args.store_password_file) else {
        return Ok(None);
    };
    let text = fs::read_to_string(file)
        .with_context(|| format!("read --store-password-file {}", file.display()))?;
    let password = text.trim_end_matches(['\r', '\n']).to_owned();
    Ok(Some(Login { user: user.clone(), password }))
}

/// Refuses to start an instance with another place of its objects than before: its running pods
/// would be unknown there, and ended.
pub fn check_same_place(instance: &Instance, external: Option<&External>) -> anyhow::Result<()> {
    let before = Remembered::of(instance)?;
    let data_dir = instance.data_dir().display();
    let Some(external) = external else {
        let Some(before) = before else { return Ok(()) };
        bail!(
            "the objects of {data_dir} are in an external etcd\n\
             give --store={} --store-prefix={}, or begin anew with another --data-dir",
            before.endpoints.join(","),
            before.prefix
        );
    };
    let Some(before) = before else {
        if instance.data_dir().join(Space::Kubernetes.folder()).is_dir() {
            bail!(
                "{data_dir} has objects of its own, which --store would leave behind\n\
                 give another --data-dir for use with --store"
            );
        }
        return Ok(());
    };
    let now = &external.remembered;
    if before.prefix != now.prefix {
        bail!(
            "the objects of {data_dir} begin with {} in the external etcd, not with {}\n\
             give --store-prefix={0}, or begin anew with another --data-dir",
            before.prefix,
            now.prefix
        );
    }
    if before.endpoints != now.endpoints {
        let (before, now) = (before.endpoints.join(","), now.endpoints.join(","));
        tracing::warn!(before, now, "the external etcd has other endpoints than before");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn resolve(flags: &[&str]) -> anyhow::Result<Option<External>> {
        let words = ["sampan", "server"].iter().chain(flags);
        let Command::Server(args) = Cli::try_parse_from(words)?.command else {
            panic!("no server")
        };
        External::resolve(&args.store, store::Options::default())
    }

    fn check(instance: &Instance, flags: &[&str]) -> Result<(), String> {
        let external = resolve(flags).unwrap();
        check_same_place(instance, external.as_ref()).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn refused(instance: &Instance, flags: &[&str], expected: &str) {
        let error = check(instance, flags).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }

    const A: &str = "--store=http://a:2379";

    #[test]
    fn an_instance_keeps_to_the_store_it_began_with() {
        let dir = tempfile::tempdir().unwrap();
        let instance = Instance::create(dir.path()).unwrap();
        check(&instance, &[A]).unwrap();
        check(&instance, &[]).expect("nothing was opened");
        resolve(&[A]).unwrap().unwrap().remembered.save(&instance).unwrap();
        check(&instance, &[A]).unwrap();
        refused(&instance, &[], "give --store=http://a:2379 --store-prefix=/sampan/");
        refused(&instance, &[A, "--store-prefix=/b/"], "give --store-prefix=/sampan/");
        // A cluster may move, member by member.
        check(&instance, &["--store=http://a:2379,http://b:2379"]).unwrap();
    }

    #[test]
    fn an_instance_with_objects_of_its_own_keeps_them() {
        let dir = tempfile::tempdir().unwrap();
        let instance = Instance::create(dir.path()).unwrap();
        fs::create_dir(dir.path().join("store")).unwrap();
        check(&instance, &[]).unwrap();
        refused(&instance, &[A], "has objects of its own");
    }

    #[test]
    fn flags_that_make_no_sense_together_are_told() {
        let refused = |flags: &[&str], expected: &str| {
            let error = resolve(flags).err().expect("an error").to_string();
            assert!(error.contains(expected), "{error}");
        };
        refused(&["--store-cacert=/ca"], "--store-cacert needs --store");
        refused(&["--store=https://a:2379"], "--store-cacert is needed");
        refused(&[A, "--store-cert=/c"], "needs --store-key");
        refused(&[A, "--store-user=u", "--store-password-file=/no/such"], "/no/such");
        refused(&[A, "--store-user=u"], "--store-password-file");
    }

    #[test]
    fn who_leads_is_told_while_this_server_waits() {
        let external = resolve(&[A]).unwrap().unwrap();
        assert_eq!((external.report().leading, external.report().leader), (false, None));
        let told = external.config.on_progress.as_ref().unwrap();
        told(Progress::Waiting { holder: "box, pid 7" });
        assert_eq!(external.report().leader.as_deref(), Some("box, pid 7"));
    }
}
