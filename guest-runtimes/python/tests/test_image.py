"""Programs against the image.

    python3 -m pip install wasmtime==48.0.0
    IMAGE=.../python.wasm python3 -m unittest discover guest-runtimes/python/tests

Without IMAGE the tests unpack `python.wasm.zst` with the zstd program.
"""
import os
import subprocess
import tempfile
import unittest

from guest import Guest, Image

HERE = os.path.dirname(os.path.abspath(__file__))
image = None


def setUpModule():
    global image
    path = os.environ.get("IMAGE")
    if path:
        image = Image(path)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "python.wasm")
        subprocess.run(["zstd", "-q", "-d", os.path.join(HERE, "..", "python.wasm.zst"), "-o", path],
                       check=True)
        image = Image(path)


class ImageTest(unittest.TestCase):
    stdin = ""

    def setUp(self):
        self.guest = Guest(image, self.stdin)
        self.addCleanup(self.guest.close)

    def run_ok(self, code, **members):
        reply = self.guest.run(code, **members)
        self.assertIsNone(reply["error"], reply)
        self.assertEqual(reply["exit_code"], 0)
        return reply

    def result(self, code, **members):
        return self.run_ok(code, **members)["result"]

    def error(self, code, name, **members):
        reply = self.guest.run(code, **members)
        self.assertIsNotNone(reply["error"], reply)
        self.assertEqual(reply["error"]["name"], name, reply["error"])
        self.assertEqual(reply["exit_code"], 1)
        return reply["error"]


class Results(ImageTest):
    def test_print_and_last_expression(self):
        reply = self.run_ok("print('hi')\n6 * 7")
        self.assertEqual((reply["stdout"], reply["result"]), ("hi\n", "42"))
        self.assertEqual(self.result("_ + 1"), "43")
        self.assertIsNone(self.result("None"))
        self.assertIsNone(self.result("x = 1"))
        self.assertEqual(self.result("x"), "1")

    def test_long_results_are_cut(self):
        for code in ("'a' * 10**7", "[0] * 10**6", "{i: i for i in range(10**5)}", "10**4000"):
            result = self.result(code, result_bytes=1000)
            self.assertLess(len(result), 1100, code)
            self.assertIn("[cut, ", result)

    def test_rich_outputs(self):
        reply = self.run_ok(
            "from IPython.display import HTML, Image\n"
            "display(HTML('<b>x</b>'), {'a': 1})\n"
            "Image(b'\\x89PNG')")
        self.assertEqual([sorted(output) for output in reply["outputs"]],
                         [["text/html", "text/plain"], ["text/plain"], ["image/png", "text/plain"]])
        self.assertEqual(reply["outputs"][2]["image/png"], "iVBORw==")

    def test_outputs_are_bounded(self):
        reply = self.run_ok("for i in range(50): display('x' * 1000)", output_bytes=10_000)
        size = sum(len(output["text/plain"]) for output in reply["outputs"])
        self.assertLess(size, 11_000)
        self.assertIn("left out", reply["outputs"][-1]["text/plain"])

    def test_surrogates(self):
        reply = self.run_ok("print('\\udc80'); '\\udc80'")
        self.assertEqual(reply["stdout"], "\\udc80\n")
        self.assertIn("udc80", self.error("raise ValueError('\\udc80')", "ValueError")["value"])

    def test_exit_codes(self):
        for code, expected in (("None", 0), ("3", 3), ("True", 1), ("'bye'", 1), ("256 + 7", 7)):
            reply = self.guest.run(f"raise SystemExit({code})")
            self.assertEqual((reply["exit_code"], reply["error"]), (expected, None))
        self.assertEqual(self.guest.run("exit(4)")["exit_code"], 4)


