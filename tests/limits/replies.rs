//! The size of replies, whatever a program says: text and structure.

use tests::Server;

/// What a run may write by default, and a reply says of one text.
const LIMIT: usize = 6 << 10;

/// Programs that say as much as they can, each in another way.
const LOUD: [(&str, &str); 9] = [
    ("types", "display({f'application/x-{i:03}-{j:03}-' + 'y' * 90: '' for j in range(200)}, raw=True)"),
    ("texts", "display({f'text/x-{i:03}-' + 'y' * 110: 'z' * 400}, raw=True)"),
    ("data", "display({f'application/x-{i:03}-' + 'y' * 110: b'data'}, raw=True)"),
    ("images that are none", "display({'image/png': 'AAAA', 'text/plain': f't{i}'}, raw=True)"),
    ("images", "display({'image/png': PIXEL}, raw=True)"),
    ("names", "open(chr(1) * 240 + str(i), 'w').close()"),
    (
        "a deep name",
        "deep = '/'.join([chr(1) * 200] * 8)\n    os.makedirs(deep, exist_ok=True)\n    open(f'{deep}/x', 'w').close()",
    ),
    ("output", "print('o' * 9000)\n    print('e' * 9000, file=sys.stderr)"),
    ("an error", "if i == 255: raise type('E' * 100_000, (Exception,), {})('v' * 1_000_000)"),
];

const START: &str = "import os, sys\nfrom IPython.display import display\n\
    PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=='\n";

#[test]
fn a_reply_has_a_bound_whatever_a_program_says() {
    let server = Server::start();
    let loop_of = |statement: &str| format!("for i in range(256):\n    {statement}\n");
    let all: String = LOUD.iter().map(|(_, statement)| loop_of(statement)).collect();
    let bytes = format!("os.write(1, b'\\xff' * 100_000); os.write(2, b'\\x01' * 100_000)\n{all}");
    let mut programs: Vec<_> =
        LOUD.iter().map(|(what, statement)| (*what, loop_of(statement), 5 * LIMIT / 2)).collect();
    programs.push(("all of it", all, 5 * LIMIT / 2));
    programs.push(("all of it, and no text", bytes, 6 * LIMIT));
    for (what, program, most) in programs {
        let reply = server.execute(&format!("{START}{program}"));
        let (text, structure) = (reply.text().len(), reply.structured().to_string().len());
        assert!(text <= most + (8 << 10), "{what}: a text of {text} bytes");
        // In JSON a character takes up to six bytes.
        assert!(structure <= 36 * LIMIT + (32 << 10), "{what}: a structure of {structure} bytes");
        assert!(reply.images().len() <= 8, "{what}");
    }
    // Outputs that are not told are counted, and can be read.
    let reply = server.execute(&format!("{START}{}", loop_of(LOUD[3].1)));
    assert!(reply.text().contains(" more outputs were displayed, outputs "), "{}", reply.text());
    let last = server.call("read", serde_json::json!({"run": reply.run(), "output": 256}));
    assert!(last.text().contains("image/png left out"), "{}", last.text());
}

#[test]
fn a_listing_has_a_bound_and_goes_on() {
    let server = Server::start();
    let session = server.execute_in("new", "for i in range(3000): open(f'{i}', 'w').close()").session();
    let (mut offset, mut seen) = (0, 0);
    loop {
        let arguments = serde_json::json!({"session": session, "path": ".", "limit": 10_000, "offset": offset});
        let page = server.call("read", arguments);
        let (text, structure) = (page.text().len(), page.structured().to_string().len());
        assert!(text <= 24 << 10 && structure <= 64 << 10, "{text} bytes and {structure} bytes");
        seen += page.structured()["entries"].as_array().unwrap().len();
        let Some(next) = page.structured()["next_offset"].as_u64() else { break };
        offset = next;
    }
    assert_eq!(seen, 3000);
}
