"""Signing in with the SDK, of either version: the client registers itself, sends its user to the authorization
server, and gets a token for what the server says it is."""
import os
import subprocess
from urllib.parse import parse_qs, urlsplit

from mcp.client.auth import OAuthClientProvider
from mcp.shared.auth import OAuthClientMetadata

REDIRECT = "http://127.0.0.1:1/callback"


class Memory:
    def __init__(self):
        self.tokens = self.client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


def provider(url, result):
    """What httpx signs in with. `result` makes of code, state and issuer what the SDK wants to be told."""
    sent = {}

    async def redirect(address):
        browser = os.environ["BELLJAR_BROWSER"].split()
        said = subprocess.run([*browser, "--print", address], check=True, capture_output=True, text=True).stdout
        sent.update({name: values[0] for name, values in parse_qs(urlsplit(said.strip()).query).items()})

    async def callback():
        return result(sent["code"], sent.get("state"), sent.get("iss"))

    metadata = OAuthClientMetadata(
        client_name="belljar-tests",
        redirect_uris=[REDIRECT],
        grant_types=["authorization_code", "refresh_token"],
        token_endpoint_auth_method="none",
    )
    return OAuthClientProvider(url, metadata, Memory(), redirect, callback)
