//! What an agent sees of a run: text and images, and nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tests::{Reply, Server};

fn server() -> Server {
    Server::with().text_only().start()
}

/// The session in a text.
fn session(reply: &Reply) -> String {
    word_after(reply.text(), "session: ")
}

fn word_after(text: &str, label: &str) -> String {
    let (_, after) = text.split_once(label).unwrap_or_else(|| panic!("no {label:?} in {text:?}"));
    after.split([' ', ',', '\n']).next().unwrap().to_owned()
}

/// Code that defines `png(width, height)`.
const PNG: &str = r"import struct, zlib
from IPython.display import Image
def png(width, height):
    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    rows = b''.join(b'\0' + bytes([row % 256]) * 3 * width for row in range(height))
    head = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', head) + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b'')
";

#[test]
fn by_default_there_is_text_and_no_structure_and_a_setting_brings_it_back() {
    let plain = server();
    let tools = plain.client.request("tools/list", json!({})).wait();
    for tool in tools.result()["tools"].as_array().unwrap() {
        assert_eq!(tool.get("outputSchema"), None, "{tool}");
    }
    let session = session(&plain.execute_in("new", "open('f', 'w').write('x')"));
    for (tool, arguments) in [
        ("execute", json!({"language": "python", "code": "1"})),
        ("read", json!({"session": session, "path": "f"})),
        ("read", json!({"session": session})),
        ("write", json!({"session": session, "path": "g", "text": "y"})),
        ("session", json!({"action": "list"})),
        ("health_check", json!({})),
    ] {
        let reply = plain.call(tool, arguments);
        assert_eq!(reply.result().get("structuredContent"), None, "{}", reply.message);
        assert!(!reply.is_error() && !reply.text().is_empty(), "{}", reply.message);
    }
    for flag in ["--structured-content", "--structured-content=true"] {
        let structured = Server::with().text_only().flag(flag).start();
        assert_eq!(structured.execute("1 + 1").structured()["result"], "2");
        let tools = structured.client.request("tools/list", json!({})).wait();
        for tool in tools.result()["tools"].as_array().unwrap() {
            assert_eq!(tool["outputSchema"]["type"], "object", "{tool}");
        }
    }
}

#[test]
fn output_comes_first_and_verbatim_and_the_rest_follows() {
    let server = server();
    let reply = server.execute_in(
        "new",
        "import sys\nprint('out')\nprint('err', file=sys.stderr)\nopen('made.txt', 'w').write('abc')\n1 / 0",
    );
    assert!(reply.is_error());
    let lines: Vec<_> = reply.text().lines().collect();
    assert_eq!(
        lines[..5],
        ["out", "stderr:", "err", "Traceback (most recent call last):", "  File \"<cell 1>\", line 5, in <module>"]
    );
    let id = session(&reply);
    let files = format!("files: made.txt (3 bytes); read session={id} path=made.txt");
    let end = format!("session: {id}, sequence 1, kept until 30 days without use");
    assert_eq!(lines[lines.len() - 4..], ["ZeroDivisionError: division by zero", &files, "exit code 1", &end]);
    assert!(server.call("read", json!({"session": id, "path": "made.txt"})).text().starts_with("abc"));
    // Said once is enough.
    assert_eq!(server.execute_in(&id, "1 + 1").text(), format!("result: 2\nsession: {id}, sequence 2"));
    assert_eq!(server.execute("print('a\\nb')").text(), "a\nb\n");
    assert_eq!(server.execute("pass").text(), "(no output)");
}

#[test]
fn files_of_a_run_without_a_session_come_with_the_handle_to_read_them() {
    let server = server();
    let reply = server.execute("for n in range(30):\n    open(f'f{n:02}.txt', 'w').write('x' * n)");
    let text = reply.text();
    assert!(
        text.starts_with("files: f00.txt (0 bytes), f01.txt (1 bytes), ") && text.contains(", and 10 more; read run=")
    );
    let run = word_after(text, "read run=");
    assert!(text.ends_with(" path=NAME, or path=. lists all"), "{text}");
    assert!(server.call("read", json!({"run": run, "path": "f07.txt"})).text().starts_with("xxxxxxx\n"));
    // However long names are, the line is not.
    let long = server.execute("for n in range(30):\n    open('n' * 200 + str(n), 'w').close()");
    assert!(long.text().len() < 3000 && long.text().contains(" more; read run="), "{}", long.text().len());
}

