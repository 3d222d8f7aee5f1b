# A last expression without a value has no result.
# stdout:
# |x
print("x")
