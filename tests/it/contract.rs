//! GitHub's published description, to hold the local forge and our own calls against.
//!
//! The documents are cut down to what we use and rewritten to JSON Schema 2020-12. They list few error statuses: an
//! error that is not listed must be GitHub's basic error.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use hydromote::local_forge::{Exchange, Observed, Observer};
use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

const REST: &str = include_str!("../data/contract/github.31.json");
const WEBHOOKS: &str = include_str!("../data/contract/github-webhooks.31.json");

/// One document with its compiled schemas.
struct Document {
    root: Value,
    compiled: Mutex<HashMap<String, Arc<Validator>>>,
}

impl Document {
    fn parse(text: &str) -> Self {
        let root = serde_json::from_str(text).expect("because the document is checked in");
        Self { root, compiled: Mutex::default() }
    }

    /// Follows a reference, if there is one.
    fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        let reference = value.get("$ref").and_then(Value::as_str);
        reference.and_then(|reference| self.root.pointer(reference.trim_start_matches('#'))).unwrap_or(value)
    }

    /// Returns what is wrong with `instance`; `name` names the schema.
    fn mistakes(&self, name: &str, schema: &Value, instance: &Value) -> Vec<String> {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let validator = compiled.entry(name.to_owned()).or_insert_with(|| {
            // The components ride along, so that references resolve inside the schema.
            let whole = json!({"allOf": [schema], "components": self.root["components"]});
            let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
            Arc::new(options.build(&whole).expect("because the document is checked in"))
        });
        validator.iter_errors(instance).map(|error| format!("{name}{}: {error}", error.instance_path())).collect()
    }
}

/// A segment of a documented path.
enum Segment {
    Literal(String),
    One,
    /// A parameter with slashes, such as a ref.
    Several,
}

struct Operation {
    id: String,
    method: String,
    segments: Vec<Segment>,
    description: Value,
}

impl Operation {
    fn parameters<'a>(&'a self, document: &'a Document, place: &str) -> Vec<&'a Value> {
        let all = self.description["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
        all.iter().map(|one| document.resolve(one)).filter(|one| one["in"] == *place).collect()
    }

    /// Literals before parameters, so that `/issues/comments/{id}` wins over `/issues/{n}/comments`, and more before
    /// less, so that `/branches/{b}/protection` wins over `/branches/{b}`.
    fn rank(&self) -> Vec<u8> {
        let rank = |segment: &Segment| match segment {
            Segment::Literal(_) => 0,
            Segment::One => 1,
            Segment::Several => 2,
        };
        self.segments.iter().map(rank).chain([3]).collect()
    }
}

fn matches(segments: &[Segment], path: &[&str]) -> bool {
    match (segments.split_first(), path) {
        (None, path) => path.is_empty(),
        (Some((Segment::Literal(literal), rest)), [first, tail @ ..]) => first == literal && matches(rest, tail),
        (Some((Segment::One, rest)), [_, tail @ ..]) => matches(rest, tail),
        (Some((Segment::Several, rest)), path) => (1..=path.len()).any(|taken| matches(rest, &path[taken..])),
        (Some(_), []) => false,
    }
}

/// GitHub's description of its REST API and of its webhooks.
pub(crate) struct Contract {
    rest: Document,
    webhooks: Document,
    operations: Vec<Operation>,
}

impl Contract {
    pub(crate) fn load() -> Self {
        let rest = Document::parse(REST);
        let mut operations = operations(&rest);
        operations.sort_by_key(Operation::rank);
        Self { rest, webhooks: Document::parse(WEBHOOKS), operations }
    }

    fn operation(&self, method: &str, path: &str) -> Option<&Operation> {
        let path: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        self.operations.iter().find(|one| one.method == method && matches(&one.segments, &path))
    }

    /// Returns what is wrong with an exchange, and the operation.
    pub(crate) fn check_exchange(&self, exchange: &Exchange) -> (Option<&str>, Vec<String>) {
        let Some(operation) = self.operation(&exchange.method, &exchange.path) else {
            return (None, Self::check_undescribed(exchange));
        };
        let mut mistakes = Vec::new();
        // What was refused may have been asked wrongly on purpose.
        if exchange.status < 400 {
            mistakes.extend(self.check_query(operation, &exchange.query));
            mistakes.extend(self.check_request(operation, exchange.request_body.as_ref()));
        }
        mistakes.extend(self.check_answer(operation, exchange));
        (Some(&operation.id), mistakes)
    }

