# Slices, splits and translates strings.
# stdout:
# |{'name': 'Ann Lee', 'age': '42', 'city': 'Oslo'}
# |hELLO wORLD ['a', 'b', '', 'c'] axbxc cba
# |bonono tab     bed t
# |('file.tar', '.', 'gz') 00042 a-cabc **x**
text = "  Name: Ann Lee ; Age: 42 ;; City: Oslo  "
pairs = dict(part.split(":", 1) for part in text.split(";") if ":" in part)
print({key.strip().lower(): value.strip() for key, value in pairs.items()})
print("hello world".title().swapcase(), "a,b,,c".split(","), "x".join("abc"), "abc"[::-1])
print("banana".translate(str.maketrans("an", "on")), "tab\tbed".expandtabs(8), "%s" % ("t",))
print("file.tar.gz".rpartition("."), "42".zfill(5), "abcabc".replace("b", "-", 1), "  x ".strip().center(5, "*"))
