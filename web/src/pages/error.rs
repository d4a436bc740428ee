//! The page for what is not here and for what broke, in the site's frame.

use askama::Template;
use axum::{
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};

use super::{Shell, Visit};
use crate::{
    access::{Needs, Visitor},
    error::Failure,
    text::sentence,
};

#[derive(Debug, Template)]
#[template(path = "error.html")]
struct ErrorPage {
    shell: Shell,
    status: u16,
    heading: &'static str,
    sentence: String,
    way_on: Option<(String, &'static str)>,
}

/// Dresses a failure for people.
pub(crate) fn page(visit: &Visit<'_>, visitor: Option<&Visitor>, failure: &Failure) -> Response {
    let (heading, sentence) = words(failure);
    let mut shell = Shell::new(visit, heading, None);
    // Whoever may read nothing would ask in vain, again and again.
    if !visitor.is_some_and(|visitor| visitor.may(Needs::Read)) {
        shell.stream = String::new();
    }
    let way_on = if failure.status == StatusCode::SERVICE_UNAVAILABLE && shell.back != "/" {
        Some((shell.back.clone(), "Try again"))
    } else {
        Some(("/".to_owned(), "Go to the dashboard"))
    };
    let status = failure.status.as_u16();
    let page = ErrorPage { shell, status, heading, sentence, way_on };
    // Were this template broken too, the sentence alone must do.
    page.render()
        .map_or_else(|_| failure.message.clone().into_response(), |page| Html(page).into_response())
}

fn words(failure: &Failure) -> (&'static str, String) {
    let heading = match failure.status {
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::FORBIDDEN => "Not allowed",
        StatusCode::SERVICE_UNAVAILABLE if failure.code == "store_unavailable" => {
            "The database does not answer"
        }
        StatusCode::SERVICE_UNAVAILABLE => "Not just now",
        status if status.is_client_error() => "That does not work",
        _ => "Something broke",
    };
    let text = match failure.code {
        "store_unavailable" => {
            "What is live still works, and agents keep their samples until the database is back.".to_owned()
        }
        "internal" => {
            "Something went wrong here. The server's log says what; nothing that agents sent is lost.".to_owned()
        }
        _ => sentence(&failure.message),
    };
    (heading, text)
}