    /// What is not described is not there.
    fn check_undescribed(exchange: &Exchange) -> Vec<String> {
        if exchange.status == 404 {
            return Vec::new();
        }
        vec![format!("{} {} is not described", exchange.method, exchange.path)]
    }

    fn check_query(&self, operation: &Operation, query: &str) -> Vec<String> {
        let known = operation.parameters(&self.rest, "query");
        let mut mistakes = Vec::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let Some(parameter) = known.iter().find(|parameter| parameter["name"] == *name) else {
                mistakes.push(format!("{}: there is no query parameter `{name}`", operation.id));
                continue;
            };
            // A query value is text: it may stand for the number or boolean that it spells.
            let schema = format!("{} ?{name}", operation.id);
            let spelled = serde_json::from_str::<Value>(&value).ok().filter(|value| !value.is_object());
            let as_text = self.rest.mistakes(&schema, &parameter["schema"], &json!(value));
            let as_spelled = spelled.map(|value| self.rest.mistakes(&schema, &parameter["schema"], &value));
            if !as_text.is_empty() && as_spelled.is_none_or(|mistakes| !mistakes.is_empty()) {
                mistakes.extend(as_text);
            }
        }
        mistakes
    }

    fn check_request(&self, operation: &Operation, body: Option<&Value>) -> Vec<String> {
        let schema = operation.description.pointer("/requestBody/content/application~1json/schema");
        let is_required = operation.description.pointer("/requestBody/required") == Some(&Value::Bool(true));
        match (schema, body) {
            (Some(schema), Some(body)) => self.rest.mistakes(&format!("{} request", operation.id), schema, body),
            (Some(_), None) if is_required => vec![format!("{}: the body is missing", operation.id)],
            (None, Some(_)) => vec![format!("{}: there is a body where none is described", operation.id)],
            _ => Vec::new(),
        }
    }

    fn check_answer(&self, operation: &Operation, exchange: &Exchange) -> Vec<String> {
        let (id, status, body) = (&operation.id, exchange.status, exchange.response_body.as_ref());
        let Some(described) = operation.description["responses"].get(status.to_string()) else {
            return match (status, body) {
                (304, None) => Vec::new(),
                (401 | 403 | 404 | 405 | 409 | 413 | 422 | 429 | 500.., Some(body)) => self.check_basic_error(id, body),
                _ => vec![format!("{id}: status {status} is not described")],
            };
        };
        let described = self.rest.resolve(described);
        match (described.pointer("/content/application~1json/schema"), body) {
            // Errors of one status come in several forms, of which the document names one.
            (Some(_), Some(body)) if status >= 400 && body.get("errors").is_none() => self.check_basic_error(id, body),
            (Some(schema), Some(body)) => self.rest.mistakes(&format!("{id} {status}"), schema, body),
            (Some(_), None) => vec![format!("{id} {status}: the body is missing")],
            // Some errors are described by a sentence alone; they have the basic body all the same.
            (None, Some(body)) if status >= 400 => self.check_basic_error(id, body),
            (None, Some(_)) => vec![format!("{id} {status}: there is a body where none is described")],
            (None, None) => Vec::new(),
        }
    }

    fn check_basic_error(&self, id: &str, body: &Value) -> Vec<String> {
        let schema = json!({
            "type": "object",
            "required": ["message"],
            "properties": {"message": {"type": "string"}, "documentation_url": {"type": "string"}},
        });
        let mut mistakes = self.rest.mistakes("basic error", &schema, body);
        mistakes.iter_mut().for_each(|mistake| mistake.insert_str(0, &format!("{id}: ")));
        mistakes
    }

    /// Returns what is wrong with a webhook.
    pub(crate) fn check_webhook(&self, event: &str, payload: &Value) -> Vec<String> {
        let parts = [Some(event), payload["action"].as_str()];
        let name = parts.iter().flatten().map(|part| part.replace('_', "-")).collect::<Vec<_>>().join("-");
        let schema = &self.webhooks.root["webhooks"][&name]["post"]["requestBody"]["content"]["application/json"];
        match schema.get("schema") {
            Some(schema) => self.webhooks.mistakes(&name, schema, payload),
            None => vec![format!("the webhook `{name}` is not described")],
        }
    }
}

