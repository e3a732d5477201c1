//! Numbers for Prometheus: every request's, and the service's own.
//!
//! Text format: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

mod http;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use self::http::Http;

/// Series of the service's own metrics; more are counted but not shown.
const SERIES_MAX: usize = 10_000;

/// A service's registry of metrics. Clones share it.
#[derive(Clone, Default)]
pub struct Metrics {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    http: Http,
    families: Mutex<Families>,
}

#[derive(Default)]
struct Families {
    by_name: BTreeMap<&'static str, Family>,
    series: usize,
}

struct Family {
    help: &'static str,
    /// By the text of their labels.
    series: BTreeMap<String, Series>,
}

#[derive(Clone)]
enum Series {
    Counter(Counter),
    Gauge(Gauge),
}

/// A number that only grows.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicI64>);

impl Gauge {
    /// Sets the number.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Adds `n`, which may be negative.
    pub fn add(&self, n: i64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The number now.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Metrics {
    /// The counter of this name and these labels; the same one every time.
    pub fn counter(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[(&str, &str)],
    ) -> Counter {
        match self.series(name, help, labels, || Series::Counter(Counter::default())) {
            Series::Counter(counter) => counter,
            Series::Gauge(_) => Counter::default(),
        }
    }

    /// The gauge of this name and these labels; the same one every time.
    pub fn gauge(&self, name: &'static str, help: &'static str, labels: &[(&str, &str)]) -> Gauge {
        match self.series(name, help, labels, || Series::Gauge(Gauge::default())) {
            Series::Gauge(gauge) => gauge,
            Series::Counter(_) => Gauge::default(),
        }
    }

    fn series(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[(&str, &str)],
        make: impl Fn() -> Series,
    ) -> Series {
        let labels = label_text(labels);
        let mut families = lock(&self.inner.families);
        if let Some(found) = families.by_name.get(name).and_then(|f| f.series.get(&labels)) {
            return found.clone();
        }
        if families.series >= SERIES_MAX {
            tracing::warn!(metric = name, limit = SERIES_MAX, "too many series; one is not shown");
            return make();
        }
        families.series += 1;
        let new_family = || Family { help, series: BTreeMap::new() };
        let family = families.by_name.entry(name).or_insert_with(new_family);
        family.series.entry(labels).or_insert_with(make).clone()
    }

    pub(crate) fn http(&self) -> &Http {
        &self.inner.http
    }

    /// All of it in the text format.
    pub fn render(&self) -> String {
        let mut text = String::with_capacity(4096);
        self.inner.http.render(&mut text);
        for (name, family) in &lock(&self.inner.families).by_name {
            family.render(name, &mut text);
        }
        text
    }
}

impl Family {
    fn render(&self, name: &str, text: &mut String) {
        let kind = match self.series.values().next() {
            Some(Series::Gauge(_)) => "gauge",
            _ => "counter",
        };
        head(text, name, self.help, kind);
        for (labels, series) in &self.series {
            match series {
                Series::Counter(counter) => sample(text, name, labels, counter.get()),
                Series::Gauge(gauge) => sample(text, name, labels, gauge.get()),
            }
        }
    }
}

fn head(text: &mut String, name: &str, help: &str, kind: &str) {
    let help = help.replace('\\', "\\\\").replace('\n', "\\n");
    writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}").expect(INFALLIBLE);
}

fn sample(text: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    writeln!(text, "{name}{labels} {value}").expect(INFALLIBLE);
}

const INFALLIBLE: &str = "writing to a String does not fail";

/// Such as `{method="GET",route="/"}`; nothing without labels.
fn label_text(labels: &[(&str, &str)]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let escape = |v: &str| v.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let pairs: Vec<_> = labels.iter().map(|(k, v)| format!("{k}=\"{}\"", escape(v))).collect();
    format!("{{{}}}", pairs.join(","))
}

/// What is behind it stays whole whatever panicked while it was held: every change is one call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_shown_with_help_type_and_escaped_labels() {
        let metrics = Metrics::default();
        metrics.counter("orders_total", "Orders.", &[("kind", "a\"b\\c\nd")]).add(2);
        metrics.counter("orders_total", "Orders.", &[("kind", "a\"b\\c\nd")]).increment();
        metrics.gauge("depth", "Queue depth.", &[]).set(-4);
        let text = metrics.render();
        assert!(text.contains("# HELP orders_total Orders.\n# TYPE orders_total counter\n"));
        assert!(text.contains("orders_total{kind=\"a\\\"b\\\\c\\nd\"} 3\n"), "{text}");
        assert!(text.contains("# TYPE depth gauge\ndepth -4\n"));
    }

    #[test]
    fn a_name_used_for_two_kinds_shows_the_first_only() {
        let metrics = Metrics::default();
        metrics.counter("x", "A.", &[]).increment();
        metrics.gauge("x", "B.", &[]).set(9);
        assert!(metrics.render().contains("# TYPE x counter\nx 1\n"));
    }
}
