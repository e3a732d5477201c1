//! The numbers of every request: how many, how long, how many at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::Method;

use super::{head, label_text, sample};

/// Upper bounds in seconds; the last bucket, without a bound, is implied.
const BUCKETS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// The methods that are told apart; a client may send any word.
const METHODS: [&str; 8] = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "OTHER"];

/// Looked up per request without an allocation. Routes are the router's patterns, so there are
/// only as many as the service's source has.
#[derive(Default)]
pub(crate) struct Http {
    in_flight: AtomicI64,
    routes: RwLock<BTreeMap<String, Arc<Route>>>,
}

#[derive(Default)]
struct Route {
    methods: [Stats; METHODS.len()],
}

#[derive(Default)]
struct Stats {
    /// Not cumulative; the sums are made when they are shown.
    buckets: [AtomicU64; BUCKETS.len() + 1],
    nanoseconds: AtomicU64,
    statuses: RwLock<BTreeMap<u16, AtomicU64>>,
}

impl Http {
    pub(crate) fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn end(&self, method: &Method, route: &str, status: u16, took: Duration) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        let index = METHODS.iter().position(|m| *m == method.as_str()).unwrap_or(METHODS.len() - 1);
        self.route(route).methods[index].add(status, took);
    }

    fn route(&self, route: &str) -> Arc<Route> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = routes.get(route) {
            return found.clone();
        }
        drop(routes);
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        routes.entry(route.to_owned()).or_default().clone()
    }

    pub(super) fn render(&self, text: &mut String) {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner).clone();
        let stats = || {
            routes.iter().flat_map(|(route, stats)| {
                let methods = METHODS.iter().zip(&stats.methods);
                methods.filter(|(_, s)| s.count() > 0).map(move |(m, s)| (route.as_str(), *m, s))
            })
        };
        head(text, "http_requests_in_flight", "Requests being answered.", "gauge");
        sample(text, "http_requests_in_flight", "", self.in_flight.load(Ordering::Relaxed));
        head(text, "http_requests_total", "Requests answered.", "counter");
        for (route, method, stats) in stats() {
            stats.render_statuses(route, method, text);
        }
        let name = "http_request_duration_seconds";
        head(text, name, "Time from a request's head to its answer's.", "histogram");
        for (route, method, stats) in stats() {
            stats.render_buckets(route, method, text);
        }
    }
}

impl Stats {
    fn add(&self, status: u16, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = BUCKETS.iter().position(|b| seconds <= *b).unwrap_or(BUCKETS.len());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
        let statuses = self.statuses.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = statuses.get(&status) {
            count.fetch_add(1, Ordering::Relaxed);
            return;
        }
        drop(statuses);
        let mut statuses = self.statuses.write().unwrap_or_else(PoisonError::into_inner);
        statuses.entry(status).or_default().fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum()
    }

    fn render_statuses(&self, route: &str, method: &str, text: &mut String) {
        let statuses = self.statuses.read().unwrap_or_else(PoisonError::into_inner);
        for (status, count) in statuses.iter() {
            let status = status.to_string();
            let labels = [("method", method), ("route", route), ("status", status.as_str())];
            let count = count.load(Ordering::Relaxed);
            sample(text, "http_requests_total", &label_text(&labels), count);
        }
    }

    fn render_buckets(&self, route: &str, method: &str, text: &mut String) {
        let labels = [("method", method), ("route", route)];
        let mut sum = 0;
        for (index, bucket) in self.buckets.iter().enumerate() {
            sum += bucket.load(Ordering::Relaxed);
            let bound = BUCKETS.get(index).map_or("+Inf".to_owned(), f64::to_string);
            let labels = [labels[0], labels[1], ("le", bound.as_str())];
            sample(text, "http_request_duration_seconds_bucket", &label_text(&labels), sum);
        }
        let labels = label_text(&labels);
        let seconds = Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed)).as_secs_f64();
        sample(text, "http_request_duration_seconds_sum", &labels, seconds);
        sample(text, "http_request_duration_seconds_count", &labels, sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_route_method_and_status_in_cumulative_buckets() {
        let http = Http::default();
        for (status, ms) in [(200, 1), (200, 20), (404, 9_000)] {
            http.begin();
            http.end(&Method::GET, "/x/{id}", status, Duration::from_millis(ms));
        }
        http.begin();
        let mut text = String::new();
        http.render(&mut text);
        for line in [
            "http_requests_in_flight 1",
            "http_requests_total{method=\"GET\",route=\"/x/{id}\",status=\"200\"} 2",
            "http_requests_total{method=\"GET\",route=\"/x/{id}\",status=\"404\"} 1",
            "http_request_duration_seconds_bucket{method=\"GET\",route=\"/x/{id}\",le=\"0.001\"} 1",
            "http_request_duration_seconds_bucket{method=\"GET\",route=\"/x/{id}\",le=\"5\"} 2",
            "http_request_duration_seconds_bucket{method=\"GET\",route=\"/x/{id}\",le=\"+Inf\"} 3",
            "http_request_duration_seconds_sum{method=\"GET\",route=\"/x/{id}\"} 9.021",
            "http_request_duration_seconds_count{method=\"GET\",route=\"/x/{id}\"} 3",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
    }
}
