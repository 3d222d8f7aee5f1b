//! OpenAI's Responses: calls and their outputs are items of the input, and
//! tools of one server may be grouped in a namespace. They may be kept back
//! until they are searched for, or be there for scripts only.

use serde_json::{Value, json};

use super::{EXECUTE, Image, Kind, Received, SEARCH, Say, Tool, Turn, all, elements, text};

pub(super) fn read(conversation: &Value) -> Turn {
    let input = &conversation["input"];
    let output = |item: &Value| {
        let is_output = item["type"] == "function_call_output" || item["type"] == "custom_tool_call_output";
        (is_output && item["call_id"] == EXECUTE).then(|| item["output"].clone())
    };
    let received = all(input, output).pop().map(|output| Received { texts: texts(&output), images: all(input, image) });
    let is_found = |item: &Value| item["type"] == "tool_search_output";
    // Some models are told of tools in the conversation.
    let later = elements(input).filter(|item| is_found(item) || item["type"] == "additional_tools");
    let offered = elements(&conversation["tools"]).chain(later.flat_map(|item| elements(&item["tools"])));
    Turn { offered: offered.flat_map(tools).collect(), has_searched: elements(input).any(is_found), received }
}

fn tools(tool: &Value) -> Vec<Tool> {
    let group = (tool["type"] == "namespace").then(|| text(&tool["name"]).to_owned());
    let inner = |tool: &Value| {
        let name = text(&tool["name"]).to_owned();
        let kind = match text(&tool["type"]) {
            "tool_search" => Kind::Search,
            "custom" if name == "exec" => Kind::Script,
            _ => Kind::Function,
        };
        Tool { kind, group: group.clone(), name }
    };
    if group.is_some() { elements(&tool["tools"]).map(inner).collect() } else { vec![inner(tool)] }
}

/// A script that calls `execute` and shows the model what came of it.
fn script(arguments: &Value) -> String {
    format!(
        r#"const result = await tools.mcp__belljar__execute({arguments});
for (const block of result.content) {{
    if (block.type === "image") image(block); else text(block.text);
}}
"#
    )
}

fn texts(output: &Value) -> Vec<String> {
    match output {
        Value::String(text) => vec![text.clone()],
        items => all(items, |item| Some(item["text"].as_str()?.to_owned())),
    }
}

fn image(item: &Value) -> Option<Image> {
    if item["type"] != "input_image" {
        return None;
    }
    let (mime, data) = item["image_url"].as_str()?.strip_prefix("data:")?.split_once(";base64,")?;
    Some(Image { mime: mime.to_owned(), data: data.to_owned() })
}

pub(super) fn write(say: &Say) -> Vec<Value> {
    let item = match say {
        Say::Text(words) => json!({
            "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": words, "annotations": []}],
        }),
        Say::Search(_) => json!({
            "type": "tool_search_call", "id": "search_1", "status": "completed", "call_id": SEARCH,
            "execution": "client", "arguments": {"query": "belljar execute", "limit": 8},
        }),
        Say::Execute { tool, arguments } => {
            let mut call = json!({"id": "call_1", "status": "completed", "call_id": EXECUTE, "name": tool.name});
            if tool.kind == Kind::Script {
                call["type"] = json!("custom_tool_call");
                call["input"] = json!(script(arguments));
            } else {
                call["type"] = json!("function_call");
                call["arguments"] = json!(arguments.to_string());
            }
            if let Some(group) = &tool.group {
                call["namespace"] = json!(group);
            }
            call
        }
    };
    let response = |status: &str, output: Value| {
        json!({
            "id": "resp_1", "object": "response", "created_at": 1, "model": "fake",
            "status": status, "output": output,
            "usage": {
                "input_tokens": 1, "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": 1, "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": 2,
            },
        })
    };
    vec![
        json!({"type": "response.created", "response": response("in_progress", json!([]))}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": item}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.completed", "response": response("completed", json!([item]))}),
    ]
}
