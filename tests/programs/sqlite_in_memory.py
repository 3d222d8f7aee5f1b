# Answers a question with SQL over an in-memory database.
# stdout:
# |2026-01 | ann | 10.0 | 1
# |2026-01 | bob | 5.5 | 2
# |2026-02 | cy | 99.0 | 1
# |2026-02 | ann | 2.5 | 2
import sqlite3

db = sqlite3.connect(":memory:")
db.execute("create table orders (customer text, total real, day text)")
db.executemany(
    "insert into orders values (?, ?, ?)",
    [("ann", 10, "2026-01-02"), ("bob", 5.5, "2026-01-02"), ("ann", 2.5, "2026-02-03"), ("cy", 99, "2026-02-04")],
)
query = """
    with monthly as (
        select customer, strftime('%Y-%m', day) as month, sum(total) as total
        from orders group by customer, month
    )
    select month, customer, total, rank() over (partition by month order by total desc) as place
    from monthly order by month, place
"""
for row in db.execute(query):
    print(*row, sep=" | ")
