//! The edge publisher's program.

use std::process::ExitCode;

fn main() -> ExitCode {
    komandorr_agent::program::main()
}
