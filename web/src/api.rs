//! The API: handlers that read parameters, ask, and answer JSON.

pub(crate) mod analytics;
pub(crate) mod credentials;
pub(crate) mod health;
pub(crate) mod metrics;
pub(crate) mod services;
pub(crate) mod traffic;