class Errors(ImageTest):
    def test_traceback_has_only_the_program(self):
        error = self.error("def f():\n    return 1 / 0\nf()", "ZeroDivisionError")
        self.assertIn('File "<cell 1>", line 2, in f', error["traceback"])
        self.assertIn("~~^~~", error["traceback"])
        self.assertNotIn("_belljar", error["traceback"])

    def test_syntax_error(self):
        error = self.error("x = 1\ndef broken(:", "SyntaxError")
        self.assertIn("line 2", error["traceback"])

    def test_broken_descriptions(self):
        self.error("class E(Exception):\n    def __str__(self): 1 / 0\nraise E", "E")
        self.error("class R:\n    def __repr__(self): raise KeyError(1)\nR()", "KeyError")

    def test_recursion(self):
        error = self.error("def f(): f()\nf()", "RecursionError")
        self.assertLess(len(error["traceback"]), 5000)
        self.error("x = []\nfor _ in range(10**5): x = [x]\nrepr(x)", "RecursionError")
        self.assertEqual(self.result("1"), "1")

    def test_causes(self):
        self.assertEqual(self.error("[0] * 10**9", "MemoryError")["cause"], "memory")
        for number, cause in (("ENOSPC", "storage"), ("EDQUOT", "storage"), ("EMFILE", "descriptors")):
            error = self.error(f"import errno\nraise OSError(errno.{number}, 'x')", "OSError")
            self.assertEqual(error["cause"], cause)
        wrapped = "try:\n  raise MemoryError\nexcept MemoryError as e:\n  raise ValueError from e"
        self.assertEqual(self.error(wrapped, "ValueError")["cause"], "memory")
        self.assertIsNone(self.error("raise KeyboardInterrupt", "KeyboardInterrupt")["cause"])

    def test_null_bytes(self):
        self.error("x = '\0'", "SyntaxError")


class Surroundings(ImageTest):
    stdin = "first\nsecond\n"

    def test_request_decides(self):
        usual = ("'PATH': '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOME': '/workspace', "
                 "'TMPDIR': '/tmp', 'LANG': 'C.UTF-8', 'USER': 'belljar', 'LOGNAME': 'belljar'")
        code = "import os, sys\nsys.argv, dict(os.environ), os.getcwd()"
        first = self.result(code, args=["a", "b"], env={"K": "v"})
        self.assertEqual(first, f"(['main.py', 'a', 'b'], {{{usual}, 'K': 'v'}}, '/workspace')")
        self.assertEqual(self.result(code), f"(['main.py'], {{{usual}}}, '/workspace')")

    def test_stdin(self):
        self.assertEqual(self.result("input(), input()"), "('first', 'second')")
        self.assertIn("stdin", self.error("input()", "EOFError")["traceback"])

    def test_time_zone(self):
        code = ("import time, datetime\n"
                "time.tzname, time.localtime(1720000000).tm_hour, time.strftime('%Z', time.localtime(1720000000)), "
                "int(time.mktime((2024, 7, 3, 11, 46, 40, 0, 0, -1))), datetime.datetime(2024, 1, 1).astimezone().isoformat()")
        self.assertEqual(self.result(code, env={"TZ": "Europe/Berlin"}),
                         "(('CET', 'CEST'), 11, 'CEST', 1720000000, '2024-01-01T00:00:00+01:00')")
        self.assertEqual(self.result(code), "(('UTC', 'UTC'), 9, 'UTC', 1720007200, '2024-01-01T00:00:00+00:00')")
        self.assertEqual(self.result("time.tzname", env={"TZ": "NZST-12NZDT,M9.5.0,M4.1.0/3"}), "('NZST', 'NZDT')")
        self.assertEqual(self.result(
            "import zoneinfo\nstr(datetime.datetime(2024, 7, 1, tzinfo=zoneinfo.ZoneInfo('Asia/Tokyo')))"),
            "'2024-07-01 00:00:00+09:00'")

    def test_temporary_files(self):
        code = "import tempfile\nwith tempfile.NamedTemporaryFile() as f: f.name.startswith('/tmp/')"
        self.run_ok(code)
        self.assertEqual(os.listdir(self.guest.workspace), [])
        self.run_ok("open('/tmp/kept', 'w').write('x')")
        self.assertEqual(self.result("open('/tmp/kept').read()"), "'x'")
        self.assertEqual(os.listdir(self.guest.workspace), [".tmp"])

    def test_modules_from_the_workspace(self):
        with open(os.path.join(self.guest.workspace, "mine.py"), "w", encoding="utf-8") as file:
            file.write("VALUE = 7\n")
        self.assertEqual(self.result("import mine\nmine.VALUE"), "7")

    def test_libraries(self):
        self.assertEqual(self.result(
            "import sqlite3, zlib, bz2, lzma, zipfile, xml.etree.ElementTree as ET\n"
            "db = sqlite3.connect('a.db'); db.execute('create table t(a)'); db.commit(); db.close()\n"
            "[f.decompress(f.compress(b'x' * 99))[:1] for f in (zlib, bz2, lzma)], ET.fromstring('<a/>').tag"),
            "([b'x', b'x', b'x'], 'a')")

    def test_streams_are_restored(self):
        self.run_ok("import sys\nsys.stdout = None\nsys.stdin.close()")
        self.assertEqual(self.run_ok("print('back')")["stdout"], "back\n")
        self.run_ok("sys.stdout.close()")
        self.assertEqual(self.run_ok("print('again')")["stdout"], "again\n")


