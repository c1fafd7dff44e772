//! `hydromote schema`: the JSON Schema of strategy files.

use crate::{
    cli::{Outcome, output},
    domain::strategy::schema,
};

/// Runs the command.
pub fn run() -> Outcome {
    output::json(&schema());
    Outcome::Done
}
