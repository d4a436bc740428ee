//! The site from outside: over HTTP, and in a browser.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "invented speeds, places of pixels, answers that must have a shape"
)]

mod access;
mod accessibility;
mod ages;
mod analytics;
mod answers;
mod api;
mod bad_input;
mod browser;
mod compat;
mod connections;
mod dashboard;
mod errors;
mod export;
mod forms;
mod guide;
mod keyboard;
mod live;
mod login;
mod media;
mod pages;
mod ranges;
mod raw;
mod scenes;
mod script;
mod support;
mod tabs;
mod widths;
mod young;
