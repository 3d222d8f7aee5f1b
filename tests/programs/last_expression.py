# The value of the last expression is the result, as in a notebook.
# result: {'mean': 2, 'all': [1, 2, 3]}
data = [1, 2, 3]
{"mean": sum(data) // len(data), "all": data}
