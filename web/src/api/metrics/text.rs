//! Prometheus' text format.

use std::fmt::{Arguments, Display, Write as _};

use crate::Family;

/// What it is called, for the header `content-type`.
pub(super) const KIND: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Metrics, one after the other.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

impl Exposition {
    /// Begins a metric.
    pub(super) fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.write(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// A value of the metric that was begun; labels come without braces.
    pub(super) fn value(&mut self, name: &str, labels: &str, value: impl Display) {
        if labels.is_empty() {
            self.write(format_args!("{name} {value}\n"));
        } else {
            self.write(format_args!("{name}{{{labels}}} {value}\n"));
        }
    }

    /// A metric of a single value.
    pub(super) fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        self.value(name, "", value);
    }

    /// A metric of another part of the server.
    pub(super) fn family(&mut self, family: &Family) {
        self.head(family.name, family.kind, family.help);
        for (rest, value) in &family.values {
            self.write(format_args!("{}{rest} {value}\n", family.name));
        }
    }

    /// All of them.
    pub(super) fn finish(self) -> String {
        self.0
    }

    fn write(&mut self, text: Arguments<'_>) {
        // Writing to a String cannot fail.
        self.0.write_fmt(text).unwrap_or_default();
    }
}
