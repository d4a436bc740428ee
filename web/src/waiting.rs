//! A visitor does not wait for ever: where an answer does not begin in time,
//! mostly because the database hangs, the site says so.

use std::time::Duration;

use axum::{
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::error::Failure;

/// The slowest question that is allowed, years of a thousand services, takes a
/// few seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// The same for what copies or takes in the whole database.
const LONG_PATIENCE: Duration = Duration::from_hours(1);

/// Where that is.
const LONG: [&str; 2] = ["/api/backup", "/api/import/samples"];

/// Longest time until an answer from a path begins. A client that waits a
/// little longer is told why there is none.
pub fn patience(path: &str) -> Duration {
    if LONG.contains(&path) { LONG_PATIENCE } else { PATIENCE }
}

/// Gives up on a handler that does not answer.
pub(crate) async fn answer_in_time(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let patience = patience(&path);
    let Ok(answer) = tokio::time::timeout(patience, next.run(request)).await else {
        // A body that a client sends slowly comes to this as well.
        tracing::warn!(path, "no answer within {patience:?}: it is given up");
        return Failure::store().into_response();
    };
    answer
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, http::StatusCode, middleware::from_fn, routing::get};
    use tower::ServiceExt;

    use super::*;
    use crate::routes::routes;

    #[test]
    fn what_is_waited_for_longer_is_there() {
        for path in LONG {
            assert!(routes().iter().any(|route| route.path == path), "{path}");
        }
    }

    /// As long as the copy of a large database takes.
    async fn copies() -> &'static str {
        tokio::time::sleep(Duration::from_mins(10)).await;
        "there"
    }

    async fn asked(path: &str) -> StatusCode {
        let router = Router::new()
            .route("/hangs", get(std::future::pending::<()>))
            .route("/answers", get(|| async { "here" }))
            .route("/api/backup", get(copies))
            .layer(from_fn(answer_in_time));
        let request = Request::get(path).body(Body::empty()).unwrap();
        router.oneshot(request).await.unwrap().status()
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_come_is_given_up() {
        assert_eq!(asked("/hangs").await, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(asked("/answers").await, StatusCode::OK);
        assert_eq!(asked("/api/backup").await, StatusCode::OK);
    }
}
