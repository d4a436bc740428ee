//! The site from outside: over HTTP, and in a browser.
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "invented speeds and places of pixels"
)]

mod access;
mod api;
mod browser;
mod connections;
mod dashboard;
mod pages;
mod support;
