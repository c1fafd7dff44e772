//! Renders Helm charts, kustomizations and plain YAML with real programs.