class Asyncio(ImageTest):
    def test_top_level_await_and_run(self):
        self.assertEqual(self.result(
            "import asyncio\nasync def f(i):\n  await asyncio.sleep(0)\n  return i\n"
            "await asyncio.gather(f(1), f(2))"), "[1, 2]")
        self.assertEqual(self.result("asyncio.run(f(3)), await asyncio.to_thread(pow, 2, 3)"), "(3, 8)")
        self.assertEqual(self.result("task = asyncio.create_task(f(4))\nawait task"), "4")

    def test_deadlock_is_an_error(self):
        error = self.error("import asyncio\nawait asyncio.Event().wait()", "RuntimeError")
        self.assertIn("deadlock", error["value"])


class Missing(ImageTest):
    def test_advice(self):
        for code, name, word in (
            ("import subprocess\nsubprocess.run(['ls'])", "OSError", "shell"),
            ("import os\nos.system('ls')", "OSError", "shell"),
            ("import urllib.request\nurllib.request.urlopen('http://x.test')", "URLError", "network"),
            ("import requests", "ModuleNotFoundError", "network"),
            ("import numpy as np", "ModuleNotFoundError", "statistics"),
            ("import matplotlib.pyplot as plt", "ModuleNotFoundError", "SVG"),
            ("import pip", "ModuleNotFoundError", "install"),
            ("!pip install x", "SyntaxError", "install"),
            ("!ls", "SyntaxError", "no shell"),
            ("%who", "SyntaxError", "magic"),
            ("import ctypes\nctypes.CDLL('libc.so.6')", "OSError", "native"),
            ("import multiprocessing\nmultiprocessing.Pool()", "OSError", "processes"),
            ("import multiprocessing as m\nm.Process(target=print).start()", "OSError", "processes"),
        ):
            with self.subTest(code):
                self.assertIn(word, self.error(code, name)["value"])

    def test_another_language_that_has_a_package(self):
        elsewhere = "python-native: numpy xgboost; : bad; " + "x" * 10_000 + ": long"
        text = self.error("import numpy", "ModuleNotFoundError", elsewhere=elsewhere)["value"]
        self.assertIn('language "python-native" has it; here use lists', text)
        text = self.error("import xgboost.core", "ModuleNotFoundError", elsewhere=elsewhere)["value"]
        self.assertIn('language "python-native" has it', text)
        self.assertNotIn("language", self.error("import bad", "ModuleNotFoundError", elsewhere=elsewhere)["value"])
        together = "other: x y; python-native: pandas numpy"
        text = self.error("import numpy", "ModuleNotFoundError", elsewhere=together)["value"]
        self.assertIn('language "python-native" has it; here use lists', text)
        self.assertLess(len(self.error("import long", "ModuleNotFoundError", elsewhere=elsewhere)["value"]), 200)
        # It is this run's and nobody else's, and nonsense is no reason to fail.
        for members in ({}, {"elsewhere": {"numpy": "x"}}, {"elsewhere": None}, {"elsewhere": "numpy"}):
            self.assertNotIn("language", self.error("import numpy", "ModuleNotFoundError", **members)["value"])

    def test_room_in_the_workspace(self):
        code = "import shutil\nshutil.disk_usage('.').total"
        self.assertEqual(self.result(code, disk_bytes=64 << 20), str(64 << 20))
        self.assertEqual(self.result(code), str(256 << 20))

    def test_executors_run_their_calls(self):
        self.assertEqual(self.result(
            "from concurrent.futures import ThreadPoolExecutor, as_completed\n"
            "with ThreadPoolExecutor(4) as e:\n  r = sorted(f.result() for f in as_completed([e.submit(pow, 2, i) for i in range(3)]))\nr"),
            "[1, 2, 4]")


