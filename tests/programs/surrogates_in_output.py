# Printing half a surrogate pair is escaped, not a crash.
# differs: what cannot be encoded is shown with a backslash, as in a notebook
# stdout:
# |ok \ud83d end
print("ok", "\ud83d", "end")
