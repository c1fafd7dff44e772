//! A forge on one machine: GitHub's REST API over bare repositories, for the demo and the tests.
