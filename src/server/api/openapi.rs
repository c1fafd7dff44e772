//! The description of the API for programs, made from the documents' own types.

use axum::Json;
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Value, json};

use super::{
    documents::{StrategiesView, StrategyView},
    history::{
        CommandRequest, CommitFateView, DriftRequest, ExplainView, HistoryView, HoldRequest, OverriddenView,
        OverrideRequest, PlanView, PromoteRequest, PromotedView, RejectRequest, RejectedView, ReportRequest,
        ReportedView, RetriedView, RollbackRequest, StoppedView, UnholdRequest, UnrejectRequest,
    },
};
use crate::server::problem::ProblemDocument;

/// Where a strategy is found.
const STRATEGY: &str = "/api/v1/strategies/{owner}/{repo}/{name}";

pub(super) async fn document() -> Json<Value> {
    Json(describe())
}

/// Returns the whole description.
pub(in crate::server) fn describe() -> Value {
    let mut schemas = SchemaSettings::openapi3().into_generator();
    let problem = json!(schemas.subschema_for::<ProblemDocument>());
    let mut paths = serde_json::Map::new();
    let mut add = |path: String, method: &str, what: &str, body: Option<Value>, answer: Value, more: Vec<Value>| {
        let mut operation = json!({
            "summary": what,
            "parameters": parameters(&path).into_iter().chain(more).collect::<Vec<_>>(),
            "responses": {
                "200": {"description": "Done", "content": {"application/json": {"schema": answer}}},
                "default": {"description": "Not done", "content": {"application/json": {"schema": problem}}},
            },
        });
        if let Some(body) = body {
            operation["requestBody"] = json!({"content": {"application/json": {"schema": body}}});
            operation["security"] = json!([{"token": []}]);
        }
        paths.insert(path, json!({ method: operation }));
    };
    let reads = [
        ("/api/v1/strategies".to_owned(), "Every strategy", of::<StrategiesView>(&mut schemas), vec![]),
        (STRATEGY.to_owned(), "One strategy as it stands", of::<StrategyView>(&mut schemas), vec![]),
        (format!("{STRATEGY}/plan"), "What is about to be done", of::<PlanView>(&mut schemas), vec![]),
        (format!("{STRATEGY}/explain"), "Why not yet", of::<ExplainView>(&mut schemas), vec![]),
        (format!("{STRATEGY}/explain/{{environment}}"), "Why not yet, there", of::<ExplainView>(&mut schemas), vec![]),
        (format!("{STRATEGY}/commits/{{sha}}"), "What became of a commit", of::<CommitFateView>(&mut schemas), vec![]),
        (
            format!("{STRATEGY}/history"),
            "What ran when",
            of::<HistoryView>(&mut schemas),
            vec![query("environment", "string"), query("limit", "integer")],
        ),
    ];
    for (path, what, answer, more) in reads {
        add(path, "get", what, None, answer, more);
    }
    let command = of::<CommandRequest>(&mut schemas);
    let acts = [
        (
            "promote/{environment}",
            "Promotes what is proposed",
            of::<PromoteRequest>(&mut schemas),
            of::<PromotedView>(&mut schemas),
        ),
        (
            "hold/{environment}",
            "Stops everything there",
            of::<HoldRequest>(&mut schemas),
            of::<StoppedView>(&mut schemas),
        ),
        (
            "unhold/{environment}",
            "Takes a hold back",
            of::<UnholdRequest>(&mut schemas),
            of::<StoppedView>(&mut schemas),
        ),
        (
            "rollback/{environment}",
            "Brings back what ran",
            of::<RollbackRequest>(&mut schemas),
            of::<StoppedView>(&mut schemas),
        ),
        (
            "restore/{environment}",
            "Brings back what was promoted last, over what others put there",
            of::<DriftRequest>(&mut schemas),
            of::<StoppedView>(&mut schemas),
        ),
        (
            "adopt/{environment}",
            "Takes what others put there as what runs",
            of::<DriftRequest>(&mut schemas),
            of::<StoppedView>(&mut schemas),
        ),
        (
            "reject",
            "Rejects a dry commit everywhere",
            of::<RejectRequest>(&mut schemas),
            of::<RejectedView>(&mut schemas),
        ),
        ("unreject", "Takes a rejection back", of::<UnrejectRequest>(&mut schemas), of::<RejectedView>(&mut schemas)),
        (
            "override",
            "Lets the changed strategy in that drops what is under way",
            of::<OverrideRequest>(&mut schemas),
            of::<OverriddenView>(&mut schemas),
        ),
        ("report", "Reports on a commit", of::<ReportRequest>(&mut schemas), of::<ReportedView>(&mut schemas)),
        ("retry", "Has what failed tried again", command, of::<RetriedView>(&mut schemas)),
    ];
    for (path, what, body, answer) in acts {
        add(format!("{STRATEGY}/{path}"), "post", what, Some(body), answer, vec![]);
    }
    json!({
        "openapi": "3.0.3",
        "info": {"title": "Hydromote", "version": env!("CARGO_PKG_VERSION")},
        "paths": paths,
        "components": {
            "schemas": schemas.take_definitions(true),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    })
}

fn of<T: schemars::JsonSchema>(schemas: &mut SchemaGenerator) -> Value {
    json!(schemas.subschema_for::<T>())
}

/// Returns the parameters that stand in a path.
fn parameters(path: &str) -> Vec<Value> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect()
}

fn query(name: &str, kind: &str) -> Value {
    json!({"name": name, "in": "query", "schema": {"type": kind}})
}
