//! How fast the store is, measured by hand:
//!
//! ```text
//! cargo run -p komandorr-collector --example store_speed -- write FOLDER
//! cargo run -p komandorr-collector --example store_speed -- fill FOLDER MONTHS [MONTHS_OF_HOURS]
//! cargo run -p komandorr-collector --example store_speed -- read FOLDER [PAGE]
//! cargo run -p komandorr-collector --example store_speed -- week FOLDER
//! cargo run -p komandorr-collector --example store_speed -- kept FOLDER
//! ```
//!
//! `CARGO_PROFILE_DEV_OPT_LEVEL=3` optimises our own code as a release does,
//! without compiling DuckDB again.
#![allow(clippy::print_stdout, reason = "it prints what it measures")]

mod fill;
mod kept;
mod pages;
mod running;
mod week;
mod write;

use std::path::PathBuf;

use anyhow::Context;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage =
        "usage: store_speed write|fill|read|week|kept FOLDER [MONTHS [MONTHS_OF_HOURS]|PAGE]";
    let what = arguments.next().context(usage)?;
    let folder: PathBuf = arguments.next().context(usage)?.into();
    let database = folder.join("store_speed.duckdb");
    match what.as_str() {
        "write" => write::measure(&database).await,
        "fill" => {
            let months: i64 = arguments.next().context(usage)?.parse()?;
            let of_hours = arguments.next().map_or(Ok(months), |months| months.parse())?;
            fill::fill(&database, months, of_hours)
        }
        "read" => pages::measure(&database, arguments.next().as_deref()).await,
        "week" => week::measure(&database).await,
        "kept" => kept::measure(&folder).await,
        _ => anyhow::bail!(usage),
    }
}
