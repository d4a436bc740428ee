//! Who may see and change what. Today the whole site trusts the machine that
//! it listens on; the login goes here: every route passes [`admit`], which
//! then reads the session and refuses or lets pass.

use axum::{extract::Request, middleware::Next, response::Response};

/// Lets a request in.
pub(crate) async fn admit(request: Request, next: Next) -> Response {
    next.run(request).await
}
