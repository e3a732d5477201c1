//! The L7 gateway: HTTP/1, h2, gRPC and WebSocket proxying from a plain table of routes.
