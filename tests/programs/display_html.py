# Shows a table as HTML, and the same object as plain text.
# differs: `display` is a notebook's, and built in here
# output has: text/html <td>1</td>
# output has: text/plain Table
class Table:
    def _repr_html_(self):
        return "<table><tr><td>1</td></tr></table>"

    def __repr__(self):
        return "Table(1 row)"


display(Table())
