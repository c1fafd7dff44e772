//! The rules of `src/domain`, built by themselves for the tests that take long.
#![cfg(test)]

#[path = "../../src/domain/mod.rs"]
pub mod domain;
