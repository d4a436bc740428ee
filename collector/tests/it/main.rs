//! The collector as a whole: a real DuckDB file, deliveries in, answers out.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests fail like tests"
)]

mod analytics;
mod backup;
mod export;
mod faults;
mod full_disk;
mod imports;
mod intake;
mod killed;
mod many;
mod mosquitto;
mod order;
mod rabbitmq;
mod recompute;
mod retention;
mod slow;
mod storing;
mod support;
