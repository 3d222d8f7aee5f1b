//! Files of sessions, outputs of runs, and what the server says of itself.

use serde_json::{Value, json};
use tests::Server;

use crate::wire::{ALL, Wire};

const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

#[test]
fn files_of_a_session_are_read_as_what_they_are() {
    for way in ALL {
        let wire = Wire::of(way);
        let code = format!(
            "import base64, os\nos.makedirs('data dir/sub')\nopen('data dir/a?.csv', 'w').write('x,y\\n1,2\\n')\n\
             open('plot.png', 'wb').write(base64.b64decode('{PIXEL}'))\nopen('raw.bin', 'wb').write(bytes([255, 0, 1]))\n\
             open(b'caf\\xe9', 'w').write('latin')\nopen('/tmp/t', 'w').write('in tmp')\nopen('empty', 'w').close()"
        );
        let session = wire.execute("new", &code).session();
        let at = |path: &str| wire.contents(&format!("belljar://session/{session}/{path}"));
        let csv = at("data%20dir/a%3F.csv");
        assert_eq!((&csv["text"], &csv["mimeType"]), (&json!("x,y\n1,2\n"), &json!("text/csv")), "{way}");
        let image = at("plot.png");
        assert_eq!((&image["blob"], &image["mimeType"]), (&json!(PIXEL), &json!("image/png")));
        let raw = at("raw.bin");
        assert_eq!((&raw["blob"], &raw["mimeType"]), (&json!("/wAB"), &json!("application/octet-stream")));
        // The file is read by its bytes, and as the tools write it.
        for name in ["caf%E9", "caf%5Cxe9"] {
            assert_eq!(at(name)["text"], "latin");
        }
        assert_eq!((&at("/tmp/t")["text"], &at("empty")["text"]), (&json!("in tmp"), &json!("")));
        let listed = at("")["text"].as_str().unwrap().to_owned();
        assert!(listed.contains("data dir/\t0\n") && listed.contains("raw.bin\t3\n"), "{listed}");
        assert_eq!(at("data%20dir")["text"], "a?.csv\t8\nsub/\t0\n");
        // What may change is not to be kept.
        let reply = wire.read(&format!("belljar://session/{session}/empty"));
        assert_eq!((&reply.result()["ttlMs"], &reply.result()["cacheScope"]), (&json!(0), &json!("private")));
    }
}

#[test]
fn what_a_run_said_and_left_is_read_until_it_is_forgotten() {
    for way in ALL {
        let wire = Wire::of(way);
        let code = format!(
            "import sys, base64\nfrom IPython.display import Image, display\nfor n in range(30000): print(n)\n\
             print('warned', file=sys.stderr)\nopen('left.txt', 'w').write('left')\n\
             display(Image(base64.b64decode('{PIXEL}')))\nlist(range(3))"
        );
        let reply = wire.call("execute", json!({"language": "python", "code": code}));
        let run = reply.structured()["run"].as_str().unwrap().to_owned();
        let at = |part: &str| wire.contents(&format!("belljar://run/{run}/{part}"));
        let expected: String = (0..30_000).map(|n| format!("{n}\n")).collect();
        assert_eq!(at("stdout")["text"], json!(expected), "{way}");
        assert_eq!((&at("stderr")["text"], &at("result")["text"]), (&json!("warned\n"), &json!("[0, 1, 2]")));
        assert_eq!((&at("output/1")["blob"], &at("output/1")["mimeType"]), (&json!(PIXEL), &json!("image/png")));
        assert_eq!(at("files/left.txt")["text"], "left");
        assert_eq!(at("files/")["text"], "left.txt\t4\n");
        let stdout = wire.read(&format!("belljar://run/{run}/stdout"));
        let ttl = stdout.result()["ttlMs"].as_u64().unwrap();
        assert!((1..=600_000).contains(&ttl), "{ttl}");
        for (part, reason) in [
            ("traceback", "it raised nothing"),
            ("output/2", "must be between 1 and 1"),
            ("files/none", "no file `none`"),
        ] {
            let refused = wire.read(&format!("belljar://run/{run}/{part}"));
            assert!(refused.protocol_error().1.contains(reason), "{part}: {}", refused.message);
        }
    }
}

