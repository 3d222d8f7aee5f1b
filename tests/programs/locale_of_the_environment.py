# setlocale(…, '') takes the locale of the environment, and refuses one that is not here.
# env: {"LANG": "de_DE.UTF-8"}
# error: Error
# error has: unsupported locale setting
# status: exited 1
# traceback has: locale.setlocale(locale.LC_ALL, "")
import locale

locale.setlocale(locale.LC_ALL, "")
