# Parses HTML and XML, and escapes text.
# stdout:
# |['/one', '/two?a=1&b=2'] &lt;b&gt;&quot;&amp; café 🚀
# |['1', '2'] a
# |<item id="3">&lt;&amp;&gt;</item>
import html
import xml.etree.ElementTree as ET
from html.parser import HTMLParser


class Links(HTMLParser):
    found = []

    def handle_starttag(self, tag, attributes):
        if tag == "a":
            self.found.append(dict(attributes).get("href"))


parser = Links()
parser.feed('<p>See <a href="/one">one</a> &amp; <a class=x href="/two?a=1&amp;b=2">two</a><br></p>')
print(parser.found, html.escape('<b>"&'), html.unescape("caf&eacute; &#128640;"))
root = ET.fromstring('<r xmlns:x="urn:x"><item id="1"><x:n>a</x:n></item><item id="2"/></r>')
print([item.get("id") for item in root.findall("item")], root.find(".//{urn:x}n").text)
element = ET.SubElement(root, "item", id="3")
element.text = "<&>"
print(ET.tostring(element, encoding="unicode"))
