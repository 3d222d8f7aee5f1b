"""What one run means on the machine's own Python, whose entry is `entrypoint.py`;
and what programs have of it: `belljar.progress` and the like, which are loaded
when they are first wanted.
"""
__all__ = ["CallDenied", "CallError", "call", "call_async", "progress"]


def __getattr__(name):
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import api
    return getattr(api, name)


def __dir__():
    return __all__