#[test]
fn what_was_displayed_is_text() {
    let server = server();
    let rich = "from IPython.display import HTML, Markdown, Latex, JSON, SVG\n";
    for (code, expected) in [
        ("display('x')", "displayed: 'x'"),
        ("display({'a': 1}, 2)", "displayed: {'a': 1}\ndisplayed: 2"),
        ("display(HTML('<b>b</b>'))", "displayed text/html: <b>b</b>"),
        ("HTML('<b>b</b>')", "displayed text/html: <b>b</b>"),
        ("display(Markdown('# t'))", "displayed text/markdown: # t"),
        ("display(Latex('$x$'))", "displayed text/latex: $x$"),
        ("display(JSON({'k': [1]}))", "displayed application/json: {\"k\": [1]}"),
        ("display(SVG('<svg/>'))", "displayed image/svg+xml: <svg/>"),
        (
            "class T:\n    def __repr__(self): return 'a table'\n    def _repr_html_(self): return '<table>'\nT()",
            "result: a table",
        ),
        ("display('x')\n'y'", "result: 'y'\ndisplayed: 'x'"),
    ] {
        assert_eq!(server.execute(&format!("{rich}{code}")).text(), expected, "{code}");
    }
}

#[test]
fn of_25_plots_8_are_images_and_17_are_named_and_can_be_read() {
    let server = server();
    let reply = server.execute(&format!("{PNG}for n in range(25):\n    display(Image(png(10 + n, 5)))"));
    assert_eq!(reply.images().len(), 8);
    let lines: Vec<_> = reply.text().lines().collect();
    assert_eq!(lines.len(), 26, "{}", reply.text());
    for (index, line) in lines[..25].iter().enumerate() {
        let start = format!("output {}: image/png, {}x5 pixels, ", index + 1, 10 + index);
        assert!(line.starts_with(&start), "{line}");
        assert_eq!(line.ends_with(" bytes, not sent"), index >= 8, "{line}");
    }
    let run = word_after(lines[25], "read run=");
    assert!(
        lines[25].contains("at most 8 images and 2 MiB") && lines[25].ends_with(" output=N gives one of them"),
        "{}",
        lines[25]
    );
    for number in [1, 9, 25] {
        let one = server.call("read", json!({"run": run, "output": number}));
        let width = 9 + number;
        assert!(one.text().starts_with(&format!("[output {number}: image/png, {width}x5 pixels, ")), "{}", one.text());
        let bytes = STANDARD.decode(one.images()[0].1).unwrap();
        assert_eq!(bytes[16..24], [0, 0, 0, u8::try_from(width).unwrap(), 0, 0, 0, 5]);
    }
    let none = server.call("read", json!({"run": run, "output": 26}));
    assert_eq!(none.refusal(), "output must be between 1 and 25, got 26");
}

#[test]
fn what_is_cut_can_be_read_by_the_call_that_stands_there() {
    let server = server();
    // One line, so that no line number could lead to its middle.
    for (code, stream, whole) in [
        ("print(''.join(f'{n:06}' for n in range(5000)))", "stdout", 30_001),
        ("import sys\nprint(''.join(f'{n:06}' for n in range(5000)), file=sys.stderr)", "stderr", 30_001),
        ("''.join(f'{n:06}' for n in range(5000))", "result", 30_002),
    ] {
        let reply = server.execute(code);
        assert!(reply.text().len() < 9500, "{stream}: {}", reply.text().len());
        let run = word_after(reply.text(), "read run=");
        assert_eq!(word_after(reply.text(), "stream="), stream);
        let from: u64 = word_after(reply.text(), "byte_offset=").parse().unwrap();
        let (mut text, mut at) = (String::new(), Some(0));
        while let Some(offset) = at {
            let page = server.call("read", json!({"run": run, "stream": stream, "byte_offset": offset}));
            let (piece, range) = page.text().rsplit_once('[').unwrap();
            text.push_str(piece.strip_suffix('\n').unwrap_or(piece));
            at = range.contains("goes on").then(|| word_after(range, "byte_offset=").parse().unwrap());
        }
        let quoted = usize::from(stream == "result");
        let expected: String = (0..5000).map(|number| format!("{number:06}")).collect();
        assert_eq!(text.trim().trim_matches('\''), expected, "{stream}");
        assert!(from > 2500 && text.len() + 1 - quoted >= whole - 2, "{stream}: {from} {}", text.len());
    }
    let error = server.execute("raise ValueError('e' * 100_000)");
    assert!(error.text().len() < 9500 && error.text().contains("stream=traceback byte_offset="), "{}", error.text());
}

#[test]
fn limits_and_long_runs_are_told() {
    let server = server();
    let slow = server.execute("import time\ntime.sleep(1.2)\nprint('done')");
    assert!(slow.text().starts_with("done\ntook 1.") && slow.text().ends_with(" s"), "{}", slow.text());
    let fast = server.execute("print('done')");
    assert_eq!(fast.text(), "done\n");
    let over = server.execute_with("while True: pass", json!({"limits": {"fuel": 50_000_000}}));
    let expected = "ended: fuel reached its limit of 50000000, it used ";
    assert!(over.text().contains(expected), "{}", over.text());
    assert!(over.text().contains("pass a higher `limits.fuel`"), "{}", over.text());
}

