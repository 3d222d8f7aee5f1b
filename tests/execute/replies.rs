//! What a reply says of a run, in text, structured content and images, and
//! what `read` says of it afterwards.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tests::Server;

/// The smallest PNG there is: one transparent pixel.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

#[test]
fn the_text_alone_tells_what_happened() {
    let server = Server::start();
    let reply = server.execute_with(
        "import sys\nprint('out')\nprint('err', file=sys.stderr)\nopen('made.txt', 'w').write('abc')\n1 / 0",
        json!({"session": "new"}),
    );
    reply.assert_status("exited 1");
    for part in ["out\n", "stderr:\nerr\n", "ZeroDivisionError: division by zero", "made.txt (3 bytes)", "exit code 1"]
    {
        assert!(reply.text().contains(part), "{part:?} is missing in {:?}", reply.text());
    }
    assert!(reply.text().contains(&reply.session()));
    assert!(reply.is_error());
    assert!(!server.execute("1").is_error());
    assert_eq!(server.execute("pass").text(), "(no output)");
}

#[test]
fn usage_has_the_names_and_the_size_of_what_a_run_used() {
    let server = Server::start();
    let reply = server.execute("open('f', 'wb').write(bytes(10_000))\nprint('x' * 99)\nblock = bytearray(40 << 20)");
    reply.assert_status("exited 0");
    // Only what differs from the defaults is told.
    assert_eq!(reply.structured().get("limits"), None);
    let other = server.execute_with("1", json!({"limits": {"fuel": 20_000_000_000_u64, "open_files": 64}}));
    assert_eq!(other.structured()["limits"], json!({"fuel": 20_000_000_000_u64}));
    for (name, used) in reply.structured()["usage"].as_object().unwrap() {
        let limit = sandbox::Resource::from_name(name)
            .map(sandbox::Resource::default_limit)
            .unwrap_or_else(|| panic!("{name} is used and not limited"));
        assert!(used.as_u64().unwrap() <= limit, "{name}: {used}");
    }
    assert_eq!((reply.usage("output_bytes"), reply.usage("disk_files"), reply.usage("open_files")), (100, 1, 1));
    assert!((10_000..100_000).contains(&reply.usage("disk_bytes")), "{}", reply.usage("disk_bytes"));
    assert!((40 << 20..200 << 20).contains(&reply.usage("memory_bytes")), "{}", reply.usage("memory_bytes"));
    assert!(reply.usage("fuel") > 10_000);
}

#[test]
fn an_image_becomes_image_content_and_is_not_sent_twice() {
    let server = Server::start();
    let code = format!("import base64\nfrom IPython.display import Image\ndisplay(Image(base64.b64decode('{PIXEL}')))");
    let reply = server.execute(&code);
    reply.assert_status("exited 0");
    let [(mime, data)] = reply.images()[..] else { panic!("expected one image in {}", reply.message) };
    assert_eq!(mime, "image/png");
    assert_eq!(STANDARD.decode(data).unwrap(), STANDARD.decode(PIXEL).unwrap());
    assert!(!reply.structured().to_string().contains(&PIXEL[..40]), "the image is in the structured content too");
    assert_eq!(reply.structured()["outputs"][0]["image/png"], "[image content 1]");
}

#[test]
fn images_past_the_budget_are_named_and_left_out() {
    let server = Server::start();
    // Three images of about 0.9 MiB in base64: two fit into 2 MiB.
    let code = "import os, struct, zlib\nfrom IPython.display import Image\n\
         def chunk(kind, data):\n    \
             return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))\n\
         head, rows = struct.pack('>IIBBBBB', 700, 1000, 8, 0, 0, 0, 0), b'\\0' + os.urandom(700)\n\
         for _ in range(3):\n    rows = b''.join(b'\\0' + os.urandom(700) for _ in range(1000))\n    \
             display(Image(b'\\x89PNG\\r\\n\\x1a\\n' + chunk(b'IHDR', head) + chunk(b'IDAT', zlib.compress(rows, 0)) + chunk(b'IEND', b'')))";
    let reply = server.execute(code);
    reply.assert_status("exited 0");
    assert_eq!(reply.images().len(), 2);
    let last = reply.structured()["outputs"][2]["image/png"].as_str().unwrap();
    assert!(last.contains("image in base64, not sent"), "{last}");
    let line = reply.text().lines().find(|line| line.starts_with("output 3: image/png, 700x1000 pixels, "));
    assert!(line.is_some_and(|line| line.ends_with(" bytes, not sent")), "{}", reply.text());
    let third = server.call("read", json!({"run": reply.run(), "output": 3}));
    assert!(STANDARD.decode(third.images()[0].1).unwrap().len() > 700_000);
}

