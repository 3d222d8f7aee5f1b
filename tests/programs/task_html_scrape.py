# Reads tables, links and headings out of an HTML page and writes them as CSV and Markdown.
# file page.html:
# |<!DOCTYPE html>
# |<html><head><title>Prices &mdash; March</title><style>td { color: red }</style></head>
# |<body>
# |<h1 class="big">Prices</h1>
# |<p>See <a href="/old?x=1&amp;y=2">old prices</a> or <a href='https://example.org/#top' title=top>the <b>home</b> page</a>.
# |<table id=prices>
# |  <tr><th>Item<th>Price<th>Stock</tr>
# |  <tr><td>Tea &amp; more</td><td>&euro;3.50</td><td>12</td></tr>
# |  <tr><td>Coffee<br>beans</td><td>&#8364;11.00<td>0
# |</table>
# |<script>if (1 < 2) { document.write("<td>no</td>"); }</script>
# |<!-- <a href="hidden">hidden</a> -->
# |<h2>Notes</h2><ul><li>one<li>two <img src="a.png" alt="picture"/></ul>
# |</body></html>
# stdout:
# |Prices — March [(1, 'Prices'), (2, 'Notes')] ['<a href="hidden">hidden</a>'] [{'src': 'a.png', 'alt': 'picture'}]
# |old prices -> https://shop.example.org/old?x=1&y=2 shop.example.org {'x': ['1'], 'y': ['2']} ''
# |the home page -> https://example.org/#top example.org {} 'top'
# |Item,Price,Stock
# |Tea & more,€3.50,12
# |Coffee beans,€11.00,0
# |
# || Item         | Price  | Stock |
# ||--------------|--------|-------|
# || Tea & more   | €3.50  | 12    |
# || Coffee beans | €11.00 | 0     |
# |42.00 ['See', 'old prices', 'or', 'the', 'home', 'page', '.', 'one', 'two']
import csv
import io
from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit


class Page(HTMLParser):
    VOID = {"br", "img", "meta"}

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.title = ""
        self.links, self.rows, self.headings, self.comments, self.images = [], [], [], [], []
        self.stack = []
        self.text = []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag == "a":
            self.links.append([attributes.get("href"), ""])
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag in ("h1", "h2"):
            self.headings.append((int(tag[1]), ""))
        elif tag == "br":
            self.handle_data(" ")
        elif tag == "img":
            self.images.append(attributes)
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        if tag in self.stack:
            while self.stack.pop() != tag:
                pass

    def handle_comment(self, data):
        self.comments.append(data.strip())

    def handle_data(self, data):
        if not self.stack or self.stack[-1] in ("script", "style"):
            return
        if "a" in self.stack:
            self.links[-1][1] += data
        if self.stack[-1] in ("td", "th"):
            self.rows[-1][-1] += data.strip("\n")
        elif self.stack[-1] in ("h1", "h2"):
            level, text = self.headings[-1]
            self.headings[-1] = (level, text + data)
        elif self.stack[-1] == "title":
            self.title += data
        elif data.strip():
            self.text.append(" ".join(data.split()))


page = Page()
with open("page.html", encoding="utf-8") as source:
    for chunk in iter(lambda: source.read(64), ""):
        page.feed(chunk)
page.close()
print(page.title, page.headings, page.comments, page.images)
for href, text in page.links:
    full = urljoin("https://shop.example.org/now/", href)
    parts = urlsplit(full)
    print(text, "->", full, parts.netloc, parse_qs(parts.query), repr(parts.fragment))
out = io.StringIO()
csv.writer(out, quoting=csv.QUOTE_MINIMAL).writerows(page.rows)
print(out.getvalue().replace("\r", ""))
widths = [max(len(row[i]) for row in page.rows) for i in range(3)]
for index, row in enumerate(page.rows):
    print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |")
    if index == 0:
        print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
value = sum(float(price.strip("€")) * int(stock) for _, price, stock in page.rows[1:])
print(f"{value:.2f}", page.text)
