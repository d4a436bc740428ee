//! The API's description for people: every operation with its parameters,
//! answers and a command to try, made from the description itself.

mod curl;
mod example;
mod operation;
mod schema;
mod words;

use std::collections::BTreeSet;

use askama::Template;
use axum::{
    extract::State,
    http::{HeaderMap, Uri, header},
};

use super::{Page, Shell, Visit, render};
use crate::{
    api::document::{DOCUMENT, operations},
    peer::Peer,
    site::Shared,
};
use operation::OperationView;
use schema::{FieldView, SchemaView};
use words::{Words, paragraphs};

#[derive(Debug, Template)]
#[template(path = "docs.html")]
struct DocsPage {
    shell: Shell,
    words: Vec<Words>,
    version: &'static str,
    sections: Vec<Section>,
    schemas: Vec<SchemaView>,
}

/// The operations of one kind.
#[derive(Debug)]
struct Section {
    name: &'static str,
    anchor: String,
    words: Vec<Words>,
    operations: Vec<OperationView>,
}

/// `GET /docs`
pub(crate) async fn page(
    State(site): State<Shared>,
    uri: Uri,
    (peer, headers): (Peer, HeaderMap),
) -> Page {
    let shell = Shell::new(&Visit { site: &site, uri: &uri, headers: &headers }, "API", None);
    render(&DocsPage {
        shell,
        words: paragraphs(DOCUMENT.info.description.as_deref()),
        version: &DOCUMENT.info.version,
        sections: sections(&origin(peer.secure, &headers)),
        schemas: schema::all(),
    })
}

/// What the addresses of commands begin with: as the page itself was asked for.
fn origin(secure: bool, headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    // The shell's quotes end at a quote; a name that holds one is no name.
    let host = host.filter(|host| !host.contains('\'')).unwrap_or("localhost:3000");
    let scheme = if secure { "https" } else { "http" };
    format!("{scheme}://{host}")
}

fn sections(origin: &str) -> Vec<Section> {
    let tags = DOCUMENT.tags.iter().flatten();
    let sections = tags.map(|tag| Section {
        name: &tag.name,
        anchor: anchor(&tag.name),
        words: paragraphs(tag.description.as_deref()),
        operations: tagged(&tag.name, origin),
    });
    sections.filter(|section| !section.operations.is_empty()).collect()
}

fn tagged(tag: &str, origin: &str) -> Vec<OperationView> {
    let mut views = Vec::new();
    for (path, item) in &DOCUMENT.paths.paths {
        for (method, operation) in operations(item) {
            if operation.tags.iter().flatten().any(|own| own == tag) {
                views.push(OperationView::new(origin, method, path, operation));
            }
        }
    }
    views
}

/// A name as the end of an address.
fn anchor(name: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
    name.chars().map(|letter| plain(letter.to_ascii_lowercase())).collect()
}

/// The names of schemas that requests and answers use, in their order.
fn schema_names() -> BTreeSet<&'static str> {
    let components = DOCUMENT.components.iter();
    components.flat_map(|components| components.schemas.keys().map(String::as_str)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_for_the_address_that_the_page_was_asked_at() {
        let mut headers = HeaderMap::new();
        assert_eq!(origin(false, &headers), "http://localhost:3000");
        headers.insert(header::HOST, "traffic.example".parse().unwrap());
        assert_eq!(origin(true, &headers), "https://traffic.example");
        headers.insert(header::HOST, "a'b".parse().unwrap());
        assert_eq!(origin(true, &headers), "https://localhost:3000");
    }

    #[test]
    fn every_operation_stands_on_the_page_once() {
        let described: usize =
            DOCUMENT.paths.paths.values().map(|item| operations(item).count()).sum();
        let sections = sections("http://localhost:3000");
        let shown: Vec<_> = sections.iter().flat_map(|section| &section.operations).collect();
        assert_eq!(shown.len(), described);
        let anchors: BTreeSet<_> = shown.iter().map(|operation| &operation.anchor).collect();
        assert_eq!(anchors.len(), described, "two operations share an anchor");
    }

    #[test]
    fn every_link_of_a_schema_leads_somewhere() {
        let names = schema_names();
        let known =
            |link: &Option<String>| link.as_ref().is_none_or(|name| names.contains(name.as_str()));
        for schema in schema::all() {
            assert!(schema.fields.iter().all(|field| known(&field.link)), "{}", schema.name);
        }
        for section in sections("http://localhost:3000") {
            for operation in &section.operations {
                let answers = operation.answers.iter().chain(&operation.body);
                assert!(
                    answers.into_iter().all(|answer| known(&answer.link)),
                    "{}",
                    operation.path
                );
            }
        }
    }
}
