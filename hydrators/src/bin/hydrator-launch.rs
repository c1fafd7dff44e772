//! Starts a renderer under limits.
fn main() {}
