# Several errors at once, handled in part.
# status: exited 1
# stdout:
# |handled (ValueError('b'),)
# error: ExceptionGroup
# error has: many (1 sub-exception)
# traceback has: TypeError: a
try:
    raise ExceptionGroup("many", [TypeError("a"), ValueError("b")])
except* ValueError as group:
    print("handled", group.exceptions)
