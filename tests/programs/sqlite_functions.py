# Uses full-text search, JSON functions and a function of its own in SQL.
# result: [('b', 2.0)]
# stdout:
# |(2,)
# |[('the quick fox',)]
import sqlite3

db = sqlite3.connect(":memory:")
db.create_function("half", 1, lambda value: value / 2)
print(db.execute("select json_extract('{\"a\": [1, 2]}', '$.a[1]')").fetchone())
db.execute("create virtual table notes using fts5(body)")
db.executemany("insert into notes values (?)", [("the quick fox",), ("a slow dog",)])
print(db.execute("select body from notes where notes match 'fox'").fetchall())
db.execute("create table t (k, v)")
db.executemany("insert into t values (?, ?)", [("a", 1), ("b", 4)])
db.execute("select k, half(v) from t where v > 2").fetchall()
