# Objects that still live when the program ends are deleted then, as in a script.
# stdout:
# |released early
# |end of the program
# |finalizer of late
# |released late
# |released in a list
import weakref


class Resource:
    def __init__(self, name):
        self.name = name

    def __del__(self):
        print("released", self.name)


early = Resource("early")
late = Resource("late")
held = [Resource("in a list")]
weakref.finalize(late, print, "finalizer of late")
del early
print("end of the program")
