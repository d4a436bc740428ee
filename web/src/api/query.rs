//! Which parameters an operation takes: those that its description names,
//! each once. A misspelt one would otherwise be passed over in silence, and
//! the answer be about everything instead of the one service asked for.

use axum::{
    extract::{MatchedPath, Request},
    http::Method,
    middleware::Next,
    response::{IntoResponse, Response},
};
use utoipa::openapi::{
    RefOr,
    path::{Parameter, ParameterIn},
};

use super::document::{DOCUMENT, is_original, operations};
use crate::{error::Failure, params::Params};

/// Refuses what an operation of the API does not take. Pages are not its
/// business: browsers and forms send what they like.
pub(crate) async fn only_what_is_known(request: Request, next: Next) -> Response {
    let wrong = request.uri().query().is_some().then(|| wrong(&request)).flatten();
    match wrong {
        Some(failure) => failure.into_response(),
        None => next.run(request).await,
    }
}

fn wrong(request: &Request) -> Option<Failure> {
    let path = request.extensions().get::<MatchedPath>()?.as_str();
    let known = known(request.method(), path)?;
    match Params::of(request.uri()) {
        Ok(params) => params.check(&known).err(),
        Err(failure) => Some(failure),
    }
}

/// The parameters that an operation names; `None`: it is not described, or
/// keeps to the original's manners.
fn known(method: &Method, path: &str) -> Option<Vec<&'static str>> {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    // The path without the slash answers alike.
    let paths = &DOCUMENT.paths.paths;
    let item = paths.get(path).or_else(|| paths.get(&format!("{path}/")))?;
    let (_, operation) = operations(item).find(|(of, _)| *of == method.as_str())?;
    let name = |parameter: &'static RefOr<Parameter>| match parameter {
        RefOr::T(one) if one.parameter_in == ParameterIn::Query => Some(one.name.as_str()),
        _ => None,
    };
    let names = operation.parameters.iter().flatten().filter_map(name);
    (!is_original(operation)).then(|| names.collect())
}
