//! The API: what each request does, and what it is answered with.

use serde_json::{Map, Value, json};

use super::error::{Outcome, Refusal};
use super::faults::{NotionFault, refusal};
use super::query::{Cursor, page_size, query};
use super::world::{Author, World, is_same};
use super::{oauth, webhooks};
use crate::web::{Reply, Request};

/// Largest body of a request.
const MAX_BODY: usize = 500_000;
/// The version from which on there is `in_trash` and no `archived` any more.
const WITHOUT_ARCHIVED: &str = "2026-03-11";
const VERSIONS: [&str; 2] = ["2025-09-03", WITHOUT_ARCHIVED];

/// `None`: the connection is closed without a word.
pub(super) fn answer(world: &mut World, path: &str, request: &Request, fault: Option<NotionFault>) -> Option<Reply> {
    if fault == Some(NotionFault::LoseRequest) {
        return None;
    }
    if let Some(NotionFault::MovedBefore(to)) = &fault
        && let Some(Ok(page)) = path.strip_prefix("/v1/pages/").map(|id| world.page(id))
    {
        let place = Map::from_iter([("Where".to_owned(), super::text_of(to))]);
        world.update_page(page, &place, None, Author::Person).expect("a page with a place");
    }
    let mut reply = match &fault {
        Some(NotionFault::Refuse(status, retry_after)) => refused(world, &refusal(*status, *retry_after)),
        Some(NotionFault::Gateway) => {
            let headers = vec!["Content-Type: text/html".to_owned()];
            Reply { status: 502, headers, body: b"<html><body>502 Bad Gateway</body></html>".to_vec() }
        }
        _ if path.starts_with("/v1/oauth/") => oauth::answer(world, path, request),
        _ => match done(world, path, request) {
            Ok(value) => Reply::json(200, &fault.as_ref().map_or(value.clone(), |fault| spoil(value, fault))),
            Err(why) => refused(world, &why),
        },
    };
    if fault == Some(NotionFault::LoseReply) {
        return None;
    }
    reply.headers.push(format!("Date: {}", world.clock.now().format("%a, %d %b %Y %H:%M:%S GMT")));
    Some(reply)
}

fn refused(world: &mut World, why: &Refusal) -> Reply {
    let mut reply = Reply::json(why.status, &why.body(&world.new_id()));
    reply.headers.extend(why.retry_after.map(|seconds| format!("Retry-After: {seconds}")));
    reply
}

/// Of lists alone.
fn spoil(mut value: Value, fault: &NotionFault) -> Value {
    let Some(rows) = value["results"].as_array().cloned() else { return value };
    match fault {
        NotionFault::Duplicate => {
            value["results"] = rows.iter().flat_map(|row| [row.clone(), row.clone()]).collect();
        }
        NotionFault::Reverse => value["results"] = rows.into_iter().rev().collect(),
        NotionFault::EmptyPage => {
            value["results"] = json!([]);
            value["has_more"] = json!(true);
            value["next_cursor"] = json!(Cursor::default().render());
        }
        _ => {}
    }
    value
}

fn done(world: &mut World, path: &str, request: &Request) -> Outcome {
    let version = request.headers.get("notion-version");
    let version = version.ok_or_else(|| {
        Refusal::new(400, "missing_version", "Notion-Version header failed validation: it should be defined.")
    })?;
    if !VERSIONS.contains(&version.as_str()) {
        return Err(Refusal::invalid(format!("Notion-Version header failed validation: {version} is not supported.")));
    }
    let with_archived = version != WITHOUT_ARCHIVED;
    let token = request.headers.get("authorization").and_then(|value| value.strip_prefix("Bearer "));
    if !token.is_some_and(|token| world.logins.is_known(token)) {
        return Err(refusal(401, None));
    }
    world.faults.count(world.clock.now())?;
    if request.body.len() > MAX_BODY {
        return Err(Refusal::new(413, "validation_error", "The request body is too large."));
    }
    let body: Value = match request.body.as_str() {
        "" => json!({}),
        text => {
            serde_json::from_str(text).map_err(|_| Refusal::new(400, "invalid_json", "Error parsing JSON body."))?
        }
    };
    if !with_archived && body.get("archived").is_some() {
        return Err(Refusal::invalid("body failed validation: body.archived should be not present."));
    }
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["v1", "users", "me"]) => Ok(me(world, token.unwrap_or_default())),
        ("POST", ["v1", "search"]) => search(world, &body, with_archived),
        ("GET", ["v1", "databases", id]) => database(world, id, with_archived),
        ("GET", ["v1", "data_sources", id]) => Ok(world.tables[world.table(id)?].render(with_archived)),
        ("PATCH", ["v1", "data_sources", id]) => update_source(world, id, &body, with_archived),
        ("POST", ["v1", "data_sources", id, "query"]) => rows(world, id, &body, with_archived),
        ("POST", ["v1", "pages"]) => create(world, &body, with_archived),
        ("GET", ["v1", "pages", id]) => world.render_page(world.page(id)?, with_archived),
        ("PATCH", ["v1", "pages", id]) => update(world, id, &body, with_archived),
        _ => Err(Refusal::new(400, "invalid_request_url", "Invalid request URL.")),
    }
}

fn me(world: &World, token: &str) -> Value {
    let owner = world.logins.access.get(token).and_then(|email| world.users.iter().find(|user| user.email == *email));
    let owner = match owner {
        Some(user) => json!({ "type": "user", "user": user.render() }),
        None => json!({ "type": "workspace", "workspace": true }),
    };
    json!({
        "object": "user",
        "id": world.bot,
        "name": "calendar_sync",
        "avatar_url": null,
        "type": "bot",
        "bot": { "owner": owner, "workspace_name": "Acme", "workspace_limits": {} },
    })
}

