//! What an owner of a gateway may choose.

use std::time::Duration;

/// Limits and times of a gateway.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Client connections served at once by one listener; more wait in its backlog.
    pub connections_max: usize,
    /// How long a client may take to send the head of a request, or to finish a TLS handshake. In
    /// HTTP/1 the time starts at the end of the request before, so it bounds the pause as well.
    pub header_timeout: Duration,
    /// How long a client's connection may be without a request.
    pub idle_timeout: Duration,
    /// How long a connection to an endpoint may take.
    pub connect_timeout: Duration,
    /// How long an endpoint may take to begin its response, counted from the last byte it was
    /// sent.
    pub response_timeout: Duration,
    /// How long requests under way may take to finish when a listener is shut down.
    pub drain_timeout: Duration,
    /// Whether clients may set `X-Forwarded-*` themselves: only when another proxy is in front.
    pub trust_forwarded: bool,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        GatewayConfig {
            connections_max: 16_384,
            header_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(75),
            connect_timeout: Duration::from_secs(2),
            response_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(20),
            trust_forwarded: false,
        }
    }
}
