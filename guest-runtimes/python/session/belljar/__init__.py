"""What a program can ask of its host while it runs."""
from _belljar.api import CallDenied, CallError, call, call_async, progress

__all__ = ["CallDenied", "CallError", "call", "call_async", "progress"]
