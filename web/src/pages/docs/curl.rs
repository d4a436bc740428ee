//! A command that tries an operation.

use utoipa::openapi::{
    RefOr, Required, Schema,
    path::{Operation, Parameter, ParameterIn},
};

use super::{
    example,
    operation::{ContentView, parameters},
};

/// The command, for a shell.
pub(super) fn command(
    origin: &str,
    method: &str,
    path: &str,
    operation: &'static Operation,
    body: Option<&ContentView>,
) -> String {
    let mut address = format!("{origin}{path}");
    for parameter in parameters(operation).filter(|of| of.parameter_in == ParameterIn::Path) {
        address = address.replace(&format!("{{{}}}", parameter.name), &value(parameter));
    }
    let mut query: Vec<_> =
        parameters(operation).filter(|of| of.parameter_in == ParameterIn::Query).collect();
    // All that are needed; of the others, one shows how it is done.
    if query.iter().any(|of| matches!(of.required, Required::True)) {
        query.retain(|of| matches!(of.required, Required::True));
    } else {
        query.truncate(1);
    }
    for (place, parameter) in query.into_iter().enumerate() {
        let mark = if place == 0 { '?' } else { '&' };
        address = format!("{address}{mark}{}={}", parameter.name, value(parameter));
    }
    let wait = if streams(operation) { " -N" } else { "" };
    let asks = if method == "GET" { String::new() } else { format!(" -X {method}") };
    let sends = body.map(|body| {
        // On one line, and what it holds must not end the shell's quotes.
        let text: String = body.example.lines().map(str::trim_start).collect::<Vec<_>>().join(" ");
        format!(" \\\n  -H 'content-type: {}' -d '{}'", body.media, text.replace('\'', "'\\''"))
    });
    format!("curl{wait}{asks} '{address}'{}", sends.unwrap_or_default())
}

fn value(parameter: &'static Parameter) -> String {
    // The type keeps its example to itself; what it is written as does not.
    let written = serde_json::to_value(parameter).unwrap_or_default();
    let example = written.get("example").map(example::plain);
    let made = || match parameter.schema.as_ref() {
        Some(RefOr::T(Schema::Object(object))) => {
            object.example.as_ref().or(object.default.as_ref()).map(example::plain)
        }
        _ => None,
    };
    example.or_else(made).unwrap_or_else(|| parameter.name.to_uppercase())
}

fn streams(operation: &'static Operation) -> bool {
    operation.responses.responses.values().any(|answer| match answer {
        RefOr::T(answer) => answer.content.contains_key("text/event-stream"),
        RefOr::Ref(_) => false,
    })
}
