//! OpenAI's Responses: calls and their outputs are items of the input, and
//! tools of one server may be grouped in a namespace.

use serde_json::{Value, json};

use super::{EXECUTE, Image, Received, SEARCH, Say, Tool, Turn, all, elements, text};

pub(super) fn read(conversation: &Value) -> Turn {
    let input = &conversation["input"];
    let outputs = |id: &str| {
        all(input, |item| {
            (item["type"] == "function_call_output" && item["call_id"] == id).then(|| item["output"].clone())
        })
    };
    let received = outputs(EXECUTE).pop().map(|output| Received { texts: texts(&output), images: all(input, image) });
    Turn {
        offered: elements(&conversation["tools"]).flat_map(tools).collect(),
        has_searched: !outputs(SEARCH).is_empty(),
        received,
    }
}

fn tools(tool: &Value) -> Vec<Tool> {
    let name = text(&tool["name"]).to_owned();
    if tool["type"] != "namespace" {
        return vec![Tool { group: None, name }];
    }
    elements(&tool["tools"])
        .map(|inner| Tool { group: Some(name.clone()), name: text(&inner["name"]).to_owned() })
        .collect()
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
        Say::Call { id, tool, arguments } => {
            let mut call = json!({
                "type": "function_call", "id": "fc_1", "status": "completed", "call_id": id,
                "name": tool.name, "arguments": arguments.to_string(),
            });
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
