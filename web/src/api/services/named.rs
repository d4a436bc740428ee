//! The service that a path names.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use komandorr_collector::registry::Service;

use crate::{access::Visitor, error::Failure, site::Shared};

/// A service that is there, and that the visitor may see.
#[derive(Debug)]
pub(crate) struct Named(pub(super) Arc<Service>);

impl FromRequestParts<Shared> for Named {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, site: &Shared) -> Result<Self, Failure> {
        let visitor = Visitor::from_request_parts(parts, site).await?;
        // What is no text is no id either.
        let path = Path::<String>::from_request_parts(parts, site).await;
        let Path(id) = path.ok().ok_or_else(|| Failure::unknown_service("?"))?;
        let service = site.service(&id)?;
        if visitor.sees(&service.id) {
            Ok(Self(service))
        } else {
            Err(Failure::unknown_service(&id))
        }
    }
}
