//! Renders with the real programs; `make tools` fetches them.

mod helm;
mod kustomize;
mod limits;
mod plain;
mod repository;
