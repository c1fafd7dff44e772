//! Webhook payloads of the forges, reduced to hints.