#[test]
fn code_is_taken_as_it_is_commonly_sent() {
    let server = server();
    let run = |language: &str, code: &str| server.call("execute", json!({"language": language, "code": code}));
    for (language, code) in [
        ("python", "\u{feff}print('hi')"),
        ("python", "print('hi')\r\nx = 1\r\n"),
        ("bash", "\u{feff}echo hi"),
        ("bash", "echo hi\r\ntrue\r\n"),
    ] {
        assert_eq!(run(language, code).text(), "hi\n", "{language} {code:?}");
    }
    for (language, code) in [("python", "```python\nprint('hi')\n```"), ("bash", "~~~\necho hi\n~~~\n")] {
        let text = run(language, code).text().to_owned();
        assert_eq!(text, "hi\nnote: the Markdown fence around the code was taken off; send the code alone");
    }
    // Line numbers are those of the code.
    let error = run("python", "```\n1 / 0\n```");
    assert!(error.text().contains("line 1, in <module>"), "{}", error.text());
}

#[test]
fn languages_are_those_of_this_machine() {
    let language = |server: &Server| -> Value {
        let tools = server.client.request("tools/list", json!({})).wait();
        let execute =
            tools.result()["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == "execute").cloned();
        execute.unwrap()["inputSchema"]["properties"]["language"].clone()
    };
    let here = language(&server());
    assert_eq!(here["enum"], json!(["python", "javascript", "bash", "python-native"]));
    let description = here["description"].as_str().unwrap();
    assert!(description.contains("python: CPython 3.13") && description.contains("\nbash: "), "{description}");
    let off = language(&Server::with().text_only().flag("--native-tier=off").start());
    assert_eq!(off["enum"], json!(["python", "javascript"]));
    // An interpreter without packages, and how to get some.
    let environment = tempfile::tempdir().unwrap();
    let made = std::process::Command::new("/usr/bin/python3")
        .args(["-m", "venv", "--without-pip"])
        .arg(environment.path())
        .status();
    assert!(made.unwrap().success());
    let program = format!("--native-program=python-native={}/bin/python3", environment.path().display());
    let bare = Server::with().text_only().flag(&program).start();
    let description = language(&bare)["description"].as_str().unwrap().to_owned();
    assert!(
        description.contains("has no packages beyond the standard library (its operator can install"),
        "{description}"
    );
    let site = std::fs::read_dir(environment.path().join("lib"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path()
        .join("site-packages");
    std::fs::create_dir(site.join("numpy")).unwrap();
    std::fs::write(site.join("numpy/__init__.py"), "").unwrap();
    let with_numpy = Server::with().text_only().flag(&program).start();
    assert!(
        language(&with_numpy)["description"].as_str().unwrap().ends_with("; has numpy"),
        "{}",
        language(&with_numpy)
    );
    // Whoever misses it in one language is told the other.
    let missing = with_numpy.execute("import numpy");
    assert!(missing.text().contains("python-native"), "{}", missing.text());
    let nowhere = server().execute("import numpy");
    assert!(!nowhere.text().contains("python-native") || description.contains("numpy"), "{}", nowhere.text());
}

#[test]
fn texts_in_other_encodings_can_be_read() {
    let server = server();
    let reply = server.execute_in(
        "new",
        "open('latin', 'wb').write('Grüße aus München, schöne Straße\\n'.encode('latin-1'))\n\
         open('utf16', 'w', encoding='utf-16').write('Grüße\\n')\n\
         open('sjis', 'wb').write('日本語のテキスト'.encode('shift_jis'))\n\
         open('late', 'wb').write(b'x' * 9000 + b'\\n\\xff\\n')\n\
         open('raw', 'wb').write(bytes(range(256)))",
    );
    let session = session(&reply);
    let read = |path: &str, encoding: Option<&str>| {
        server.call("read", json!({"session": session, "path": path, "encoding": encoding})).text().to_owned()
    };
    let latin = read("latin", None);
    assert!(
        latin.starts_with("Grüße aus München, schöne Straße\n[lines 1-1 of 1; not UTF-8: read as windows-1252"),
        "{latin}"
    );
    assert!(read("latin", Some("latin1")).starts_with("Grüße aus München"));
    assert!(
        read("utf16", None).starts_with("Grüße\n[lines 1-1 of 1; not UTF-8: read as UTF-16LE"),
        "{}",
        read("utf16", None)
    );
    assert!(read("utf16", Some("utf-16")).starts_with("Grüße\n"));
    assert!(read("sjis", Some("shift_jis")).starts_with("日本語のテキスト\n"));
    assert!(read("late", None).contains("some of it is not UTF-8"), "{}", read("late", None));
    assert!(
        read("raw", None).contains("[binary file: bytes 0-256 of 256 in base64; if it is text"),
        "{}",
        read("raw", None)
    );
    assert!(
        read("latin", Some("klingon")).starts_with("encoding must be a name"),
        "{}",
        read("latin", Some("klingon"))
    );
}
