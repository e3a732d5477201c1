//! Trace identity: W3C `traceparent`, taken from a request, made when there is none, passed on.
//!
//! Format: <https://www.w3.org/TR/trace-context/>.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header's name.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

const LEN: usize = 55;
const VERSION_FORBIDDEN: &[u8] = b"ff";

tokio::task_local! {
    static CURRENT: Trace;
}

/// Where a piece of work belongs: the whole trace, and this span of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    trace_id: u128,
    span_id: u64,
    flags: u8,
}

impl Trace {
    /// A new trace.
    pub fn new() -> Self {
        let high = u128::from(random());
        let trace_id = (high << 64 | u128::from(random())).max(1);
        Self { trace_id, span_id: random().max(1), flags: 1 }
    }

    /// The trace a request belongs to, in a span of its own; a new one when it brings none.
    pub fn of(headers: &HeaderMap) -> Self {
        let parent = headers.get(TRACEPARENT).and_then(|value| Self::parse(value.as_bytes()));
        parent.map_or_else(Self::new, Self::child)
    }

    /// The trace of the request that is being handled, if one is.
    pub fn current() -> Option<Self> {
        CURRENT.try_get().ok()
    }

    /// Another span of the same trace.
    pub fn child(self) -> Self {
        Self { span_id: random().max(1), ..self }
    }

    /// Runs `work` as part of this trace: [`Trace::current`] is `self` in it.
    pub fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, work)
    }

    /// Calls `work` as part of this trace.
    pub fn sync_scope<T>(self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self, work)
    }

    /// The header's value for a request made from here.
    pub fn header_value(&self) -> HeaderValue {
        let text = self.to_string();
        HeaderValue::from_str(&text).expect("hex digits and dashes are a header value")
    }

    /// Puts the current trace, or a new one, into the headers of an outgoing request.
    pub fn inject(headers: &mut HeaderMap) {
        let trace = Self::current().unwrap_or_default();
        headers.insert(TRACEPARENT, trace.header_value());
    }

    /// The trace's id as 32 hex digits, as every tool shows it.
    pub fn id(&self) -> TraceId {
        TraceId(self.trace_id)
    }

    fn parse(value: &[u8]) -> Option<Self> {
        let (version, rest) = (value.get(..2)?, value.get(2..)?);
        // A later version may have more after the flags, behind another dash.
        let longer = value.len() > LEN && version != b"00" && value[LEN] == b'-';
        if version == VERSION_FORBIDDEN || !is_hex(version) || (value.len() != LEN && !longer) {
            return None;
        }
        let dashes = rest[0] == b'-' && rest[33] == b'-' && rest[50] == b'-';
        let trace_id = hex(&rest[1..33])?;
        let span_id = u64::try_from(hex(&rest[34..50])?).ok()?;
        let flags = u8::try_from(hex(&rest[51..53])?).ok()?;
        let valid = dashes && trace_id != 0 && span_id != 0;
        valid.then_some(Self { trace_id, span_id, flags })
    }
}

/// [`Trace::scope`] with a type that has a name.
#[cfg(feature = "service")]
pub(crate) fn scope<F: Future>(
    trace: Trace,
    work: F,
) -> tokio::task::futures::TaskLocalFuture<Trace, F> {
    CURRENT.scope(trace, work)
}

/// A whole trace's id; displayed as 32 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId(u128);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Default for Trace {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

fn is_hex(digits: &[u8]) -> bool {
    digits.iter().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b))
}

fn hex(digits: &[u8]) -> Option<u128> {
    let text = std::str::from_utf8(digits).ok().filter(|_| is_hex(digits))?;
    u128::from_str_radix(text, 16).ok()
}

/// Unique rather than secret: SplitMix64 from a seed that the standard library draws per thread.
fn random() -> u64 {
    thread_local! {
        static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(std::process::id()));
    }
    let state = STATE.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    STATE.set(state);
    let mut mixed = state;
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_parent_s_trace_goes_on_in_a_new_span() {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, HeaderValue::from_static(GOOD));
        let trace = Trace::of(&headers);
        assert_eq!(trace.id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_ne!(trace.to_string(), GOOD);
        assert_eq!(trace.to_string().len(), LEN);
        assert!(Trace::parse(trace.header_value().as_bytes()).is_some());
    }

    #[test]
    fn what_is_no_traceparent_starts_a_new_trace() {
        for bad in [
            "",
            "00",
            &GOOD[..54],
            &format!("{GOOD}-00"),
            &GOOD.replace("00-4b", "ff-4b"),
            &GOOD.to_uppercase(),
            &GOOD.replace("-00f0", "_00f0"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
        ] {
            assert_eq!(Trace::parse(bad.as_bytes()), None, "{bad}");
        }
        let later = format!("{}-more", GOOD.replacen("00", "01", 1));
        assert!(Trace::parse(later.as_bytes()).is_some());
    }

    #[test]
    fn traces_differ() {
        let many: std::collections::HashSet<_> =
            (0..1000).map(|_| Trace::new().to_string()).collect();
        assert_eq!(many.len(), 1000);
    }

    #[tokio::test]
    async fn the_current_trace_is_the_request_s() {
        let trace = Trace::new();
        assert_eq!(Trace::current(), None);
        trace.scope(async move { assert_eq!(Trace::current(), Some(trace)) }).await;
    }
}
