# Handles text in many scripts, normal forms and encodings.
# stdout:
# |Grüße, 世界 👩‍🚀 עברית 19 38
# |b'e\xcc\x81' LATIN SMALL LETTER SHARP S
# |True ǅ 69000703
# |תירבע b'na\xefve' b'\x80'
# |b'\x93\xfa\x96{' ��
import unicodedata

text = "Grüße, 世界 👩‍🚀 עברית"
print(text, len(text), len(text.encode()))
print(unicodedata.normalize("NFD", "é").encode("utf-8"), unicodedata.name("ß"))
print("STRASSE".casefold() == "straße".casefold(), "ǆ".title(), "İ".lower().encode("utf-16-le").hex())
print(text[::-1][:5], "naïve".encode("latin-1"), "€".encode("cp1252"))
print("日本".encode("shift_jis"), b"\xff\xfe".decode("utf-8", "replace"))
