# Merges defaults, an INI file, a TOML file, environment and arguments into one configuration.
# file settings.ini:
# |[server]
# |host = example.org
# |port = 8080
# |url = http://%(host)s:%(port)s/
# |
# |[features]
# |beta = on
# |retries = 3
# file settings.toml:
# |title = "Override"
# |[server]
# |port = 9090
# |started = 2026-03-01T08:30:00+01:00
# |[features]
# |levels = [1, 2.5, 0x1F, 1_000_000]
# |[[servers]]
# |name = "alpha"
# |[[servers]]
# |name = "beta"
# env: {"APP_SERVER__HOST": "env.example.org", "APP_FEATURES__RETRIES": "7"}
# args: ["--set", "server.timeout=2.5", "--set", "features.beta=false"]
# stdout:
# |{
# | "features": {
# |  "beta": false,
# |  "levels": [
# |   1,
# |   2.5,
# |   31,
# |   1000000
# |  ],
# |  "retries": 7
# | },
# | "server": {
# |  "host": "env.example.org",
# |  "port": 9090,
# |  "started": "2026-03-01 08:30:00+01:00",
# |  "timeout": 2.5,
# |  "url": "http://example.org:8080/"
# | },
# | "servers": [
# |  {
# |   "name": "alpha"
# |  },
# |  {
# |   "name": "beta"
# |  }
# | ],
# | "title": "Override"
# |}
# |1 env.example.org 2.5 5
# |True 1:00:00
# |bad TOML: Cannot overwrite a value (at line 2, column 6)
import argparse
import configparser
import json
import os
import tomllib
from collections import ChainMap
from copy import deepcopy

DEFAULTS = {"server": {"host": "localhost", "port": 80, "timeout": 30}, "features": {"beta": False}}


def merge(base, other):
    result = deepcopy(base)
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merge(result[key], value)
        else:
            result[key] = value
    return result


def guess(text):
    try:
        return json.loads(text)
    except ValueError:
        return text


def from_ini(path):
    parser = configparser.ConfigParser()
    parser.read(path)
    data = {section: dict(parser[section]) for section in parser.sections()}
    data["features"]["beta"] = parser.getboolean("features", "beta")
    data["features"]["retries"] = parser.getint("features", "retries")
    return data


def from_environment(prefix="APP_"):
    data = {}
    for name, value in os.environ.items():
        if name.startswith(prefix):
            section, key = name.removeprefix(prefix).lower().split("__")
            data.setdefault(section, {})[key] = guess(value)
    return data


def nested(pairs):
    data = {}
    for pair in pairs:
        path, _, value = pair.partition("=")
        section, key = path.split(".")
        data.setdefault(section, {})[key] = guess(value)
    return data


parser = argparse.ArgumentParser()
parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
options = parser.parse_args()
with open("settings.toml", "rb") as file:
    toml = tomllib.load(file)

config = DEFAULTS
for layer in (from_ini("settings.ini"), toml, from_environment(), nested(options.set)):
    config = merge(config, layer)
print(json.dumps(config, indent=1, default=str, sort_keys=True))
chain = ChainMap({"port": 1}, config["server"], DEFAULTS["server"])
print(chain["port"], chain["host"], chain["timeout"], len(chain))
print(toml["server"]["started"].astimezone(None).tzinfo is not None, toml["server"]["started"].utcoffset())
try:
    tomllib.loads("a = 1\na = 2\n")
except tomllib.TOMLDecodeError as error:
    print("bad TOML:", error)
