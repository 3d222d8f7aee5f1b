# A traceback shows the program's own lines, through functions.
# status: exited 1
# stdout:
# |before
# error: KeyError
# error has: 'price'
# traceback has: line 14, in total
# traceback has: return sum(row["price"] for row in rows)
# traceback has: line 18, in <module>
# traceback has: total([{"name": "x"}])


def total(rows):
    return sum(row["price"] for row in rows)


print("before")
total([{"name": "x"}])
