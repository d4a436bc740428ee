//! The body of an update, read as the original's FastAPI reads it: numbers may
//! be texts, unknown keys are ignored, and what is wrong is told in its words.

mod python_json;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::account::DOUBLED;

/// What an agent reports, in the units of this API.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Report {
    pub(super) service_id: String,
    /// MiB/s.
    pub(super) bandwidth: Pair,
    /// GiB since the agent's state file began.
    pub(super) total: Pair,
    /// Decimal MB/s times two; `None`: as before.
    pub(super) max_bandwidth: Option<f64>,
    /// Percent; `None`: as before.
    pub(super) cpu_percent: Option<f64>,
    /// Percent; `None`: as before.
    pub(super) memory_percent: Option<f64>,
}

/// A figure in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Pair {
    pub(super) up: f64,
    pub(super) down: f64,
}

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    loc: Vec<Value>,
    msg: String,
    input: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    ctx: Option<Value>,
}

impl Report {
    /// What an agent from before December 2025 says, as the later ones say it:
    /// it tells the speed of its link once.
    pub(super) fn doubled(self) -> Self {
        Self { max_bandwidth: self.max_bandwidth.map(|once| once * DOUBLED), ..self }
    }
}

/// Highest figures that are possible: more bytes than 63 bits count.
const MOST_GIB: f64 = 8_000_000_000.0;
const MOST_MIB_PER_SECOND: f64 = 1_000_000_000.0;

impl Problem {
    fn new(kind: &'static str, field: Option<&str>, msg: &str, input: Value) -> Self {
        let loc = ["body"].into_iter().chain(field).map(Value::from).collect();
        Self { kind, loc, msg: msg.to_owned(), input, ctx: None }
    }

    /// A query parameter that is no number.
    pub(super) fn no_integer(field: &str, input: &str) -> Self {
        Self {
            kind: "int_parsing",
            loc: vec!["query".into(), field.into()],
            msg: "Input should be a valid integer, unable to parse string as an integer".into(),
            input: input.into(),
            ctx: None,
        }
    }
}

/// Reads a body; or everything that is wrong with it.
pub(super) fn read(content_type: Option<&str>, body: &[u8]) -> Result<Report, Vec<Problem>> {
    let one = |problem| vec![problem];
    if body.is_empty() {
        return Err(one(Problem::new("missing", None, "Field required", Value::Null)));
    }
    let value = if content_type.is_none_or(is_json) {
        python_json::read(body).map_err(|error| {
            let mut problem = Problem::new("json_invalid", None, "JSON decode error", json!({}));
            problem.loc.push(error.position.into());
            problem.ctx = Some(json!({"error": error.reason}));
            one(problem)
        })?
    } else {
        Value::String(String::from_utf8_lossy(body).into_owned())
    };
    let Value::Object(fields) = value else {
        let msg = "Input should be a valid dictionary or object to extract fields from";
        let input = python_json::shown(value);
        return Err(one(Problem::new("model_attributes_type", None, msg, input)));
    };
    Fields { fields, problems: Vec::new() }.report()
}

/// `application/json` and its relatives such as `application/geo+json`.
fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.strip_prefix("application/")
        .is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
}

/// A body's fields, and what is wrong with those that were read.
struct Fields {
    fields: Map<String, Value>,
    problems: Vec<Problem>,
}

impl Fields {
    fn report(mut self) -> Result<Report, Vec<Problem>> {
        let service_id = self.text("service_id");
        let speed = MOST_MIB_PER_SECOND;
        let bandwidth = Pair {
            up: self.required("bandwidth_up", speed),
            down: self.required("bandwidth_down", speed),
        };
        let total = Pair {
            up: self.required("total_up", MOST_GIB),
            down: self.required("total_down", MOST_GIB),
        };
        let max_bandwidth = self.optional("max_bandwidth", speed);
        let cpu_percent = self.optional("cpu_percent", f64::MAX);
        let memory_percent = self.optional("memory_percent", f64::MAX);
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        let report =
            Report { service_id, bandwidth, total, max_bandwidth, cpu_percent, memory_percent };
        Ok(report)
    }

    fn text(&mut self, field: &'static str) -> String {
        match self.fields.get(field) {
            Some(Value::String(text)) => return text.clone(),
            Some(other) => {
                let input = python_json::shown(other.clone());
                self.wrong("string_type", field, "Input should be a valid string", input);
            }
            None => self.missing(field),
        }
        String::new()
    }

    fn required(&mut self, field: &'static str, most: f64) -> f64 {
        let Some(value) = self.fields.get(field).cloned() else {
            self.missing(field);
            return 0.0;
        };
        self.number(field, &value, most).unwrap_or_default()
    }

    /// Null and absence are the same.
    fn optional(&mut self, field: &'static str, most: f64) -> Option<f64> {
        let value = self.fields.get(field).filter(|value| !value.is_null()).cloned()?;
        self.number(field, &value, most)
    }

    fn number(&mut self, field: &'static str, value: &Value, most: f64) -> Option<f64> {
        let number = match value {
            Value::Number(number) => number.as_f64(),
            Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
            Value::String(text) => python_json::number(text),
            _ => None,
        };
        let shown = python_json::shown(value.clone());
        let Some(number) = number else {
            let (kind, msg) = if value.is_string() {
                let msg = "Input should be a valid number, unable to parse string as a number";
                ("float_parsing", msg)
            } else {
                ("float_type", "Input should be a valid number")
            };
            self.wrong(kind, field, msg, shown);
            return None;
        };
        if !number.is_finite() {
            self.wrong("finite_number", field, "Input should be a finite number", shown);
            return None;
        }
        if number.abs() > most {
            let msg = format!("Input should be less than or equal to {most}");
            self.wrong("less_than_equal", field, &msg, shown);
            return None;
        }
        Some(number)
    }

    fn missing(&mut self, field: &'static str) {
        let input = python_json::shown(Value::Object(self.fields.clone()));
        self.wrong("missing", field, "Field required", input);
    }

    fn wrong(&mut self, kind: &'static str, field: &'static str, msg: &str, input: Value) {
        self.problems.push(Problem::new(kind, Some(field), msg, input));
    }
}

#[cfg(test)]
mod tests;