#[test]
fn a_resource_that_is_too_large_says_how_its_parts_are_read() {
    for way in ALL {
        let wire = Wire::of(way);
        let reply = wire.execute("new", "open('big', 'w').write('x' * (2 << 20) + 'y')\nprint('x' * (2 << 20))");
        let (session, run) = (reply.session(), reply.structured()["run"].as_str().unwrap().to_owned());
        let uris = [
            (format!("belljar://session/{session}/big"), format!("session={session} path=big, with offset")),
            (format!("belljar://run/{run}/stdout"), format!("run={run} stream=stdout, with offset")),
        ];
        for (uri, how) in uris {
            let refused = wire.read(&uri);
            let (code, message) = refused.protocol_error();
            assert!(code == -32602 && message.contains(&how), "{way}: {message}");
            let data = &refused.message["error"]["data"];
            let expected =
                json!({"reason": "too_large", "uri": uri, "sizeBytes": (2 << 20) + 1, "boundBytes": 2 << 20});
            assert_eq!(data, &expected);
        }
        // One byte less is given, and the tool reads on where it says.
        wire.execute(&session, "open('most', 'w').write('x' * (2 << 20))");
        let most = wire.contents(&format!("belljar://session/{session}/most"));
        assert_eq!(most["text"].as_str().unwrap().len(), 2 << 20);
        let rest = wire.call("read", json!({"session": session, "path": "big", "byte_offset": 2 << 20}));
        assert!(rest.text().starts_with('y'), "{}", rest.message);
    }
}

#[test]
fn the_server_says_of_itself_what_is_so() {
    let mount = tempfile::tempdir().unwrap();
    std::fs::write(mount.path().join("shown.txt"), "from the operator").unwrap();
    for way in ALL {
        let builder =
            Server::with().flag(format!("--mount={}:/data", mount.path().display())).flag("--environment=TZ=UTC");
        let wire = Wire::with(way, builder);
        let json_of =
            |uri: &str| -> Value { serde_json::from_str(wire.contents(uri)["text"].as_str().unwrap()).unwrap() };
        let languages = json_of("belljar://languages");
        let tools = wire.ask("tools/list", json!({}));
        let offered = &tools.result()["tools"][0]["inputSchema"]["properties"]["language"]["enum"];
        let ids: Vec<_> = languages["languages"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
        assert_eq!(offered, &json!(ids), "{way}");
        let limits = json_of("belljar://limits");
        assert_eq!(limits["policy"]["mounts"], json!([{"path": "/data", "access": "read-only"}]));
        assert_eq!((&limits["policy"]["environment"], &limits["policy"]["network"]), (&json!(["TZ"]), &json!("none")));
        let text = limits.to_string();
        assert!(!text.contains(&mount.path().display().to_string()), "where it lies is nobody's: {text}");
        // The ceiling is a limit, to the byte.
        let ceiling = limits["limits"]["memory_bytes"]["ceiling"].as_u64().unwrap();
        let run = |bytes: u64| {
            wire.call("execute", json!({"language": "python", "code": "1", "limits": {"memory_bytes": bytes}}))
        };
        run(ceiling).assert_status("exited 0");
        assert!(run(ceiling + 1).refusal().contains(&format!("{ceiling}")));
        let guide = wire.contents("belljar://guide");
        let text = guide["text"].as_str().unwrap();
        assert!(
            guide["mimeType"] == "text/markdown" && text.contains("/data (read-only)") && !text.contains('{'),
            "{text}"
        );
        assert!(text.len() < 1500 * 4, "1,500 tokens: {} bytes", text.len());
        // What is mounted is there beside every session.
        let session = wire.new_session();
        let shown = wire.contents(&format!("belljar://session/{session}//data/shown.txt"));
        assert_eq!(shown["text"], "from the operator");
    }
}

#[test]
fn a_result_for_programs_links_to_what_it_leaves_out_and_one_for_models_does_not() {
    let code = format!(
        "import base64\nfrom IPython.display import Image, display\nfor n in range(9): display(Image(base64.b64decode('{PIXEL}')))\n\
         for n in range(5000): print(n)"
    );
    let wire = Wire::of("stdio, newer");
    let reply = wire.call("execute", json!({"language": "python", "code": code}));
    let content = reply.result()["content"].as_array().unwrap();
    let links: Vec<_> = content.iter().filter(|block| block["type"] == "resource_link").collect();
    let run = reply.structured()["run"].as_str().unwrap();
    let uris: Vec<_> = links.iter().map(|link| link["uri"].as_str().unwrap()).collect();
    assert_eq!(uris, [format!("belljar://run/{run}/stdout"), format!("belljar://run/{run}/output/9")]);
    let expected: String = (0..5000).map(|n| format!("{n}\n")).collect();
    assert_eq!((&links[0]["size"], &links[1]["mimeType"]), (&json!(expected.len()), &json!("image/png")));
    assert_eq!(wire.contents(uris[0])["text"], json!(expected));
    assert_eq!(wire.contents(uris[1])["blob"], PIXEL);
    let whole = wire.call("execute", json!({"language": "python", "code": "print(1)"}));
    assert_eq!(whole.result()["content"].as_array().unwrap().len(), 1);
    let for_models = Wire::with("stdio, newer", Server::with().text_only());
    let reply = for_models.call("execute", json!({"language": "python", "code": code}));
    let types: Vec<_> =
        reply.result()["content"].as_array().unwrap().iter().map(|block| block["type"].clone()).collect();
    assert_eq!(types, [vec![json!("text")], vec![json!("image"); 8]].concat());
}