#[test]
fn long_output_is_cut_in_the_middle_with_exact_counts_and_read_gives_all_of_it() {
    let server = Server::start();
    // 10,000 lines of 10 bytes.
    let reply = server.execute("for n in range(10_000):\n    print(f'line {n:04}')");
    reply.assert_status("exited 0");
    let cut = &reply.structured()["truncated"]["stdout"];
    assert_eq!(cut["bytes_seen"], 100_000);
    assert_eq!(cut["bytes_kept"], 6 << 10);
    assert!(reply.stdout().starts_with("line 0000\n") && reply.stdout().ends_with("line 9999\n"));
    let note =
        format!("{} of 100000 bytes cut; read run={} stream=stdout byte_offset=3072", 100_000 - (6 << 10), reply.run());
    for text in [reply.text(), reply.stdout()] {
        assert!(text.contains(&note), "{text}");
    }
    assert!(reply.text().starts_with(reply.stdout().trim_end()), "the text repeats all that was kept");

    let read = |more: serde_json::Value| {
        let mut arguments = json!({"run": reply.run(), "stream": "stdout"});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        server.call("read", arguments)
    };
    // The call of the note goes on where the beginning ends.
    let rest = read(json!({"byte_offset": 3072}));
    assert!(rest.text().starts_with("ne 0307\nline 0308\n"), "{}", &rest.text()[..40]);
    assert!(rest.text().ends_with("[bytes 3072-19456 of 100000; byte_offset=19456 goes on]"), "{}", rest.text());
    let middle = read(json!({"offset": 5001, "limit": 2}));
    assert!(middle.text().starts_with("line 5000\nline 5001\n"), "{}", middle.text());
    assert_eq!(middle.structured()["total_lines"], 10_000);
    let found = read(json!({"pattern": "0777$"}));
    assert!(found.text().starts_with("778: line 0777\n"), "{}", found.text());
    // Page by page it is all there.
    let (mut lines, mut offset) = (0, Some(1));
    while let Some(first) = offset {
        let page = read(json!({"offset": first, "limit": 10_000}));
        let end = page.structured()["last_line"].as_u64().unwrap();
        lines += end + 1 - first;
        offset = page.structured()["next_offset"].as_u64();
    }
    assert_eq!(lines, 10_000);
}

#[test]
fn output_within_the_budget_is_not_cut() {
    let server = Server::start();
    let exact = server.execute("print('x' * (6 * 1024 - 1))");
    assert_eq!((exact.output().len(), exact.structured().get("truncated")), (6 << 10, None));
    let over = server.execute("print('x' * (6 * 1024))");
    assert_eq!(over.structured()["truncated"]["stdout"]["bytes_seen"], (6 << 10) + 1);
    let asked = server.execute_with("print('x' * 100_000)", json!({"limits": {"output_bytes": 200_000}}));
    assert_eq!(asked.output().len(), 100_001);
    assert_eq!(asked.text().len(), 100_001, "the text has all of it too");
}

#[test]
fn a_cut_never_leaves_half_a_character() {
    let server = Server::start();
    let reply = server.execute("print('é世' * 50_000)");
    reply.assert_status("exited 0");
    assert!(!reply.stdout().contains('\u{fffd}') && !reply.text().contains('\u{fffd}'));
    let split = server.execute("import os\nos.write(1, b'\\xff ok \\xe4\\xb8\\x96\\n')");
    assert_eq!(split.output(), "\u{fffd} ok 世\n");
}

#[test]
fn input_files_arrive_whole_as_text_and_as_bytes() {
    let server = Server::start();
    let bytes: Vec<u8> = (0..=255).collect();
    let reply = server.execute_with(
        "import os\nprint(open('in/a.txt').read(), open('b.bin', 'rb').read() == bytes(range(256)), os.listdir('in'))",
        json!({"files": [
            {"path": "in/a.txt", "text": "grüße"},
            {"path": "/workspace/b.bin", "base64": STANDARD.encode(&bytes)},
        ]}),
    );
    assert_eq!(reply.output(), "grüße True ['a.txt']\n");
    assert_eq!(reply.files(), Vec::<&str>::new(), "files that came with the call are not the program's");
}

