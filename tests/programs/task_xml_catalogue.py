# Reads, changes and writes XML: a catalogue, namespaces, a feed, streaming, plist and errors.
# file books.xml:
# |<?xml version="1.0" encoding="UTF-8"?>
# |<!DOCTYPE catalogue [<!ENTITY pub "Best &amp; Sons">]>
# |<catalogue xmlns:x="urn:extra">
# |  <!-- two books -->
# |  <book id="b1" x:rating="5"><title>Dünen &amp; Meer</title><author>Ann</author><price currency="EUR">12.50</price><pub>&pub;</pub></book>
# |  <book id="b2"><title><![CDATA[a < b]]></title><author>Bo</author><author>Cem</author><price currency="USD">9.99</price></book>
# |  <?render fast?>
# |</catalogue>
# stdout:
# |b1 Dünen & Meer | Ann | 12.5 EUR 5 Best & Sons
# |b2 a < b | Bo, Cem | 9.99 USD None -
# |['b2'] Dünen & Meer 3 ['price', 'price']
# |<?xml version='1.0' encoding='utf-8'?>
# |<catalogue>
# |  <book id="b2">
# |    <title>a &lt; b</title>
# |    <author>Bo</author>
# |    <author>Cem</author>
# |    <price currency="EUR">8.99</price>
# |  </book>
# |  <book id="b3" title="say &quot;hi&quot; &lt;now&gt;">
# |    <empty />
# |    <!--note-->
# |    <tail />after</book>
# |</catalogue>
# |<a:feed xmlns:a="http://www.w3.org/2005/Atom"><a:title>Neuigkeiten ☃</a:title></a:feed> b'<a:feed xmlns:a="http://www.w3.org/2005/Atom"><a:title>Neuig' <b a="2" z="1"></b>
# |streamed b1 4
# |streamed b2 4
# |[]
# |[('end', 'i', '1'), ('end', 'i', '2')]
# |[('end', 'r', None)]
# |{'catalogue': 1, 'book': 2, 'title': 2, 'author': 3, 'price': 2, 'pub': 1} 3
# |<?xml version="1.0" ?>
# |<a>
# | <b c="1">text</b>
# | <!--x-->
# | <d e="&lt;&amp;&gt;"/>
# |</a>
# | text
# |<?xml version="1.0" encoding="utf-8"?>
# |<root k="1 &amp; 2">x &lt; y</root> 'a "b"'
# |'<a><b></a>'       mismatched tag: line 1, column 8 7 (1, 8)
# |'<a>&nope;</a>'    undefined entity: line 1, column 3 11 (1, 3)
# |''                 no element found: line 1, column 0 3 (1, 0)
# |'<a x=1/>'         not well-formed (invalid token): line 1, column 5 4 (1, 5)
# |'<a/><b/>'         junk after document element: line 1, column 4 9 (1, 4)
# |{'list': [True, 1.5], 'n': 1099511627776, 'name': 'x', 'raw': b'\x00\xff', 'when': datetime.datetime(2026, 3, 1, 0, 0)} 57
# wrote: out.xml
import io
import plistlib
import sys
import xml.etree.ElementTree as ET
import xml.sax
from collections import Counter
from datetime import datetime
from xml.dom import minidom
from xml.sax.saxutils import XMLGenerator, quoteattr

tree = ET.parse("books.xml")
root = tree.getroot()
for book in root.findall("book"):
    authors = ", ".join(a.text for a in book.iter("author"))
    price = book.find("price")
    print(book.get("id"), book.findtext("title"), "|", authors, "|", float(price.text), price.get("currency"), book.get("{urn:extra}rating"), book.findtext("pub", "-"))
print([b.get("id") for b in root.findall("./book[author='Cem']")], root.find("book[@id='b1']/title").text, len(root.findall(".//author")), [e.tag for e in root.iterfind("book/*[@currency]")])
for book in root:
    price = book.find("price")
    if price.get("currency") == "USD":
        price.text = f"{float(price.text) * 0.9:.2f}"
        price.set("currency", "EUR")
new = ET.SubElement(root, "book", {"id": "b3", "title": 'say "hi" <now>'})
ET.SubElement(new, "empty")
new.extend([ET.Comment("note"), ET.Element("tail")])
new[-1].tail = "after"
root.remove(root.find("book[@id='b1']"))
ET.indent(tree, "  ")
tree.write("out.xml", encoding="utf-8", xml_declaration=True)
print(open("out.xml", encoding="utf-8").read())
ET.register_namespace("a", "http://www.w3.org/2005/Atom")
feed = ET.Element("{http://www.w3.org/2005/Atom}feed")
ET.SubElement(feed, "{http://www.w3.org/2005/Atom}title").text = "Neuigkeiten ☃"
print(ET.tostring(feed, encoding="unicode"), ET.tostring(feed)[:60], ET.canonicalize('<b z="1" a="2"/>'))
for event, element in ET.iterparse("books.xml", events=("start", "end")):
    if event == "end" and element.tag == "book":
        print("streamed", element.get("id"), len(element))
        element.clear()
parser = ET.XMLPullParser(["end"])
for chunk in ("<r><i>1</", "i><i>2</i>", "</r>"):
    parser.feed(chunk)
    print([(e, x.tag, x.text) for e, x in parser.read_events()])


class Tags(xml.sax.ContentHandler):
    def __init__(self):
        super().__init__()
        self.tags, self.depth, self.deepest = Counter(), 0, 0

    def startElement(self, name, attrs):
        self.tags[name] += 1
        self.depth += 1
        self.deepest = max(self.depth, self.deepest)

    def endElement(self, name):
        self.depth -= 1


handler = Tags()
xml.sax.parse("books.xml", handler)
print(dict(handler.tags), handler.deepest)
document = minidom.parseString("<a><b c='1'>text</b><!--x--></a>")
document.documentElement.appendChild(document.createElement("d")).setAttribute("e", "<&>")
print(document.toprettyxml(indent=" ", newl="\n"), document.getElementsByTagName("b")[0].firstChild.data)
out = io.StringIO()
writer = XMLGenerator(out, "utf-8", short_empty_elements=True)
writer.startDocument()
writer.startElement("root", {"k": "1 & 2"})
writer.characters("x < y")
writer.endElement("root")
print(out.getvalue(), quoteattr('a "b"'))
for bad in ("<a><b></a>", "<a>&nope;</a>", "", "<a x=1/>", "<a/><b/>"):
    try:
        ET.fromstring(bad)
    except ET.ParseError as error:
        print(f"{bad!r:<18} {error} {error.code} {error.position}")
data = plistlib.dumps({"name": "x", "n": 2**40, "when": datetime(2026, 3, 1), "raw": b"\x00\xff", "list": [True, 1.5]}, sort_keys=True)
print(plistlib.loads(data), len(plistlib.dumps({"a": [1, 2]}, fmt=plistlib.FMT_BINARY)), file=sys.stdout)
