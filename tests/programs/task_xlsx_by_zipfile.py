# Writes a small spreadsheet file by hand and reads the cells back.
# stdout:
# |None
# |[Content_Types].xml (2026, 3, 1, 12, 30, 10) 98 6b74b8e6
# |xl/workbook.xml (2026, 3, 1, 12, 30, 10) 158 58d3fb1a
# |xl/worksheets/sheet1.xml (2026, 3, 1, 12, 30, 10) 1039 eabc4119
# |{('A', 1): 'Region', ('B', 1): 'Quarter', ('C', 1): 'Revenue', ('D', 1): 'Note', ('A', 2): 'North', ('B', 2): 'Q1', ('C', 2): 12500.75, ('D', 2): 'ok', ('A', 3): 'South', ('B', 3): 'Q1', ('C', 3): 9800.0, ('D', 3): 'a < b & c', ('A', 4): 'North', ('B', 4): 'Q2', ('C', 4): 14100.5, ('A', 5): 'Total', ('C', 5): '=SUM(C2:C4)', ('D', 5): 'formula'}
# |revenue: 36401.25
# |['A', 'Z', 'AA', 'AZ', 'BA', 'ZZ', 'AAA']
# wrote: sales.xlsx
import io
import re
import zipfile
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

ROWS = [
    ["Region", "Quarter", "Revenue", "Note"],
    ["North", "Q1", 12500.75, "ok"],
    ["South", "Q1", 9800, "a < b & c"],
    ["North", "Q2", 14100.5, None],
    ["Total", "", "=SUM(C2:C4)", "formula"],
]
NS = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}


def column(index):
    name = ""
    while index >= 0:
        index, rest = divmod(index, 26)
        name = chr(65 + rest) + name
        index -= 1
    return name


def cell(row, col, value):
    ref = f"{column(col)}{row + 1}"
    if value is None or value == "":
        return ""
    if isinstance(value, (int, float)):
        return f'<c r="{ref}"><v>{value}</v></c>'
    if value.startswith("="):
        return f'<c r="{ref}"><f>{escape(value[1:])}</f></c>'
    return f'<c r="{ref}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'


sheet = "".join(
    f'<row r="{r + 1}">{"".join(cell(r, c, v) for c, v in enumerate(row))}</row>' for r, row in enumerate(ROWS)
)
parts = {
    "[Content_Types].xml": '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
    "xl/workbook.xml": f'<?xml version="1.0"?><workbook xmlns="{NS["m"]}"><sheets><sheet name="Sales" sheetId="1"/></sheets></workbook>',
    "xl/worksheets/sheet1.xml": f'<?xml version="1.0" encoding="UTF-8"?><worksheet xmlns="{NS["m"]}"><sheetData>{sheet}</sheetData></worksheet>',
}
with zipfile.ZipFile("sales.xlsx", "w", zipfile.ZIP_DEFLATED) as book:
    for name, content in parts.items():
        info = zipfile.ZipInfo(name, (2026, 3, 1, 12, 30, 10))
        info.compress_type = zipfile.ZIP_DEFLATED
        book.writestr(info, content)

with zipfile.ZipFile("sales.xlsx") as book:
    print(book.testzip())
    for info in book.infolist():
        print(info.filename, info.date_time, info.file_size, f"{info.CRC:08x}")
    tree = ET.parse(io.BytesIO(book.read("xl/worksheets/sheet1.xml")))

table = {}
for node in tree.iterfind(".//m:c", NS):
    letters, number = re.fullmatch(r"([A-Z]+)(\d+)", node.get("r")).groups()
    text = node.findtext("m:v", namespaces=NS) or node.findtext("m:is/m:t", namespaces=NS)
    formula = node.findtext("m:f", namespaces=NS)
    table[letters, int(number)] = float(text) if node.find("m:v", NS) is not None else text or f"={formula}"
print(table)
print("revenue:", sum(v for (letters, number), v in table.items() if letters == "C" and isinstance(v, float)))
print([column(i) for i in (0, 25, 26, 51, 52, 701, 702)])
