//! Stored objects as a version of their kind has them, before anything else looks at them: what
//! comes after need not know that there are webhooks.

use std::time::Instant;

use serde_json::Value;
use store::KeyValue;

use super::Conversion;
use crate::custom::Custom;
use crate::error::ApiResult;
use crate::kinds::Kind;
use crate::object;
use crate::registry::Registry;
use crate::respond;

impl Registry {
    /// An object in the version of this kind, if it is there. Only a conversion by webhook takes
    /// time, or fails.
    pub(crate) async fn read(
        &self,
        kind: &Kind,
        namespace: &str,
        name: &str,
    ) -> ApiResult<Option<KeyValue>> {
        let Some(kv) = self.get(kind, namespace, name) else { return Ok(None) };
        let Some((custom, conversion)) = webhook(kind) else { return Ok(Some(kv)) };
        let mut kvs = [kv];
        convert(self, custom, conversion, &mut kvs.iter_mut().collect::<Vec<_>>()).await?;
        let [kv] = kvs;
        Ok(Some(kv))
    }

    /// These stored objects in the version of this kind.
    pub(crate) async fn in_version_of(
        &self,
        kind: &Kind,
        mut kvs: Vec<&mut KeyValue>,
    ) -> ApiResult<()> {
        let Some((custom, conversion)) = webhook(kind) else { return Ok(()) };
        kvs.retain_mut(|kv| !custom.is_version_of(kv));
        known(conversion, &mut kvs);
        if kvs.is_empty() {
            return Ok(());
        }
        let began = Instant::now();
        let mut failed = conversion.asking.lock().await;
        known(conversion, &mut kvs);
        // What has failed for another while this one waited would fail again.
        if let Some((at, error)) = &*failed
            && *at >= began
        {
            return Err(error.clone());
        }
        match convert(self, custom, conversion, &mut kvs).await {
            Ok(()) => kvs.iter().for_each(|kv| conversion.cache.put(kv)),
            Err(error) => {
                *failed = Some((Instant::now(), error.clone()));
                return Err(error);
            }
        }
        Ok(())
    }

    /// One object of `from` as `to` has it; both are versions of one kind.
    pub(crate) async fn convert_object(
        &self,
        from: &Kind,
        to: &Kind,
        object: &mut Value,
    ) -> ApiResult<()> {
        if from.version == to.version && from.group == to.group {
            return Ok(());
        }
        if let Some((_, conversion)) = webhook(to) {
            let converted =
                conversion.convert(self, &to.api_version(), vec![object.take()]).await?;
            *object = converted.into_iter().next().unwrap_or_default();
        } else {
            from.to_stored(object);
        }
        to.to_served(object);
        Ok(())
    }

    /// The bytes that an object of this kind is stored as.
    pub(crate) async fn stored(&self, kind: &Kind, value: &Value) -> ApiResult<bytes::Bytes> {
        let Some((custom, conversion)) = webhook(kind) else {
            let stored = kind.custom.as_ref().and_then(|custom| custom.store(value));
            return Ok(object::encode(stored.as_ref().unwrap_or(value)));
        };
        if custom.is_stored_version() {
            return Ok(object::encode(value));
        }
        let mut value = value.clone();
        object::metadata_mut(&mut value).remove("resourceVersion");
        let converted = conversion.convert(self, custom.storage_version(), vec![value]).await?;
        let mut stored = converted.into_iter().next().unwrap_or_default();
        custom.prune_stored(&mut stored);
        Ok(object::encode(&stored))
    }
}

fn webhook(kind: &Kind) -> Option<(&Custom, &Conversion)> {
    let custom = kind.custom.as_deref()?;
    Some((custom, custom.conversion.as_ref()?))
}

/// Takes what was converted before, and leaves in `kvs` what was not.
fn known(conversion: &Conversion, kvs: &mut Vec<&mut KeyValue>) {
    kvs.retain_mut(|kv| match conversion.cache.get(kv) {
        Some(value) => {
            kv.value = value;
            false
        }
        None => true,
    });
}

async fn convert(
    registry: &Registry,
    custom: &Custom,
    conversion: &Conversion,
    kvs: &mut [&mut KeyValue],
) -> ApiResult<()> {
    let mut objects = Vec::with_capacity(kvs.len());
    for kv in kvs.iter() {
        // The webhook sees no resourceVersion, as upstream.
        let object = serde_json::from_slice(&kv.value).map_err(|error| respond::corrupt(&error));
        let mut object = object?;
        custom.fill_stored(&mut object);
        objects.push(object);
    }
    let converted = conversion.convert(registry, custom.api_version(), objects).await?;
    for (kv, mut object) in kvs.iter_mut().zip(converted) {
        // Whatever a webhook says at another time: these bytes are as they are served.
        custom.serve(&mut object);
        kv.value = object::encode(&object);
    }
    Ok(())
}
