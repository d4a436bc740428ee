//! The rows of the table of routes: a path, a method, what it needs, and the
//! handler behind that door.

use axum::{
    Router,
    extract::Request,
    handler::Handler,
    http::{Method, uri::PathAndQuery},
    middleware::{Next, from_fn},
    response::{IntoResponse, Redirect, Response},
    routing::{MethodFilter, MethodRouter, on},
};

use super::{Needs, Visitor};
use crate::{
    api::query,
    error::{self, Failure},
    pages::Link,
    site::Shared,
};

/// Why a credential that was sent is not accepted; lies in the extensions.
#[derive(Debug, Clone)]
pub(super) struct Refused(pub(super) Failure);

/// One method of one path.
pub(crate) struct Row {
    pub(crate) path: &'static str,
    pub(crate) method: Method,
    pub(crate) needs: Needs,
    handler: MethodRouter<Shared>,
}

impl Row {
    /// Reads; `HEAD` is answered along.
    pub(crate) fn get<H, T>(path: &'static str, needs: Needs, handler: H) -> Self
    where
        H: Handler<T, Shared>,
        T: 'static,
    {
        Self::new(Method::GET, MethodFilter::GET, path, needs, handler)
    }

    pub(crate) fn post<H, T>(path: &'static str, needs: Needs, handler: H) -> Self
    where
        H: Handler<T, Shared>,
        T: 'static,
    {
        Self::new(Method::POST, MethodFilter::POST, path, needs, handler)
    }

    pub(crate) fn put<H, T>(path: &'static str, needs: Needs, handler: H) -> Self
    where
        H: Handler<T, Shared>,
        T: 'static,
    {
        Self::new(Method::PUT, MethodFilter::PUT, path, needs, handler)
    }

    pub(crate) fn patch<H, T>(path: &'static str, needs: Needs, handler: H) -> Self
    where
        H: Handler<T, Shared>,
        T: 'static,
    {
        Self::new(Method::PATCH, MethodFilter::PATCH, path, needs, handler)
    }

    pub(crate) fn delete<H, T>(path: &'static str, needs: Needs, handler: H) -> Self
    where
        H: Handler<T, Shared>,
        T: 'static,
    {
        Self::new(Method::DELETE, MethodFilter::DELETE, path, needs, handler)
    }

    fn new<H, T>(
        method: Method,
        filter: MethodFilter,
        path: &'static str,
        needs: Needs,
        handler: H,
    ) -> Self
    where
        H: Handler<T, Shared>,
        T: 'static,
    {
        let guard = move |request: Request, next: Next| guard(needs, request, next);
        // Whoever may not ask learns nothing of what can be asked.
        let handler = on(filter, handler).route_layer(from_fn(query::only_what_is_known));
        Self { path, method, needs, handler: handler.route_layer(from_fn(guard)) }
    }

    /// Puts the handler behind its door into a router.
    pub(crate) fn join(self, router: Router<Shared>) -> Router<Shared> {
        router.route(self.path, self.handler)
    }
}

/// Lets in whoever may.
async fn guard(needs: Needs, request: Request, next: Next) -> Response {
    if needs == Needs::Nothing {
        return next.run(request).await;
    }
    let failure = match request.extensions().get::<Visitor>() {
        Some(visitor) if visitor.may(needs) => return next.run(request).await,
        Some(_) => Failure::forbidden(),
        None => match request.extensions().get::<Refused>() {
            Some(Refused(failure)) => failure.clone(),
            None if error::for_machines(request.uri().path()) => Failure::login_required(),
            None => return to_login(&request),
        },
    };
    failure.into_response()
}

/// Pages ask people to log in, and then lead to where they were going.
fn to_login(request: &Request) -> Response {
    let here = request.uri().path_and_query().map(PathAndQuery::as_str);
    let next = here.filter(|here| request.method() == Method::GET && *here != "/");
    Redirect::to(&Link::to("/login").with("next", next.unwrap_or_default()).to_string())
        .into_response()
}
