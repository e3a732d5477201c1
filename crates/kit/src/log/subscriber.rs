//! `tracing` events as lines of the log. Spans are not kept: a request's identity is its trace id.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::json::Line;
use super::writer::Writer;

pub(super) struct JsonSubscriber {
    service: &'static str,
    level: Level,
    writer: Writer,
    spans: AtomicU64,
}

impl JsonSubscriber {
    pub(super) fn new(service: &'static str, level: Level, writer: Writer) -> Self {
        Self { service, level, writer, spans: AtomicU64::new(1) }
    }
}

impl Subscriber for JsonSubscriber {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= self.level
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        let mut line = Line::new(level, self.service, &fields.message);
        line.push_str("target", event.metadata().target());
        for (name, value) in &fields.others {
            match value {
                Value::Text(text) => line.push_str(name, text),
                Value::Number(text) => line.push_raw(name, text),
            }
        }
        self.writer.write(&line.finish());
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed).max(1))
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, Value)>,
}

enum Value {
    Text(String),
    Number(String),
}

impl Fields {
    fn text(&mut self, field: &Field, text: String) {
        if field.name() == "message" {
            self.message = text;
        } else {
            self.others.push((field.name(), Value::Text(text)));
        }
    }

    fn number(&mut self, field: &Field, value: impl fmt::Display) {
        self.others.push((field.name(), Value::Number(value.to_string())));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value.to_owned());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.number(field, value);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn events_become_lines_with_their_fields_and_lower_levels_are_left_out() {
        let sink = Sink::default();
        let writer = Writer::new(sink.clone());
        let subscriber = JsonSubscriber::new("orders", Level::INFO, writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::debug!("unseen");
            tracing::info!(count = 3, name = %"x", ok = true, "order stored");
        });
        writer.flush();
        let bytes = sink.0.lock().unwrap().clone();
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(value["message"], "order stored");
        assert_eq!(value["service"], "orders");
        assert_eq!(value["count"], 3);
        assert_eq!(value["name"], "x");
        assert_eq!(value["ok"], true);
    }
}
