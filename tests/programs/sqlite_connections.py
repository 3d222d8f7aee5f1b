# Two connections to one database see and lock each other out as on any system.
# stdout:
# |[(1,)] [(1,)]
# |OperationalError database is locked
# |[(1,), (2,)]
# |OperationalError database is locked
# |[(1,), (2,), (3,)]
# |wal [(1,), (2,), (3,)] [(1,), (2,), (3,), (4,)]
# |['app.db']
# wrote: app.db
import os
import sqlite3

one = sqlite3.connect("app.db", timeout=0.1)
one.execute("create table t (v int)")
one.execute("insert into t values (1)")
one.commit()
two = sqlite3.connect("app.db", timeout=0.1)
query = "select v from t order by v"
print(one.execute(query).fetchall(), two.execute(query).fetchall())

one.execute("insert into t values (2)")
try:
    two.execute("insert into t values (9)")
except sqlite3.OperationalError as error:
    print(type(error).__name__, error)
two.rollback()
one.commit()
print(two.execute(query).fetchall())

reading = two.execute(query)
next(reading)
one.execute("insert into t values (3)")
try:
    one.commit()
except sqlite3.OperationalError as error:
    print(type(error).__name__, error)
reading.close()
one.commit()
print(two.execute(query).fetchall())

kind = two.execute("pragma journal_mode=wal").fetchone()[0]
one.execute("insert into t values (4)")
before = two.execute(query).fetchall()
one.commit()
print(kind, before, two.execute(query).fetchall())
one.close()
two.close()
print(os.listdir())
