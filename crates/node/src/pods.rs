//! The pods of this node: one worker for each, told of every change.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use container::Found;
use k8s_openapi::api::core::v1::Pod;
use kit::Tasks;
use kube::ResourceExt;
use kube::runtime::watcher::Event;
use tokio::sync::{Notify, watch};

use crate::pod::references::References;
use crate::pod::resize::Amounts;
use crate::pod::worker::Worker;
use crate::shared::{Shared, lock};

/// The newest word about a pod.
#[derive(Debug, Clone)]
pub(crate) enum Update {
    Present(Arc<Pod>),
    /// It is no longer in the API.
    Gone,
}

/// What others may see of a worker's pod while it runs.
#[derive(Default)]
pub(crate) struct Live {
    /// None while the pod has no shim.
    pub pod: Option<container::Pod>,
    /// The newest attempt of each container, and whether it runs.
    pub containers: BTreeMap<String, (u32, bool)>,
    /// Why containers have not begun, in the words of their status.
    pub waiting: BTreeMap<String, &'static str>,
    /// Manifest digests of the images in use.
    pub images: HashSet<image::Digest>,
    /// What the pod is granted of cpu and memory.
    pub requested: Amounts,
    /// The objects whose change concerns the pod.
    pub references: References,
}

/// How to reach a worker.
struct Handle {
    namespace: String,
    name: String,
    updates: watch::Sender<Update>,
    wake: Arc<Notify>,
    live: Arc<Mutex<Live>>,
}

/// All workers, by pod uid.
#[derive(Default)]
pub(crate) struct Registry {
    handles: Mutex<HashMap<String, Handle>>,
    /// The namespaces whose pods use ConfigMaps.
    with_config_maps: watch::Sender<BTreeSet<String>>,
}

impl Registry {
    fn handles(&self) -> MutexGuard<'_, HashMap<String, Handle>> {
        lock(&self.handles)
    }

    /// The pod of that name, with its uid.
    pub(crate) fn find(&self, namespace: &str, name: &str) -> Option<(String, Arc<Mutex<Live>>)> {
        let handles = self.handles();
        let mut found = handles.iter().filter(|(_, h)| h.namespace == namespace && h.name == name);
        found.next().map(|(uid, handle)| (uid.clone(), handle.live.clone()))
    }

    /// Every pod: uid, namespace, name and what is live of it.
    pub(crate) fn all(&self) -> Vec<(String, String, String, Arc<Mutex<Live>>)> {
        let handles = self.handles();
        let entry = |(uid, h): (&String, &Handle)| {
            (uid.clone(), h.namespace.clone(), h.name.clone(), h.live.clone())
        };
        handles.iter().map(entry).collect()
    }

    /// The pods themselves, by namespace and name.
    pub(crate) fn pods(&self) -> Vec<Arc<Pod>> {
        let newest = |handle: &Handle| match &*handle.updates.borrow() {
            Update::Present(pod) => Some(pod.clone()),
            Update::Gone => None,
        };
        let mut pods: Vec<Arc<Pod>> = self.handles().values().filter_map(newest).collect();
        pods.sort_by_key(|pod| (pod.namespace(), pod.name_any()));
        pods
    }

    /// Wakes the pods that use an object.
    pub(crate) fn wake(&self, namespace: &str, uses: impl Fn(&References) -> bool) {
        for handle in self.handles().values().filter(|handle| handle.namespace == namespace) {
            if uses(&lock(&handle.live).references) {
                handle.wake.notify_one();
            }
        }
    }

    /// The namespaces whose pods use ConfigMaps, as they change.
    pub(crate) fn with_config_maps(&self) -> watch::Receiver<BTreeSet<String>> {
        self.with_config_maps.subscribe()
    }

    fn insert(&self, uid: String, handle: Handle) {
        let mut handles = self.handles();
        handles.insert(uid, handle);
        self.note_config_maps(&handles);
    }

    pub(crate) fn remove(&self, uid: &str) {
        let mut handles = self.handles();
        handles.remove(uid);
        self.note_config_maps(&handles);
    }

    fn note_config_maps(&self, handles: &HashMap<String, Handle>) {
        let uses = |handle: &&Handle| !lock(&handle.live).references.config_maps.is_empty();
        let now = handles.values().filter(uses).map(|handle| handle.namespace.clone()).collect();
        self.with_config_maps.send_if_modified(|before| {
            let changes = *before != now;
            *before = now;
            changes
        });
    }
}

