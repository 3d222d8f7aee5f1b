# Keeps a to-do list in a database file with two connections, and backs it up.
# stdout:
# |[(1, 'write', 1), (2, 'test', 0), (3, 'ship', 0)]
# |in transaction: True changes: 2
# |(3, 258)
# |backup: write+test+ship
# |6 BEGIN TRANSACTION; COMMIT;
# |('0001',)
# |['backup.db', 'tasks.db'] 0
# |256 b'\xfd\xfe\xff' ('ok',) ('delete',)
# wrote: backup.db tasks.db
import os
import sqlite3
from contextlib import closing

SCHEMA = "CREATE TABLE IF NOT EXISTS task(id INTEGER PRIMARY KEY, title TEXT, done INTEGER DEFAULT 0, payload BLOB)"


def connect(path="tasks.db"):
    connection = sqlite3.connect(path)
    connection.execute(SCHEMA)
    return connection


with closing(connect()) as db, db:
    db.executemany("INSERT INTO task(title, payload) VALUES (?, ?)", [("write", b"\x00\x01"), ("test", None), ("ship", bytes(range(256)))])

writer = connect()
reader = connect()
writer.execute("UPDATE task SET done = 1 WHERE title = 'write'")
writer.commit()
print([row for row in reader.execute("SELECT id, title, done FROM task ORDER BY id")])
writer.execute("DELETE FROM task WHERE title = 'test'")
print("in transaction:", writer.in_transaction, "changes:", writer.total_changes)
writer.rollback()
print(reader.execute("SELECT count(*), sum(length(payload)) FROM task").fetchone())

with closing(sqlite3.connect("backup.db")) as target:
    writer.backup(target)
    print("backup:", target.execute("SELECT group_concat(title, '+') FROM task").fetchone()[0])
dump = list(writer.iterdump())
print(len(dump), dump[0], dump[-1])
copy = sqlite3.connect(":memory:")
copy.executescript("\n".join(dump))
print(copy.execute("SELECT hex(payload) FROM task WHERE id = 1").fetchone())
writer.close()
reader.close()
print(sorted(name for name in os.listdir() if name.endswith(".db")), os.path.getsize("tasks.db") % 4096)
with closing(connect()) as db:
    blob = db.execute("SELECT payload FROM task WHERE title = 'ship'").fetchone()[0]
    print(len(blob), blob[-3:], db.execute("PRAGMA integrity_check").fetchone(), db.execute("PRAGMA journal_mode").fetchone())
