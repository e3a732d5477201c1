//! Priority and fairness: requests are sorted into flows by FlowSchemas, and each priority level
//! has seats of its own, so that no client can keep the others from the server. Source: Kubernetes,
//! "API Priority and Fairness".
//!
//! A request takes a seat (a large list several) for as long as its answer is being made; who finds
//! none waits in one of its level's queues, and is refused with 429 when that is full or takes
//! too long. Unlike upstream, seats that a level lends are lent and taken back with each request
//! and not every ten seconds, and a write takes no seats for its watchers, who share one encoding.
//! Streams (exec, logs, proxies) take none; a watch does until it has begun.

mod follow;
mod level;
mod metrics;
mod queues;
mod schema;
mod seats;
mod settings;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use axum::response::{IntoResponse as _, Response};
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;
use tokio::sync::oneshot;

pub(crate) use self::follow::{follow, pass};
use self::level::{Refusal, Ticket};
use self::schema::Schema;
use self::seats::{Entry, Seats};
use self::settings::Settings;
use crate::authz::Attributes;
use crate::error::{ApiError, ApiResult};

/// So long a request waits for a seat: a quarter of upstream's request timeout.
const WAIT_MAX: Duration = Duration::from_secs(15);
/// A level that goes away while a request waits in it sends the request to another one; so often.
const ATTEMPTS_MAX: usize = 8;
const SCHEMA_UID: &str = "x-kubernetes-pf-flowschema-uid";
const LEVEL_UID: &str = "x-kubernetes-pf-prioritylevel-uid";

/// Who goes next.
pub(crate) struct FlowControl {
    schemas: ArcSwap<Vec<Schema>>,
    seats: Mutex<Seats>,
    wait_max: Duration,
}

impl FlowControl {
    /// For so many requests at once. Until something is configured, what every cluster must
    /// have is.
    pub(crate) fn new(seats_max: u32) -> Self {
        let new = Self {
            schemas: ArcSwap::from_pointee(Vec::new()),
            seats: Mutex::new(Seats::new(seats_max)),
            wait_max: WAIT_MAX,
        };
        new.configure(&[], &[]);
        new
    }

    /// From now on these FlowSchemas and PriorityLevelConfigurations hold.
    fn configure(&self, schemas: &[Value], levels: &[Value]) {
        let settings = Settings::read(schemas, levels);
        let mut seats = self.seats();
        let ids = seats.configure(&settings.levels);
        let known = settings.schemas.into_iter().filter_map(|schema| {
            let level = *ids.get(&schema.level_name)?;
            Some(Schema { level, ..schema })
        });
        self.schemas.store(Arc::new(known.collect()));
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the request's turn. `width` says how many seats it takes.
    pub(crate) async fn admit(
        self: &Arc<Self>,
        asked: &Attributes<'_>,
        width: u32,
    ) -> Result<Seat, Refused> {
        let mut class = Class::default();
        for _ in 0..ATTEMPTS_MAX {
            let entry = {
                let schemas = self.schemas.load();
                // The last one is for everybody.
                let schema = schemas.iter().find(|schema| schema.fits(asked));
                let schema = schema.or(schemas.last()).expect("catch-all is always there");
                let flow = hash(schema, asked);
                class.schema = schema.uid.clone();
                self.seats().enter(schema.level, flow, width, &schema.name)
            };
            let waited = match entry {
                Entry::Seated(ticket, level) => {
                    class.level = level;
                    return Ok(Seat { class, _ticket: self.held(ticket, true) });
                }
                Entry::Refused(level) => {
                    class.level = level;
                    return Err(Refused { class });
                }
                // The level has just gone: the schemas are newer now.
                Entry::Gone => continue,
                Entry::Waiting(ticket, level, turn) => {
                    class.level = level;
                    self.wait(ticket, turn).await
                }
            };
            match waited {
                Waited::Seated(ticket) => return Ok(Seat { class, _ticket: ticket }),
                Waited::TooLong => return Err(Refused { class }),
                Waited::Gone => {}
            }
        }
        Err(Refused { class })
    }

    async fn wait(self: &Arc<Self>, ticket: Ticket, turn: oneshot::Receiver<()>) -> Waited {
        // Whoever stops waiting, or goes away, leaves the queue by dropping this.
        let mut held = self.held(ticket, false);
        match tokio::time::timeout(self.wait_max, turn).await {
            Ok(Ok(())) => {
                held.seated = true;
                held.ticket.began = Instant::now();
                Waited::Seated(held)
            }
            Ok(Err(_)) => Waited::Gone,
            Err(_) => {
                self.seats().note(&held.ticket, Refusal::TimeOut);
                Waited::TooLong
            }
        }
    }

    fn held(self: &Arc<Self>, ticket: Ticket, seated: bool) -> Held {
        Held { control: Arc::clone(self), ticket, seated }
    }

    /// What is known of the levels, in Prometheus' text format.
    pub(crate) fn metrics(&self) -> String {
        metrics::text(&self.seats())
    }
}

/// What a request is to be told apart by from the others of its schema.
fn hash(schema: &Schema, asked: &Attributes<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    schema.name.hash(&mut hasher);
    schema.distinguisher(asked).hash(&mut hasher);
    hasher.finish()
}

enum Waited {
    Seated(Held),
    Gone,
    TooLong,
}

/// A place in a queue or at the table; given up when it is dropped.
struct Held {
    control: Arc<FlowControl>,
    ticket: Ticket,
    seated: bool,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.control.seats().leave(&self.ticket, self.seated);
    }
}

/// How a request was sorted, as its answer says.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Class {
    schema: Arc<str>,
    level: Arc<str>,
}

impl Class {
    fn mark(&self, headers: &mut HeaderMap) {
        for (name, uid) in [(LEVEL_UID, &self.level), (SCHEMA_UID, &self.schema)] {
            if let Ok(value) = HeaderValue::from_str(uid) {
                headers.insert(name, value);
            }
        }
    }
}

/// A request's seat: it may be answered now.
pub(crate) struct Seat {
    class: Class,
    _ticket: Held,
}

impl Seat {
    /// The answer, with how its request was sorted. The seat is free again.
    pub(crate) fn mark(self, answered: ApiResult<Response>) -> Response {
        let mut response = answered.unwrap_or_else(ApiError::into_response);
        self.class.mark(response.headers_mut());
        response
    }
}

/// There is no seat for this request.
#[derive(Debug)]
pub(crate) struct Refused {
    class: Class,
}

impl Refused {
    /// In upstream's words, which are no Status.
    pub(crate) fn into_response(self) -> Response {
        let text = "Too many requests, please try again later.\n";
        let mut response = (StatusCode::TOO_MANY_REQUESTS, text).into_response();
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        self.class.mark(response.headers_mut());
        response
    }
}

#[cfg(test)]
mod tests;
