//! Results: a table for people, JSON for programs.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    path::Path,
    time::Duration,
};

use anyhow::Context;
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::{process::Usage, read_back::Comparison};

/// Times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub(crate) struct Times {
    pub(crate) count: u64,
    pub(crate) p50_ms: f64,
    pub(crate) p90_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) longest_ms: f64,
}

/// What a process used while it was measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Used {
    /// Of one core.
    pub(crate) percent_of_core: f64,
    pub(crate) microseconds_per_sample: f64,
    pub(crate) resident_bytes: u64,
    pub(crate) peak_bytes: u64,
}

/// Everything that a run found out. What was not asked for is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Report {
    pub(crate) what: String,
    pub(crate) seconds: f64,
    pub(crate) samples_per_second: f64,
    pub(crate) messages_per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) puback: Option<Times>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request: Option<Times>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server: Option<Used>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bench: Option<Used>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delivered_per_second: Option<f64>,
    /// Of what was published while it was measured, to all subscribers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delivered_percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) freshness: Option<Times>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) answer: Option<Times>,
    pub(crate) broken_connections: u64,
    pub(crate) churned_connections: u64,
    pub(crate) troubles: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) comparison: Option<Comparison>,
}

impl Times {
    /// `None` when nothing was counted.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Option<Self> {
        let at = |percentile| millis(histogram.value_at_quantile(percentile));
        (!histogram.is_empty()).then(|| Self {
            count: histogram.len(),
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            longest_ms: millis(histogram.max()),
        })
    }
}

impl Used {
    /// Between two looks at a process.
    pub(crate) fn between(before: &Usage, after: &Usage, time: Duration, samples: u64) -> Self {
        let processor = after.processor.saturating_sub(before.processor).as_secs_f64();
        Self {
            percent_of_core: processor / time.as_secs_f64() * 100.0,
            microseconds_per_sample: processor * 1e6 / float(samples.max(1)),
            resident_bytes: after.resident,
            peak_bytes: after.peak,
        }
    }
}

impl Report {
    /// Writes what was asked for: the table, or JSON to a file or standard output.
    pub(crate) fn write(&self, json: Option<&Path>) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        match json {
            None => out.write_all(self.table()?.as_bytes())?,
            Some(path) if path.as_os_str() == "-" => {
                serde_json::to_writer_pretty(&mut out, self)?;
                out.write_all(b"\n")?;
            }
            Some(path) => {
                let text = serde_json::to_string_pretty(self)?;
                std::fs::write(path, text)
                    .with_context(|| format!("cannot write {}", path.display()))?;
                out.write_all(self.table()?.as_bytes())?;
            }
        }
        Ok(())
    }

    fn table(&self) -> Result<String, std::fmt::Error> {
        let mut rows = vec![
            ("run".to_owned(), self.what.clone()),
            (
                "samples".to_owned(),
                format!("{}/s over {:.1} s", grouped(self.samples_per_second), self.seconds),
            ),
            ("messages".to_owned(), format!("{}/s", grouped(self.messages_per_second))),
        ];
        let mut add = |name: &str, text: Option<String>| {
            rows.extend(text.map(|text| (name.to_owned(), text)));
        };
        add("PUBACK after", self.puback.as_ref().map(times));
        add("request", self.request.as_ref().map(times));
        add("server", self.server.as_ref().map(used));
        add("bench", self.bench.as_ref().map(used));
        add(
            "subscribers got",
            self.delivered_per_second.map(|rate| {
                format!("{}/s, {:.2} %", grouped(rate), self.delivered_percent.unwrap_or_default())
            }),
        );
        add("event's newest sample", self.freshness.as_ref().map(times));
        add("answers", self.answer.as_ref().map(times));
        add(
            "connections",
            Some(format!(
                "{} broke, {} churned",
                self.broken_connections, self.churned_connections
            )),
        );
        add("stored", self.comparison.as_ref().map(comparison));
        for trouble in &self.troubles {
            add("trouble", Some(trouble.clone()));
        }
        let mut table = String::new();
        for (name, text) in rows {
            writeln!(table, "{name:>22}  {text}")?;
        }
        Ok(table)
    }
}

fn times(times: &Times) -> String {
    format!(
        "p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms, longest {:.1} ms",
        times.p50_ms, times.p90_ms, times.p99_ms, times.p999_ms, times.longest_ms
    )
}

fn used(used: &Used) -> String {
    format!(
        "{:.1} % of a core, {:.2} us a sample, {:.0} MB (peak {:.0} MB)",
        used.percent_of_core,
        used.microseconds_per_sample,
        float(used.resident_bytes) / 1e6,
        float(used.peak_bytes) / 1e6
    )
}

fn comparison(found: &Comparison) -> String {
    let verdict = if found.holds { "as acknowledged" } else { "NOT AS ACKNOWLEDGED" };
    format!(
        "{verdict}: {} acknowledged of {} sent, {} counted; expected {} and {} bytes, stored {} and {}; {} services differ",
        found.acknowledged,
        found.sent,
        found.counted,
        found.expected.up_bytes,
        found.expected.down_bytes,
        found.stored.up_bytes,
        found.stored.down_bytes,
        found.different_services
    )
}

/// Digits in groups of three.
pub(crate) fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

fn millis(micros: u64) -> f64 {
    float(micros) / 1000.0
}

#[allow(clippy::cast_precision_loss, reason = "counts and bytes of a run are far below 2^53")]
pub(crate) fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_are_grouped() {
        assert_eq!(grouped(0.4), "0");
        assert_eq!(grouped(999.0), "999");
        assert_eq!(grouped(1_234_567.0), "1 234 567");
    }

    #[test]
    fn what_was_not_asked_for_is_in_neither_form() {
        let report = Report { what: "a run".into(), ..Report::default() };
        assert!(!report.table().unwrap().contains("PUBACK"));
        assert!(!serde_json::to_string(&report).unwrap().contains("puback"));
    }
}
