# Files that nobody closed have what was written to them when the run ends.
# stdout:
# |body
# wrote: a.txt b.csv c.gz d.zip
import csv, gzip, zipfile

a = open("a.txt", "w")
a.write("text")
w = csv.writer(open("b.csv", "w", newline=""))
w.writerow([1, 2])
g = gzip.open("c.gz", "wt")
g.write("packed")
z = zipfile.ZipFile("d.zip", "w")
z.writestr("x", "y")
print("body")

