# Keeps a database in a file, with a transaction that is rolled back.
# stdout:
# |refused: UNIQUE constraint failed: t.k
# |[('a', 1), ('b', 2)]
# |b'SQLite format 3'
# wrote: app.db
import sqlite3

with sqlite3.connect("app.db") as db:
    db.execute("create table t (k text primary key, v int)")
    db.execute("insert into t values ('a', 1), ('b', 2)")
try:
    with db:
        db.execute("update t set v = v + 10")
        db.execute("insert into t values ('a', 3)")
except sqlite3.IntegrityError as error:
    print("refused:", error)
print(db.execute("select * from t order by k").fetchall())
db.close()
print(open("app.db", "rb").read(15))
