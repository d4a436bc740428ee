//! The site from outside: over HTTP and in a browser.

mod api;
mod support;
