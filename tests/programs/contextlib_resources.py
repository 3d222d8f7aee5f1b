# Manages resources with context managers.
# stdout:
# |enter a
# |enter b
# |A
# |swallowed inside
# |leave b
# |leave a
# |enter x
# |enter y
# |last in, first out
# |leave y
# |leave x
# |'hidden\n'
import contextlib
import io


@contextlib.contextmanager
def step(name):
    print("enter", name)
    try:
        yield name.upper()
    except ValueError as error:
        print("swallowed", error)
    finally:
        print("leave", name)


with step("a") as a, step("b"):
    print(a)
    raise ValueError("inside")
with contextlib.ExitStack() as stack:
    for name in "xy":
        stack.enter_context(step(name))
    stack.callback(print, "last in, first out")
with contextlib.suppress(FileNotFoundError), open("nope"):
    pass
captured = io.StringIO()
with contextlib.redirect_stdout(captured):
    print("hidden")
print(repr(captured.getvalue()))
