# Turns a small dialect of Markdown into HTML with one class for each block.
# stdout:
# |<h1 id="release-notes">Release <em>notes</em></h1>
# |<p>Belljar <strong>2.0</strong> is <code>fast</code> &amp; &lt;safe&gt;. See <a href="https://example.org/a_b_c" title="Home">the site</a>. A second line of the paragraph.</p>
# |<h2 id="changes">Changes</h2>
# |<ul><li>first item</li><li>second with <code>code *not bold*</code></li><li class=sub>nested</li><li><del>third</del></li></ul>
# |<ol><li>one</li><li>two</li></ol>
# |<blockquote>quoted text goes on</blockquote>
# |<pre>def f(x):
# |    return x &lt; 3 and &quot;# no heading&quot;</pre>
# |<tr><th align="left">Name</th><th align="right">Count</th></tr>
# |<tr><td align="left">tea</td><td align="right">12</td></tr>
# |<tr><td align="left">milk</td><td align="right">3</td></tr>
# |<hr>
# |<p>The end&#42; <img src="logo.png" alt="logo"></p>
# |12 blocks; 31 tags
import html
import re

SOURCE = """\
# Release *notes*

Belljar **2.0** is `fast` & <safe>. See [the site](https://example.org/a_b_c "Home").
A second line of the paragraph.

## Changes

- first item
- second with `code *not bold*`
    - nested
- ~~third~~

1. one
2. two

> quoted text
> goes on

```python
def f(x):
    return x < 3 and "# no heading"
```

| Name | Count |
|:-----|------:|
| tea  | 12    |
| milk | 3     |

---
The end\\* ![logo](logo.png)
"""


def inline(text):
    codes = []

    def keep(match):
        codes.append(f"<code>{html.escape(match[1])}</code>")
        return f"\0{len(codes) - 1}\0"

    text = re.sub(r"`([^`]+)`", keep, text)
    text = re.sub(r"\\([*_`])", lambda m: f"&#{ord(m[1])};", html.escape(text, quote=False).replace("&amp;#", "&#"))
    text = re.sub(r"!\[([^\]]*)\]\(([^)\s]+)\)", r'<img src="\2" alt="\1">', text)
    text = re.sub(r'\[([^\]]+)\]\(([^)\s]+)(?: "([^"]*)")?\)', lambda m: f'<a href="{m[2]}"' + (f' title="{m[3]}"' if m[3] else "") + f">{m[1]}</a>", text)
    for mark, tag in ((r"\*\*", "strong"), (r"\*", "em"), ("~~", "del")):
        text = re.sub(rf"{mark}(.+?){mark}", rf"<{tag}>\1</{tag}>", text)
    return re.sub(r"\0(\d+)\0", lambda m: codes[int(m[1])], text)


def blocks(lines):
    lines = iter(lines)
    paragraph = []

    def flush():
        if paragraph:
            yield f"<p>{inline(' '.join(paragraph))}</p>"
            paragraph.clear()

    pending = None
    while True:
        line = pending if pending is not None else next(lines, None)
        pending = None
        if line is None:
            yield from flush()
            return
        if not line.strip():
            yield from flush()
        elif match := re.match(r"(#{1,6})\s+(.*)", line):
            yield from flush()
            level = len(match[1])
            slug = re.sub(r"[^a-z0-9]+", "-", match[2].lower()).strip("-")
            yield f'<h{level} id="{slug}">{inline(match[2])}</h{level}>'
        elif line.startswith("```"):
            yield from flush()
            code = []
            while (line := next(lines, "```")) != "```":
                code.append(html.escape(line))
            yield "<pre>" + "\n".join(code) + "</pre>"
        elif match := re.match(r"(\s*)([-*]|\d+\.)\s+(.*)", line):
            yield from flush()
            items = []
            while line is not None and (match := re.match(r"(\s*)([-*]|\d+\.)\s+(.*)", line)):
                items.append((len(match[1]) // 4, match[2][-1] == ".", inline(match[3])))
                line = next(lines, None)
            pending = line
            tag = "ol" if items[0][1] else "ul"
            yield f"<{tag}>" + "".join(f"<li{' class=sub' if depth else ''}>{text}</li>" for depth, _, text in items) + f"</{tag}>"
        elif line.startswith("|"):
            rows = []
            while line is not None and line.startswith("|"):
                rows.append([cell.strip() for cell in line.strip("|").split("|")])
                line = next(lines, None)
            pending = line
            align = ["right" if mark.endswith(":") else "left" for mark in rows.pop(1)]
            for index, row in enumerate(rows):
                tag = "td" if index else "th"
                yield "<tr>" + "".join(f'<{tag} align="{a}">{inline(c)}</{tag}>' for a, c in zip(align, row)) + "</tr>"
        elif line.startswith(">"):
            quote = []
            while line is not None and line.startswith(">"):
                quote.append(line.lstrip("> "))
                line = next(lines, None)
            pending = line
            yield f"<blockquote>{inline(' '.join(quote))}</blockquote>"
        elif re.fullmatch(r"-{3,}", line):
            yield from flush()
            yield "<hr>"
        else:
            paragraph.append(line)


output = list(blocks(SOURCE.splitlines()))
print("\n".join(output))
print(len(output), "blocks;", sum(len(re.findall(r"<(\w+)", part)) for part in output), "tags")