#[test]
fn files_of_a_run_can_be_read_by_its_handle() {
    let server = Server::start();
    let reply = server.execute(
        "import os\nos.mkdir('d')\nopen('d/t.csv', 'w').write('a,b\\n1,2\\n')\nopen('raw', 'wb').write(bytes(300))",
    );
    assert_eq!(reply.files(), ["d/t.csv", "raw"]);
    let read = |path: &str| server.call("read", json!({"run": reply.run(), "path": path}));
    assert!(read("d/t.csv").text().starts_with("a,b\n1,2\n"));
    assert!(read(".").text().starts_with("d/\t"), "{}", read(".").text());
    let raw = read("raw");
    assert_eq!(
        raw.text(),
        format!(
            "{}\n[binary file: bytes 0-300 of 300 in base64; if it is text, `encoding` reads it]",
            STANDARD.encode([0; 300])
        )
    );
    assert_eq!(STANDARD.decode(raw.structured()["base64"].as_str().unwrap()).unwrap(), [0; 300]);
    assert!(read("nope").refusal().contains("no file `nope`"));
    let png = server.execute(&format!("import base64\nopen('p.png', 'wb').write(base64.b64decode('{PIXEL}'))"));
    let image = server.call("read", json!({"run": png.run(), "path": "p.png"}));
    assert_eq!(image.images(), [("image/png", PIXEL)]);
}

#[test]
fn a_call_without_a_session_starts_clean() {
    let server = Server::with().flag("--workers=1").flag("--runs=1").start();
    let spoil = "import builtins, json, os, sys\nleft = 1\nbuiltins.left = 2\njson.dumps = None\nsys.path.append('/x')\n\
                 sys.modules['math'] = None\nos.environ['LEFT'] = '1'\nopen('left', 'w').close()\nos.mkdir('d')\nos.chdir('d')";
    server.execute_with(spoil, json!({"env": {"A": "1"}})).assert_status("exited 0");
    let look = "import builtins, json, math, os, sys\n\
                print('left' in globals(), hasattr(builtins, 'left'), json.dumps(1), '/x' in sys.path, \
                os.environ.get('LEFT'), os.environ.get('A'), os.listdir(), os.getcwd())";
    assert_eq!(server.execute(look).output(), "False False 1 False None None [] /workspace\n");
}

#[test]
fn random_numbers_differ_between_runs() {
    let server = Server::with().flag("--workers=1").flag("--runs=1").start();
    let code = "import os, random, secrets, uuid\nprint(random.random(), secrets.token_hex(8), uuid.uuid4(), os.urandom(8).hex())";
    let outputs: std::collections::HashSet<_> = (0..20).map(|_| server.execute(code).output().to_owned()).collect();
    let words: std::collections::HashSet<_> = outputs.iter().flat_map(|line| line.split_whitespace()).collect();
    assert_eq!((outputs.len(), words.len()), (20, 80));
}

#[test]
fn the_same_program_uses_the_same_fuel() {
    let server = Server::with().flag("--workers=1").flag("--runs=1").start();
    let fuel = || server.execute("print(sum(n * n for n in range(10_000)))").usage("fuel");
    // The first run of an instance may still fill caches.
    fuel();
    let (one, other) = (fuel(), fuel());
    assert!(one.abs_diff(other) * 1000 < one, "{one} and {other} differ by more than a thousandth");
}

#[test]
fn output_is_reported_while_the_program_runs() {
    let server = Server::start();
    let session = server.new_session();
    let wait = "import os, time\nprint('waiting for the file')\nwhile not os.path.exists('go'):\n    time.sleep(0.01)\nprint('found')";
    let mut pending = server.begin_execute(wait, json!({"session": session}));
    server.client.progress(&pending, "waiting for the file");
    // The run may end only now.
    assert!(pending.is_open());
    std::fs::write(server.workspace(&session).join("go"), "").unwrap();
    let id = pending.id();
    let reply = pending.wait();
    assert_eq!(reply.output(), "waiting for the file\nfound\n");
    // Progress only ever grows.
    let reports: Vec<f64> = server
        .client
        .notifications()
        .iter()
        .filter(|message| message["params"]["progressToken"] == id)
        .map(|message| message["params"]["progress"].as_f64().unwrap())
        .collect();
    assert!(!reports.is_empty() && reports.is_sorted(), "{reports:?}");
}
