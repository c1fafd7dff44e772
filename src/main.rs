//! The `hydromote` program: see [`hydromote::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    hydromote::cli::run()
}
