# A chain of exceptions shows cause and effect.
# status: exited 1
# error: ConfigError
# error has: no port
# traceback has: ValueError: invalid literal for int()
# traceback has: The above exception was the direct cause
class ConfigError(Exception):
    pass


try:
    int("http")
except ValueError as error:
    raise ConfigError("no port") from error
