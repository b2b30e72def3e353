//! From `tracing` events to lines.

use std::fmt;

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    layer::{Context, Layer},
    registry::LookupSpan,
};

use super::{
    Log,
    line::{Line, Style, append_plain, append_text},
};

/// Writes each event as a line, with the fields of the spans it lies in.
pub(super) struct EventLayer {
    log: Log,
}

impl EventLayer {
    pub(super) fn new(log: Log) -> Self {
        Self { log }
    }
}

/// The fields of a span, formed once at its start.
struct SpanFields(Vec<u8>);

impl<S> Layer<S> for EventLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Vec::with_capacity(64);
            attributes.record(&mut Fields { out: &mut fields, style: self.log.core.style });
            span.extensions_mut().insert(SpanFields(fields));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(SpanFields(fields)) = span.extensions_mut().get_mut()
        {
            values.record(&mut Fields { out: fields, style: self.log.core.style });
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let (core, metadata) = (&self.log.core, event.metadata());
        // Errors are written at once: the process may be about to end.
        let urgent = *metadata.level() == Level::ERROR;
        self.log.write(urgent, |out| {
            let target = metadata.target();
            let mut line = Line::begin(out, core.style, (core.now)(), metadata.level(), target);
            if let Style::Human { .. } = core.style {
                line.message(format_args!("{target}:"));
            }
            event.record(&mut Message { line: &mut line });
            let (out, style) = line.out();
            event.record(&mut Fields { out, style });
            for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
                if let Some(SpanFields(fields)) = span.extensions().get() {
                    line.formed(fields);
                }
            }
            line.end();
        });
    }
}

/// Writes an event's message, which comes first.
struct Message<'a, 'b> {
    line: &'a mut Line<'b>,
}

impl Visit for Message<'_, '_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.line.message(format_args!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.line.message(value);
        }
    }
}

/// Writes every field but the message.
struct Fields<'a> {
    out: &'a mut Vec<u8>,
    style: Style,
}

impl Fields<'_> {
    fn plain(&mut self, field: &Field, value: impl fmt::Display) {
        append_plain(self.out, self.style, field.name(), &value.to_string());
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() != "message" {
            append_text(self.out, self.style, field.name(), format_args!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() != "message" {
            append_text(self.out, self.style, field.name(), value);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no word for infinity, nor for what is not a number.
        if value.is_finite() {
            self.plain(field, value);
        } else {
            append_text(self.out, self.style, field.name(), value);
        }
    }
}
