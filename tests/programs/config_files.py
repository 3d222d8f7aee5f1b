# Reads configuration in TOML and INI.
# file app.toml:
# |title = "app"
# |[db]
# |ports = [8000, 8001]
# |since = 2026-01-02T03:04:05Z
# file app.ini:
# |[main]
# |debug = yes
# |path = %(root)s/x
# |root = /srv
# stdout:
# |[8000, 8001] 2026
# |True /srv/x
import configparser
import tomllib

with open("app.toml", "rb") as file:
    config = tomllib.load(file)
print(config["db"]["ports"], config["db"]["since"].year)
parser = configparser.ConfigParser()
parser.read("app.ini")
print(parser["main"].getboolean("debug"), parser.get("main", "path"))
