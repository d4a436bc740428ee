//! One operation as the page shows it.

use utoipa::openapi::{
    Content, RefOr, Required,
    path::{Operation, Parameter, ParameterIn},
};

use super::{
    FieldView, anchor, curl, example, schema,
    words::{Words, paragraphs},
};

/// An operation.
#[derive(Debug)]
pub(super) struct OperationView {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) anchor: String,
    pub(super) summary: &'static str,
    pub(super) words: Vec<Words>,
    pub(super) parameters: Vec<(&'static str, FieldView)>,
    pub(super) body: Option<ContentView>,
    pub(super) answers: Vec<ContentView>,
    pub(super) curl: String,
}

/// What is sent, or answered.
#[derive(Debug)]
pub(super) struct ContentView {
    /// The answer's status; of what is sent, nothing.
    pub(super) status: &'static str,
    pub(super) words: Vec<Words>,
    /// Such as `application/json`.
    pub(super) media: &'static str,
    pub(super) kind: String,
    pub(super) link: Option<String>,
    pub(super) example: String,
}

impl OperationView {
    pub(super) fn new(
        origin: &str,
        method: &'static str,
        path: &'static str,
        operation: &'static Operation,
    ) -> Self {
        let summary = operation.summary.as_deref().unwrap_or_default().trim_end_matches('.');
        let body = body(operation);
        Self {
            method,
            path,
            anchor: anchor(operation.operation_id.as_deref().unwrap_or(path)),
            summary,
            words: paragraphs(operation.description.as_deref()),
            parameters: parameters(operation).map(parameter).collect(),
            curl: curl::command(origin, method, path, operation, body.as_ref()),
            body,
            answers: answers(operation),
        }
    }
}

/// Those that stand in the operation itself, as all of ours do.
pub(super) fn parameters(
    operation: &'static Operation,
) -> impl Iterator<Item = &'static Parameter> {
    operation.parameters.iter().flatten().filter_map(|parameter| match parameter {
        RefOr::T(parameter) => Some(parameter),
        RefOr::Ref(_) => None,
    })
}

fn parameter(parameter: &'static Parameter) -> (&'static str, FieldView) {
    let place = match parameter.parameter_in {
        ParameterIn::Path => "path",
        ParameterIn::Query => "query",
        ParameterIn::Header => "header",
        _ => "cookie",
    };
    let of = parameter.schema.as_ref();
    let field = FieldView {
        name: &parameter.name,
        // One that may be left out is never `null`: it is left out.
        kind: of.map(schema::kind).unwrap_or_default().replace(" or null", ""),
        link: of.and_then(schema::link),
        required: matches!(parameter.required, Required::True),
        words: paragraphs(parameter.description.as_deref()),
        bounds: of.map(schema::bounds).unwrap_or_default(),
    };
    (place, field)
}

fn body(operation: &'static Operation) -> Option<ContentView> {
    let RefOr::T(body) = operation.request_body.as_ref()? else { return None };
    let (media, content) = body.content.iter().next()?;
    Some(view("", body.description.as_deref(), media, content))
}

fn answers(operation: &'static Operation) -> Vec<ContentView> {
    let mut views = Vec::new();
    for (status, answer) in &operation.responses.responses {
        let RefOr::T(answer) = answer else { continue };
        let words = Some(answer.description.as_str());
        if answer.content.is_empty() {
            let words = paragraphs(words);
            let (kind, example) = (String::new(), String::new());
            views.push(ContentView { status, words, media: "", kind, link: None, example });
        }
        let contents = answer.content.iter();
        views.extend(contents.map(|(media, content)| view(status, words, media, content)));
    }
    views
}

fn view(
    status: &'static str,
    words: Option<&'static str>,
    media: &'static str,
    content: &'static RefOr<Content>,
) -> ContentView {
    let content = match content {
        RefOr::T(content) => Some(content),
        RefOr::Ref(_) => None,
    };
    let of = content.and_then(|content| content.schema.as_ref());
    let given = content.and_then(|content| content.example.as_ref());
    let given = given.map(|value| match value.as_str() {
        Some(text) => text.to_owned(),
        None => serde_json::to_string_pretty(value).unwrap_or_default(),
    });
    let made = || of.filter(|_| media.ends_with("json")).map(example::of).unwrap_or_default();
    ContentView {
        status,
        words: paragraphs(words),
        media,
        kind: of.map(schema::kind).unwrap_or_default(),
        link: of.and_then(schema::link),
        example: given.unwrap_or_else(made),
    }
}
