# Printing half a surrogate pair is escaped, not a crash.
# stdout:
# |ok \ud83d end
print("ok", "\ud83d", "end")
