# Files that nobody closed have what was written to them when the run ends.
# stdout:
# |body
# |text True packed
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


class Check:
    # Goes last, after the files that stand before it.
    def __del__(self, unzip=gzip.open, is_zip=zipfile.is_zipfile):
        print(open("a.txt").read(), is_zip("d.zip"), unzip("c.gz", "rt").read())


check = Check()
