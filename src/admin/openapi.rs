//! The OpenAPI document: its paths are made from the table of routes, so that they cannot differ;
//! shapes and parameters stand in `openapi.json` beside this file.

use serde_json::{Map, Value, json};

use super::problem;
use super::route::{Access, Route, Takes};
use crate::rejection::RejectionKind;

/// Components by hand: schemas, parameters and the way keys are presented.
const COMPONENTS: &str = include_str!("openapi.json");

/// The whole document.
pub fn document(routes: &[Route]) -> Value {
    #[expect(clippy::expect_used, reason = "a compiled-in file that the tests read")]
    let mut components: Value = serde_json::from_str(COMPONENTS).expect("openapi.json is JSON");
    let codes: Vec<&str> = problem::KINDS.iter().map(|kind| kind.code).collect();
    components["schemas"]["Problem"]["properties"]["code"]["enum"] = json!(codes);
    let rejections: Vec<&str> = RejectionKind::ALL.iter().map(|kind| kind.name()).collect();
    let counts = &mut components["schemas"]["CampaignCounts"]["properties"]["rejected"];
    counts["propertyNames"] = json!({"enum": rejections});
    let mut paths = Map::new();
    for route in routes {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tollgate Admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "Amounts are decimal strings of at most 6 decimals. Lists page by \
                `limit` and `cursor`. An account key on another account's path is answered as if \
                that account did not exist. Errors are RFC 9457 problem documents; programs switch \
                on `code`.",
        },
        "security": [{"key": []}],
        "paths": paths,
        "components": components,
    })
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "summary": route.about,
        "description": who(route.access),
        "parameters": parameters(route),
        "responses": responses(route),
    });
    if route.access == Access::Public {
        operation["security"] = json!([]);
    }
    match route.takes {
        Takes::Nothing => {}
        Takes::Json(schema) => {
            let content = json!({"application/json": {"schema": named(schema)}});
            operation["requestBody"] = json!({"required": true, "content": content})
        }
        Takes::MaybeJson(schema) => {
            let content = json!({"application/json": {"schema": named(schema)}});
            operation["requestBody"] = json!({"required": false, "content": content});
        }
        Takes::Csv => {
            operation["requestBody"] =
                json!({"required": true, "content": {"text/csv": {"schema": {"type": "string"}}}})
        }
    }
    operation
}

const fn who(access: Access) -> &'static str {
    match access {
        Access::Public => "Needs no key.",
        Access::Read => "Needs an operator key, or an account key with the scope `read`.",
        Access::ReadOrManage => {
            "Needs an operator key, or an account key with the scope `read` or `manage`."
        }
        Access::Manage => "Needs an operator key, or an account key with the scope `manage`.",
        Access::Operator => "Needs an operator key.",
    }
}

fn named(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

/// The parts of the path in braces, then the query's parameters.
fn parameters(route: &Route) -> Vec<Value> {
    let in_path = route.path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    in_path
        .chain(route.query.iter().copied())
        .map(|name| json!({"$ref": format!("#/components/parameters/{name}")}))
        .collect()
}

fn responses(route: &Route) -> Value {
    let mut responses = Map::new();
    for (status, schema) in route.gives {
        let mut response = json!({"description": if *status == 201 { "Made" } else { "Done" }});
        if !schema.is_empty() {
            response["content"] = json!({"application/json": {"schema": named(schema)}});
        }
        if route.query.contains(&"format") {
            response["content"]["text/csv"] = json!({"schema": {"type": "string"}});
        }
        responses.insert(status.to_string(), response);
    }
    let content = json!({"application/problem+json": {"schema": named("Problem")}});
    let problem = json!({"description": "Not done", "content": content});
    responses.insert("default".into(), problem);
    responses.into()
}
