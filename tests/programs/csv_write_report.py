# Writes a CSV file with quoting and reads it back.
# stdout:
# |True 4
# |4
# wrote: report.csv
import csv

rows = [["name", "note"], ["Ann", 'said "hi", twice'], ["Bo", "line\nbreak"], ["Çem", "naïve"]]
with open("report.csv", "w", newline="", encoding="utf-8") as file:
    csv.writer(file).writerows(rows)
with open("report.csv", newline="", encoding="utf-8") as file:
    back = list(csv.reader(file))
print(back == rows, len(back))
print(open("report.csv", encoding="utf-8", newline="").read().count("\r\n"))
