"""Pools of workers that do each piece of work when it is handed in."""
import concurrent.futures
import concurrent.futures.thread
import itertools


class InlineExecutor(concurrent.futures.Executor):
    """Runs each call when it is submitted."""

    def __init__(self, max_workers=None, *args, initializer=None, initargs=(), **options):
        if max_workers is not None and max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        self._max_workers = max_workers or 1
        self._closed = False
        if initializer is not None:
            initializer(*initargs)

    def submit(self, fn, /, *args, **kwargs):
        if self._closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future = concurrent.futures.Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(fn(*args, **kwargs))
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            future.set_exception(error)
        return future

    def shutdown(self, wait=True, *, cancel_futures=False):
        self._closed = True


class ThreadPoolExecutor(InlineExecutor):
    __doc__ = InlineExecutor.__doc__

    def __init__(self, max_workers=None, thread_name_prefix="", initializer=None, initargs=(), **options):
        super().__init__(max_workers, initializer=initializer, initargs=initargs)


class ProcessPoolExecutor(InlineExecutor):
    __doc__ = InlineExecutor.__doc__

    def __init__(self, max_workers=None, mp_context=None, initializer=None, initargs=(), **options):
        super().__init__(max_workers, initializer=initializer, initargs=initargs)


class AsyncResult:
    """What became of a call that was made already."""

    def __init__(self, function, callback, error_callback):
        try:
            self._value, self._success = function(), True
        except Exception as error:
            self._value, self._success = error, False
        called = callback if self._success else error_callback
        if called is not None:
            called(self._value)

    def ready(self):
        return True

    def successful(self):
        return self._success

    def wait(self, timeout=None):
        pass

    def get(self, timeout=None):
        if self._success:
            return self._value
        raise self._value


class ThreadPool:
    """multiprocessing.pool.ThreadPool, which runs each call when it is made."""

    def __init__(self, processes=None, initializer=None, initargs=(), *more, **options):
        if processes is not None and processes < 1:
            raise ValueError("Number of processes must be at least 1")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        self._closed = False
        if initializer is not None:
            initializer(*initargs)

    def _check(self):
        if self._closed:
            raise ValueError("Pool not running")

    def apply(self, func, args=(), kwds={}):
        self._check()
        return func(*args, **kwds)

    def map(self, func, iterable, chunksize=None):
        self._check()
        return [func(item) for item in iterable]

    def starmap(self, func, iterable, chunksize=None):
        self._check()
        return [func(*item) for item in iterable]

    def imap(self, func, iterable, chunksize=1):
        self._check()
        return map(func, iterable)

    def imap_unordered(self, func, iterable, chunksize=1):
        return self.imap(func, iterable)

    def apply_async(self, func, args=(), kwds={}, callback=None, error_callback=None):
        self._check()
        return AsyncResult(lambda: func(*args, **kwds), callback, error_callback)

    def map_async(self, func, iterable, chunksize=None, callback=None, error_callback=None):
        self._check()
        return AsyncResult(lambda: [func(item) for item in iterable], callback, error_callback)

    def starmap_async(self, func, iterable, chunksize=None, callback=None, error_callback=None):
        self._check()
        return AsyncResult(lambda: list(itertools.starmap(func, iterable)), callback, error_callback)

    def close(self):
        self._closed = True

    def terminate(self):
        self._closed = True

    def join(self):
        if not self._closed:
            raise ValueError("Pool is still running")

    def __enter__(self):
        self._check()
        return self

    def __exit__(self, *failure):
        self.terminate()


def install():
    """Puts these pools in the place of those with threads and processes."""
    futures = concurrent.futures
    for executor in (ThreadPoolExecutor, ProcessPoolExecutor):
        executor.__module__ = "concurrent.futures"
        executor.__qualname__ = executor.__name__
        setattr(futures, executor.__name__, executor)
    futures.thread.ThreadPoolExecutor = ThreadPoolExecutor
    import multiprocessing.dummy
    import multiprocessing.pool
    ThreadPool.__module__ = "multiprocessing.pool"
    multiprocessing.pool.ThreadPool = ThreadPool
    multiprocessing.dummy.Pool = _pool


def _pool(processes=None, initializer=None, initargs=()):
    return ThreadPool(processes, initializer, initargs)
