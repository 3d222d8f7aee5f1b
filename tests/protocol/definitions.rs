//! What clients are told of the tools.

use serde_json::Value;
use serde_json::json;
use tests::Server;

/// The most tokens that all definitions together may cost a context.
const MOST_TOKENS: usize = 1000;
/// How many bytes of compact JSON there are to a token, about.
const BYTES_PER_TOKEN: usize = 4;

fn tools(server: &Server) -> Vec<Value> {
    let reply = server.client.request("tools/list", json!({})).wait();
    reply.result()["tools"].as_array().unwrap().clone()
}

#[test]
fn all_definitions_together_fit_into_their_budget() {
    let tools = Value::from(tools(&Server::with().text_only().start())).to_string();
    let tokens = tools.len() / BYTES_PER_TOKEN;
    assert!(tokens < MOST_TOKENS, "about {tokens} tokens in {} bytes", tools.len());
}

#[test]
fn folders_of_the_operator_fit_in_as_well() {
    let server = Server::with().text_only().flag("--mount=/etc:/data").flag("--mount=/opt:/srv/results:rw").start();
    let tools = Value::from(tools(&server)).to_string();
    assert!(tools.contains("Mounted: /data (read-only), /srv/results (read-write)."), "{tools}");
    assert!(tools.len() / BYTES_PER_TOKEN < MOST_TOKENS, "{} bytes", tools.len());
}

#[test]
fn every_tool_says_what_it_takes_gives_and_does() {
    let server = Server::start();
    let tools = tools(&server);
    let names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    for name in ["execute", "health_check", "read", "write"] {
        assert!(names.contains(&name), "{name} is missing from {names:?}");
    }
    for tool in &tools {
        let name = tool["name"].as_str().unwrap();
        assert!(tool["description"].as_str().unwrap().len() > 20, "{name}");
        assert_eq!(tool["inputSchema"]["type"], "object", "{name}");
        assert!(tool["annotations"]["readOnlyHint"].is_boolean(), "{name}: {}", tool["annotations"]);
    }
    let hint =
        |name: &str, hint: &str| tools.iter().find(|tool| tool["name"] == name).unwrap()["annotations"][hint].clone();
    assert_eq!(hint("read", "readOnlyHint"), true);
    assert_eq!(hint("execute", "readOnlyHint"), false);
    assert_eq!(hint("execute", "openWorldHint"), false);
    // The limits of this very server, so that a model need not guess.
    let execute = tools.iter().find(|tool| tool["name"] == "execute").unwrap();
    assert!(execute["description"].as_str().unwrap().contains("30 s"), "{}", execute["description"]);
    let other = Server::with().flag("--limit=wall_time_ms=5000").start();
    let execute = other.client.request("tools/list", json!({})).wait().result()["tools"][0].clone();
    assert!(execute["description"].as_str().unwrap().contains("5 s"), "{}", execute["description"]);
}

#[test]
fn a_default_result_is_short() {
    let server = Server::start();
    let reply =
        server.execute_in("new", "for n in range(200): print('a line of ordinary output', n)\nlist(range(100))");
    // 2,000 tokens, counting text and structured content together, beside the
    // output itself, which the text repeats only in part.
    let all = reply.result().to_string().len() - reply.stdout().len();
    assert!(all / BYTES_PER_TOKEN < 2000, "{all} bytes beside the output");
}
