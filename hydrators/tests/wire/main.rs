//! Renders with the real programs; `make tools` fetches them.

mod closure;
mod helm;
mod hostile;
mod inflation;
mod kustomize;
mod limits;
mod meaning;
mod plain;
mod repository;
mod sandbox;
