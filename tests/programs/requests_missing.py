# A network library that is not there is answered with the reason.
# differs: the error says what to use instead
# status: exited 1
# error: ModuleNotFoundError
# error has: no network
import requests

requests.get("https://example.com")
