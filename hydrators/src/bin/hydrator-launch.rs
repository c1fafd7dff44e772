//! Starts a renderer under limits; for the tests of this crate.

fn main() {
    hydrators::launch::run(std::env::args_os().skip(1))
}
