//! Anthropic's Messages: tool calls and their results are blocks of messages.

use serde_json::{Value, json};

use super::{EXECUTE, Image, Kind, Received, SEARCH, Say, Tool, Turn, all, elements, text};

pub(super) fn read(conversation: &Value) -> Turn {
    let messages = &conversation["messages"];
    let offered = elements(&conversation["tools"]).map(|tool| {
        let name = text(&tool["name"]).to_owned();
        // A tool of the client, not of the interface.
        let kind = if name == "ToolSearch" { Kind::Search } else { Kind::Function };
        Tool { kind, group: None, name }
    });
    let results = |id: &str| {
        all(messages, |block| {
            (block["type"] == "tool_result" && block["tool_use_id"] == id).then(|| block["content"].clone())
        })
    };
    let received =
        results(EXECUTE).pop().map(|content| Received { texts: texts(&content), images: all(messages, image) });
    Turn { offered: offered.collect(), has_searched: !results(SEARCH).is_empty(), received }
}

fn texts(content: &Value) -> Vec<String> {
    match content {
        Value::String(text) => vec![text.clone()],
        blocks => all(blocks, |block| (block["type"] == "text").then(|| text(&block["text"]).to_owned())),
    }
}

fn image(block: &Value) -> Option<Image> {
    let source = &block["source"];
    (block["type"] == "image" && source["type"] == "base64")
        .then(|| Image { mime: text(&source["media_type"]).to_owned(), data: text(&source["data"]).to_owned() })
}

pub(super) fn write(say: &Say) -> Vec<Value> {
    let call = |id: &str, tool: &Tool, arguments: &Value| {
        (
            json!({"type": "tool_use", "id": id, "name": tool.name, "input": {}}),
            json!({"type": "input_json_delta", "partial_json": arguments.to_string()}),
            "tool_use",
        )
    };
    let (block, delta, stop_reason) = match say {
        Say::Text(words) => {
            (json!({"type": "text", "text": ""}), json!({"type": "text_delta", "text": words}), "end_turn")
        }
        Say::Search(tool) => call(SEARCH, tool, &json!({"query": "select:mcp__belljar__execute", "max_results": 5})),
        Say::Execute { tool, arguments } => call(EXECUTE, tool, arguments),
    };
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "fake", "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 1},
    });
    vec![
        json!({"type": "message_start", "message": message}),
        json!({"type": "content_block_start", "index": 0, "content_block": block}),
        json!({"type": "content_block_delta", "index": 0, "delta": delta}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({
            "type": "message_delta",
            "delta": {"stop_reason": stop_reason, "stop_sequence": null},
            "usage": {"output_tokens": 1},
        }),
        json!({"type": "message_stop"}),
    ]
}
