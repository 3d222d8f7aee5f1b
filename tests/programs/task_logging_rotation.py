# Logs to rotating files with handlers, filters, a formatter of its own and a report of them.
# stdout:
# |WARNING |shop|login with password=*** failed
# |ERROR   |shop|lookup failed
# |
# |True True True
# |shop.log True 2 lookup failed | AL", "name": "shop.payment", "message": "child says hi", "line": true}
# |shop.log.1 True 3 order 6 paid, 59.94 € | e": "shop", "message": "login with password=*** failed", "line": true}
# |shop.log.2 True 2 order 4 paid, 39.96 € | p", "message": "order 5 paid, 49.95 \u20ac", "line": true, "order": 5}
# |(20, False, True)
# |I app.task.task started
# |E app.task.task bad value {'a': 1}
# |
# |Level 25:made up 30 20
# |('hello', {'extra': {'user': 'ann'}}) 30
# wrote: app.log logs/shop.log logs/shop.log.1 logs/shop.log.2
import io
import json
import logging
import logging.config
import logging.handlers
import re
from pathlib import Path


class JsonFormatter(logging.Formatter):
    def format(self, record):
        entry = {"level": record.levelname, "name": record.name, "message": record.getMessage(), "line": record.lineno > 0}
        if record.exc_info:
            entry["error"] = record.exc_info[0].__name__
        if hasattr(record, "order"):
            entry["order"] = record.order
        return json.dumps(entry)


class NoSecrets(logging.Filter):
    def filter(self, record):
        record.msg = re.sub(r"password=\S+", "password=***", str(record.msg))
        return "noise" not in record.msg


Path("logs").mkdir()
logger = logging.getLogger("shop")
logger.setLevel(logging.DEBUG)
logger.propagate = False
rotating = logging.handlers.RotatingFileHandler("logs/shop.log", maxBytes=300, backupCount=2, encoding="utf-8")
rotating.setFormatter(JsonFormatter())
stream = io.StringIO()
console = logging.StreamHandler(stream)
console.setLevel(logging.WARNING)
console.setFormatter(logging.Formatter("{levelname:<8}|{name}|{message}", style="{"))
memory = logging.handlers.MemoryHandler(10, flushLevel=logging.ERROR, target=console)
for handler in (rotating, console, memory):
    logger.addHandler(handler)
logger.addFilter(NoSecrets())

for number in range(8):
    logger.info("order %d paid, %.2f €", number, number * 9.99, extra={"order": number})
logger.warning("login with password=hunter2 failed")
logger.debug("noise %s", "x")
try:
    {}["key"]
except KeyError:
    logger.exception("lookup failed")
child = logger.getChild("payment")
child.log(logging.CRITICAL, "child says %(who)s", {"who": "hi"})
print(stream.getvalue().split("Traceback")[0])
print("KeyError: 'key'" in stream.getvalue(), 'File "' in stream.getvalue(), '{}["key"]' in stream.getvalue())
for handler in logger.handlers[:]:
    handler.close()
    logger.removeHandler(handler)
for path in sorted(Path("logs").iterdir()):
    lines = path.read_text(encoding="utf-8").splitlines()
    print(path.name, path.stat().st_size <= 300, len(lines), json.loads(lines[0])["message"], "|", lines[-1][-70:])

logging.config.dictConfig({
    "version": 1,
    "formatters": {"short": {"format": "%(levelname).1s %(name)s.%(funcName)s %(message)s"}},
    "handlers": {"file": {"class": "logging.FileHandler", "filename": "app.log", "formatter": "short", "mode": "w"}},
    "loggers": {"app": {"level": "INFO", "handlers": ["file"]}},
    "root": {"level": "ERROR", "handlers": []},
})


def task():
    log = logging.getLogger("app.task")
    log.info("started")
    log.debug("hidden")
    log.error("bad value %r", {"a": 1}, stack_info=False)
    return log.getEffectiveLevel(), log.isEnabledFor(10), log.hasHandlers()


print(task())
logging.shutdown()
print(Path("app.log").read_text())
record = logging.makeLogRecord({"msg": "made %s", "args": ("up",), "levelno": 25, "levelname": logging.getLevelName(25)})
print(logging.Formatter("%(levelname)s:%(message)s").format(record), logging.getLevelNamesMapping()["WARN"], logging.getLevelName("INFO"))
adapter = logging.LoggerAdapter(logging.getLogger("app"), {"user": "ann"})
print(adapter.process("hello", {}), logging.lastResort.level)
