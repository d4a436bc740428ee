//! The site from outside: over HTTP, and in a browser.

mod api;
mod browser;
mod connections;
mod dashboard;
mod pages;
mod support;