fn list(results: Vec<Value>, next_cursor: Option<String>, is_incomplete: bool) -> Value {
    let mut list = json!({
        "object": "list",
        "results": results,
        "has_more": next_cursor.is_some(),
        "next_cursor": next_cursor,
        "type": "page_or_data_source",
        "page_or_data_source": {},
    });
    if is_incomplete {
        list["request_status"] = json!({ "type": "incomplete", "incomplete_reason": "query_result_limit_reached" });
    }
    list
}

/// Data sources by a part of their title; pages are not searched.
fn search(world: &World, body: &Value, with_archived: bool) -> Outcome {
    let text = body["query"].as_str().unwrap_or_default().to_lowercase();
    let before = usize::try_from(Cursor::of(body)?.before).unwrap_or(usize::MAX);
    let size = usize::try_from(page_size(body)?).unwrap_or(usize::MAX);
    let wants = body["filter"]["value"].as_str().is_none_or(|value| value == "data_source");
    let found = world.tables.iter().filter(|table| wants && table.shared && table.title.to_lowercase().contains(&text));
    let mut found: Vec<Value> = found.skip(before).take(size + 1).map(|table| table.render(with_archived)).collect();
    let has_more = found.len() > size;
    found.truncate(size);
    let next = has_more.then(|| Cursor::after((before + size) as u64).render());
    Ok(list(found, next, false))
}

fn database(world: &World, id: &str, with_archived: bool) -> Outcome {
    let sources: Vec<_> = world.tables.iter().filter(|table| table.shared && is_same(&table.database, id)).collect();
    let first = sources.first().ok_or_else(|| Refusal::not_found("database", id))?;
    let mut database = first.render(with_archived);
    database["object"] = json!("database");
    database["id"] = json!(first.database);
    database["parent"] = json!({ "type": "workspace", "workspace": true });
    let references = sources.iter().map(|table| json!({ "id": table.id, "name": table.title }));
    database["data_sources"] = references.collect();
    for absent in ["properties", "database_parent"] {
        database.as_object_mut().map(|members| members.remove(absent));
    }
    Ok(database)
}

fn update_source(world: &mut World, id: &str, body: &Value, with_archived: bool) -> Outcome {
    let at = world.table(id)?;
    if world.locked {
        return Err(refusal(403, None));
    }
    let table = &mut world.tables[at];
    if let Some(changes) = body["properties"].as_object() {
        let mut schema = table.schema.clone();
        schema.change(changes)?;
        table.schema = schema;
    }
    Ok(table.render(with_archived))
}

fn rows(world: &World, id: &str, body: &Value, with_archived: bool) -> Outcome {
    let at = world.table(id)?;
    let page = query(&world.tables[at], body, world.most_rows)?;
    let rows =
        page.rows.iter().map(|number| world.render_page((at, *number), with_archived)).collect::<Outcome<_>>()?;
    Ok(list(rows, page.next_cursor, page.is_incomplete))
}

fn properties(body: &Value) -> Map<String, Value> {
    body["properties"].as_object().cloned().unwrap_or_default()
}

fn create(world: &mut World, body: &Value, with_archived: bool) -> Outcome {
    let parent = body["parent"]["data_source_id"].as_str();
    let parent = parent.ok_or_else(|| Refusal::invalid("body.parent.data_source_id should be defined."))?;
    let table = world.table(parent)?;
    let place = world.create_page(table, &properties(body), Author::Bot)?;
    world.render_page(place, with_archived)
}

fn update(world: &mut World, id: &str, body: &Value, with_archived: bool) -> Outcome {
    let place = world.page(id)?;
    let in_trash = body["in_trash"].as_bool().or(body["archived"].as_bool());
    world.update_page(place, &properties(body), in_trash, Author::Bot)?;
    world.render_page(place, with_archived)
}

/// What the program that serves the fake alone is told by the clients that it is tested with: no part of Notion.
pub(super) fn control(world: &mut World, path: &str, body: &Value) -> Option<Value> {
    let text = |key: &str| body[key].as_str().unwrap_or_default();
    Some(match path {
        "/control/database" => json!({ "id": world.add_table(text("title"), &body["properties"]).ok()? }),
        "/control/integration" => json!({ "added": world.logins.integrations.insert(text("token").to_owned()) }),
        "/control/client" => {
            world.logins.client = Some((text("id").to_owned(), text("secret").to_owned()));
            json!({})
        }
        "/control/consent" => {
            let user = world.users.first().map(|user| user.email.clone())?;
            json!({ "code": world.logins.consent(text("redirect_uri"), &user) })
        }
        "/control/fault" => {
            let status = u16::try_from(body["status"].as_u64()?).ok()?;
            let times = usize::try_from(body["times"].as_u64().unwrap_or(1)).ok()?;
            world.faults.plan(text("what"), NotionFault::Refuse(status, body["retry_after"].as_u64()), times);
            json!({})
        }
        "/control/subscribe" => {
            world.webhooks.subscription = Some((text("url").to_owned(), text("token").to_owned()));
            let first = webhooks::handshake(text("token"));
            json!({ "delivered": send(world, &[first]) })
        }
        "/control/deliver" => {
            let deliveries = world.webhooks.take();
            json!({ "delivered": send(world, &deliveries) })
        }
        _ => return None,
    })
}

/// How many were taken.
pub(super) fn send(world: &World, deliveries: &[webhooks::Delivery]) -> usize {
    let Some((url, _)) = &world.webhooks.subscription else { return 0 };
    let took = |delivery: &&webhooks::Delivery| {
        crate::web::post(url, &delivery.headers, delivery.body.as_bytes()).is_some_and(|(status, _)| status < 300)
    };
    deliveries.iter().filter(took).count()
}