fn operations(document: &Document) -> Vec<Operation> {
    let paths = document.root["paths"].as_object().into_iter().flatten();
    let mut operations = Vec::new();
    for (path, item) in paths {
        for (method, description) in item.as_object().into_iter().flatten() {
            let Some(id) = description["operationId"].as_str() else { continue };
            let mut operation = Operation {
                id: id.to_owned(),
                method: method.to_uppercase(),
                segments: Vec::new(),
                description: description.clone(),
            };
            operation.segments = path
                .split('/')
                .filter(|segment| !segment.is_empty())
                .map(|segment| segment_of(document, &operation, segment))
                .collect();
            operations.push(operation);
        }
    }
    operations
}

fn segment_of(document: &Document, operation: &Operation, segment: &str) -> Segment {
    let Some(name) = segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')) else {
        return Segment::Literal(segment.to_owned());
    };
    let is_multi = |one: &&Value| one["name"] == *name && one["x-multi-segment"] == true;
    if operation.parameters(document, "path").iter().any(is_multi) { Segment::Several } else { Segment::One }
}

/// Checks everything that a forge shows it, and remembers what was wrong and what was seen.
#[derive(Clone)]
pub(crate) struct Checker {
    contract: Arc<Contract>,
    found: Arc<Mutex<Found>>,
}

#[derive(Default)]
struct Found {
    mistakes: Vec<String>,
    seen: Vec<String>,
}

impl Checker {
    pub(crate) fn new() -> Self {
        // Reading the documents and compiling their schemas takes longer than most stories.
        static CONTRACT: LazyLock<Arc<Contract>> = LazyLock::new(|| Arc::new(Contract::load()));
        Self { contract: CONTRACT.clone(), found: Arc::default() }
    }

    /// Returns the observer to start a forge with.
    pub(crate) fn observer(&self) -> Observer {
        let checker = self.clone();
        Arc::new(move |observed| checker.check(observed))
    }

    fn check(&self, observed: &Observed) {
        let (name, mistakes) = match observed {
            Observed::Exchange(exchange) => {
                let (operation, mistakes) = self.contract.check_exchange(exchange);
                (operation.unwrap_or_default().to_owned(), mistakes)
            }
            Observed::Webhook { event, payload } => {
                let action = payload["action"].as_str().map(|action| format!(".{action}")).unwrap_or_default();
                (format!("{event}{action}"), self.contract.check_webhook(event, payload))
            }
        };
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.seen.push(name);
        found.mistakes.extend(mistakes);
    }

    /// Returns the operations and events that were seen, each once.
    pub(crate) fn seen(&self) -> Vec<String> {
        let mut seen = self.found.lock().unwrap_or_else(PoisonError::into_inner).seen.clone();
        seen.sort();
        seen.dedup();
        seen
    }

    /// Returns how often an operation was called.
    pub(crate) fn calls(&self, id: &str) -> usize {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.seen.iter().filter(|seen| *seen == id).count()
    }

    /// Returns how often each operation was called, and each event was told.
    pub(crate) fn tally(&self) -> BTreeMap<String, usize> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tally = BTreeMap::new();
        for seen in &found.seen {
            *tally.entry(seen.clone()).or_default() += 1;
        }
        tally
    }

    /// Returns the names of all described operations.
    pub(crate) fn described(&self) -> Vec<String> {
        self.contract.operations.iter().map(|operation| operation.id.clone()).collect()
    }

    /// Fails when anything was not as GitHub describes it.
    pub(crate) fn finish(&self) -> Result<(), String> {
        let mistakes = &self.found.lock().unwrap_or_else(PoisonError::into_inner).mistakes;
        if mistakes.is_empty() { Ok(()) } else { Err(format!("not as GitHub describes it:\n{}", mistakes.join("\n"))) }
    }
}

#[test]
fn a_misspelt_query_parameter_is_a_mistake() {
    let exchange = Exchange {
        method: "GET".to_owned(),
        path: "/repos/o/r/pulls".to_owned(),
        query: "state=opened&branch=main".to_owned(),
        request_body: None,
        status: 200,
        response_body: Some(json!([])),
    };
    let contract = Contract::load();
    let (operation, mistakes) = contract.check_exchange(&exchange);
    assert_eq!(operation, Some("pulls/list"));
    assert_eq!(mistakes.len(), 2, "{mistakes:?}");
}
