//! Google's `streamGenerateContent`: calls and their responses are parts of
//! contents, and a call is known by the name of its function.

use serde_json::{Value, json};

use super::{Image, Kind, Received, Say, Tool, Turn, all, elements, text};

pub(super) fn read(conversation: &Value) -> Turn {
    let contents = &conversation["contents"];
    let offered = elements(&conversation["tools"])
        .flat_map(|tool| elements(&tool["functionDeclarations"]))
        .map(|function| Tool { kind: Kind::Function, group: None, name: text(&function["name"]).to_owned() });
    let response = |part: &Value| {
        let response = part.get("functionResponse")?;
        let tool = Tool { kind: Kind::Function, group: None, name: text(&response["name"]).to_owned() };
        tool.is_execute().then(|| response["response"].clone())
    };
    let received = all(contents, response).pop().map(|response| Received {
        texts: all(&response, |value| value.as_str().map(str::to_owned)),
        images: all(contents, image),
    });
    Turn { offered: offered.collect(), has_searched: false, received }
}

fn image(part: &Value) -> Option<Image> {
    let image = part.get("inlineData")?;
    Some(Image { mime: text(&image["mimeType"]).to_owned(), data: text(&image["data"]).to_owned() })
}

pub(super) fn write(say: &Say) -> Vec<Value> {
    let part = match say {
        Say::Text(words) => json!({"text": words}),
        Say::Execute { tool, arguments } => json!({"functionCall": {"name": tool.name, "args": arguments}}),
        Say::Search(tool) => json!({"functionCall": {"name": tool.name, "args": {"query": "execute"}}}),
    };
    vec![json!({
        "candidates": [{"index": 0, "content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2},
    })]
}