class Interrupts(ImageTest):
    # Each first reads a clock, which is when the host of these tests interrupts.
    START = "import time, re; time.time()\n"

    def interrupted(self, code, reason, name="ExecutionTimeout"):
        self.guest.interrupt_with = reason
        error = self.error(self.START + code, name)
        self.assertEqual(error["cause"], "interrupt")
        return error

    def test_reasons(self):
        for reason, word in ((1, "wall"), (2, "CPU"), (3, "fuel")):
            self.assertIn(word, self.interrupted("while True: pass", reason)["value"])
        self.interrupted("while True: pass", 4, "KeyboardInterrupt")
        self.assertEqual(self.result("1"), "1")

    def test_loops_in_c(self):
        for code in ("re.match(r'(a+)+$', 'a' * 40 + 'b')", "9 ** 9 ** 7", "sorted(range(10**7), key=lambda x: -x)",
                     "exec('while True: pass')", "import asyncio\nasync def f():\n while True: await asyncio.sleep(0)\nawait f()"):
            self.interrupted(code, 1)

    def test_a_late_interrupt_does_not_reach_the_next_run(self):
        self.run_ok("1")
        self.guest.interrupt(1)
        self.assertEqual(self.result("sum(range(1000))"), "499500")

    def test_caught_interrupts_do_not_stay(self):
        # The first run of an instance reads a clock before its program does.
        self.run_ok("")
        self.guest.interrupt_with = 1
        self.assertEqual(self.result(
            "import time\ntry:\n  time.time()\n  while True: pass\n"
            "except BaseException as e: name = type(e).__name__\nname"),
            "'ExecutionTimeout'")
        self.assertEqual(self.result("len(list(range(10**5)))"), "100000")

    def test_other_signals_keep_working(self):
        self.assertEqual(self.result(
            "import signal\nhits = []\nsignal.signal(signal.SIGTERM, lambda *a: hits.append(a[0]))\n"
            "signal.raise_signal(signal.SIGTERM)\nhits"), "[15]")


class Instances(ImageTest):
    def test_fresh_instances_have_their_own_randomness(self):
        code = "import random, uuid, tempfile\nrandom.random(), next(tempfile._get_candidate_names())"
        other = Guest(image)
        self.addCleanup(other.close)
        self.assertNotEqual(self.result(code), other.run(code)["result"])

    def test_seeds_are_kept_within_an_instance(self):
        self.run_ok("import random\nrandom.seed(1)")
        self.assertEqual(self.result("random.random()"), "0.13436424411240122")

    def test_runs_leave_nothing_behind(self):
        for _ in range(300):
            self.guest.run("x = 1\nx")
        before = self.result("import gc, sys; gc.collect(); sys.getallocatedblocks()")
        size, pointer = self.guest.memory_size, self.guest.stack_pointer
        for _ in range(5_000):
            self.guest.run("x = 1\nx")
        after = self.result("gc.collect(); sys.getallocatedblocks()")
        self.assertLess(int(after) - int(before), 50)
        self.assertEqual((self.guest.memory_size, self.guest.stack_pointer), (size, pointer))

    def test_large_requests(self):
        self.assertEqual(self.result(f"len({'x' * 10**6!r})"), "1000000")
        self.assertEqual(self.result("2"), "2")


if __name__ == "__main__":
    unittest.main()
