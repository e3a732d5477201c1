//! The node agent: makes Pods, Services and Ingresses real on this box, and reports back.