/// Hands the events of the watch on to workers.
pub(crate) struct Dispatcher {
    shared: Arc<Shared>,
    tasks: Tasks,
    /// The pods of the list that is coming in.
    listing: Vec<Pod>,
    listed: bool,
}

impl Dispatcher {
    pub(crate) fn new(shared: Arc<Shared>, tasks: Tasks) -> Self {
        Self { shared, tasks, listing: Vec::new(), listed: false }
    }

    pub(crate) fn seen(&mut self, event: &Event<Pod>) {
        match event {
            Event::Init => self.listing.clear(),
            Event::InitApply(pod) => self.listing.push(pod.clone()),
            Event::InitDone => self.list_done(),
            Event::Apply(pod) => self.present(pod.clone()),
            Event::Delete(pod) => self.gone(&pod.uid().unwrap_or_default()),
        }
    }

    /// The list is complete: pods that are not in it are gone.
    fn list_done(&mut self) {
        let listed = std::mem::take(&mut self.listing);
        let uids: HashSet<String> = listed.iter().filter_map(|pod| pod.uid()).collect();
        let known: Vec<String> = self.shared.registry.handles().keys().cloned().collect();
        for uid in known.iter().filter(|uid| !uids.contains(*uid)) {
            self.gone(uid);
        }
        for pod in listed {
            self.present(pod);
        }
        if !std::mem::replace(&mut self.listed, true) {
            self.stop_orphans();
        }
    }

    fn present(&mut self, pod: Pod) {
        let uid = pod.uid().unwrap_or_default();
        let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
        let replaced: Vec<String> = (self.shared.registry.handles().iter())
            .filter(|(id, h)| **id != uid && h.namespace == namespace && h.name == name)
            .map(|(id, _)| id.clone())
            .collect();
        for uid in replaced {
            self.gone(&uid);
        }
        let pod = Arc::new(pod);
        if let Some(handle) = self.shared.registry.handles().get(&uid) {
            handle.updates.send_replace(Update::Present(pod));
            return;
        }
        self.begin(uid, namespace, name, pod);
    }

    fn begin(&self, uid: String, namespace: String, name: String, pod: Arc<Pod>) {
        let (updates, receiver) = watch::channel(Update::Present(pod.clone()));
        let wake = Arc::new(Notify::new());
        let references = References::of(&pod);
        let live = Arc::new(Mutex::new(Live { references, ..Live::default() }));
        let found = self.shared.found().remove(&uid);
        let task = format!("pod {namespace}/{name}");
        let handle = Handle { namespace, name, updates, wake: wake.clone(), live: live.clone() };
        self.shared.registry.insert(uid, handle);
        let worker = Worker::new(self.shared.clone(), pod, receiver, wake, live);
        self.tasks.spawn_until_shutdown(task, worker.run(found));
    }

    fn gone(&self, uid: &str) {
        if let Some(handle) = self.shared.registry.handles().get(uid) {
            handle.updates.send_replace(Update::Gone);
        }
    }

    /// Stops what runs here though no pod of the API asks for it any more, and removes what a
    /// former server that was killed did not come to remove.
    fn stop_orphans(&self) {
        let orphans: Vec<(String, Found)> = self.shared.found().drain().collect();
        let shared = self.shared.clone();
        self.tasks.spawn_until_shutdown("stop pods without an object", async move {
            for (uid, found) in orphans {
                crate::garbage::stop_orphan(&shared, &uid, found).await;
            }
            crate::garbage::collect_files(&shared).await;
        });
    }
}
