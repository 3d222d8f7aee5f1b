"""The names of ssl for programs that only prepare a connection.

There is no network and no TLS here. A context can be made and configured, since
urllib makes one for addresses that never use it; wrapping a connection says so.
"""
import errno
import socket
import time
from base64 import b64decode, encodebytes
from collections import namedtuple
from enum import Enum, IntEnum, IntFlag

from _belljar.missing import NO_NETWORK

OPENSSL_VERSION = "none (this sandbox has no TLS)"
OPENSSL_VERSION_NUMBER = 0
OPENSSL_VERSION_INFO = (0, 0, 0, 0, 0)
HAS_SNI = HAS_ALPN = HAS_ECDH = HAS_NPN = HAS_PSK = False
HAS_SSLv2 = HAS_SSLv3 = HAS_TLSv1 = HAS_TLSv1_1 = HAS_TLSv1_2 = HAS_TLSv1_3 = False
HAS_NEVER_CHECK_COMMON_NAME = True
CHANNEL_BINDING_TYPES = []
PEM_HEADER = "-----BEGIN CERTIFICATE-----"
PEM_FOOTER = "-----END CERTIFICATE-----"
SSL_ERROR_SSL, SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE, SSL_ERROR_WANT_X509_LOOKUP = 1, 2, 3, 4
SSL_ERROR_SYSCALL, SSL_ERROR_ZERO_RETURN, SSL_ERROR_WANT_CONNECT, SSL_ERROR_EOF = 5, 6, 7, 8


class SSLError(OSError):
    """An error occurred in the SSL implementation."""

    library = reason = None


class SSLZeroReturnError(SSLError):
    """SSL/TLS session closed cleanly."""


class SSLWantReadError(SSLError):
    """Non-blocking SSL socket needs to read more data."""


class SSLWantWriteError(SSLError):
    """Non-blocking SSL socket needs to write more data."""


class SSLSyscallError(SSLError):
    """System error when attempting SSL operation."""


class SSLEOFError(SSLError):
    """SSL/TLS connection terminated abruptly."""


class SSLCertVerificationError(SSLError, ValueError):
    """A certificate could not be verified."""


CertificateError = SSLCertVerificationError
socket_error = OSError


class VerifyMode(IntEnum):
    CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED = range(3)


class _SSLMethod(IntEnum):
    PROTOCOL_TLS = 2
    PROTOCOL_SSLv23 = 2
    PROTOCOL_TLSv1, PROTOCOL_TLSv1_1, PROTOCOL_TLSv1_2 = 3, 4, 5
    PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER = 16, 17


class TLSVersion(IntEnum):
    MINIMUM_SUPPORTED, MAXIMUM_SUPPORTED = -2, -1
    SSLv3, TLSv1, TLSv1_1, TLSv1_2, TLSv1_3 = 768, 769, 770, 771, 772


class Options(IntFlag):
    OP_ALL = 0x80000050
    OP_NO_SSLv2, OP_NO_SSLv3 = 0, 0x2000000
    OP_NO_TLSv1, OP_NO_TLSv1_1, OP_NO_TLSv1_2, OP_NO_TLSv1_3 = 0x4000000, 0x10000000, 0x8000000, 0x20000000
    OP_CIPHER_SERVER_PREFERENCE, OP_SINGLE_DH_USE, OP_SINGLE_ECDH_USE = 0x400000, 0, 0
    OP_NO_COMPRESSION, OP_NO_TICKET, OP_NO_RENEGOTIATION = 0x20000, 0x4000, 0x40000000
    OP_IGNORE_UNEXPECTED_EOF, OP_ENABLE_KTLS, OP_LEGACY_SERVER_CONNECT = 0x80, 8, 4


class VerifyFlags(IntFlag):
    VERIFY_DEFAULT = 0
    VERIFY_CRL_CHECK_LEAF, VERIFY_CRL_CHECK_CHAIN, VERIFY_X509_STRICT = 4, 12, 32
    VERIFY_ALLOW_PROXY_CERTS, VERIFY_X509_TRUSTED_FIRST, VERIFY_X509_PARTIAL_CHAIN = 64, 32768, 524288


for _kind in (VerifyMode, _SSLMethod, Options, VerifyFlags):
    globals().update(_kind.__members__)
del _kind

_ASN1Object = namedtuple("_ASN1Object", "nid shortname longname oid")
DefaultVerifyPaths = namedtuple(
    "DefaultVerifyPaths", "cafile capath openssl_cafile_env openssl_cafile openssl_capath_env openssl_capath")


class Purpose(_ASN1Object, Enum):
    SERVER_AUTH = (129, "serverAuth", "TLS Web Server Authentication", "1.3.6.1.5.5.7.3.1")
    CLIENT_AUTH = (130, "clientAuth", "TLS Web Client Authentication", "1.3.6.1.5.5.7.3.2")


def _refuse(*args, **kwargs):
    raise OSError(errno.ENETUNREACH, NO_NETWORK)


class SSLContext:
    """Holds what it is told, for a connection that will not be made."""

    sslsocket_class = sslobject_class = None

    def __init__(self, protocol=None, *args, **kwargs):
        self.protocol = PROTOCOL_TLS if protocol is None else protocol  # noqa: F821
        client = self.protocol == PROTOCOL_TLS_CLIENT  # noqa: F821
        self.check_hostname = client
        self.verify_mode = CERT_REQUIRED if client else CERT_NONE  # noqa: F821
        self.options = OP_ALL | OP_NO_SSLv3  # noqa: F821
        self.verify_flags = VERIFY_X509_TRUSTED_FIRST  # noqa: F821
        self.minimum_version = TLSVersion.TLSv1_2
        self.maximum_version = TLSVersion.MAXIMUM_SUPPORTED
        self.post_handshake_auth = False
        self.hostname_checks_common_name = True
        self.keylog_filename = None
        self.sni_callback = None

    def _keep(self, *args, **kwargs):
        """What it is about concerns connections only."""

    load_default_certs = load_verify_locations = set_default_verify_paths = load_cert_chain = _keep
    set_ciphers = set_alpn_protocols = set_npn_protocols = set_ecdh_curve = load_dh_params = _keep

    def get_ciphers(self):
        return []

    def get_ca_certs(self, binary_form=False):
        return []

    def cert_store_stats(self):
        return {"x509": 0, "crl": 0, "x509_ca": 0}

    wrap_socket = wrap_bio = _refuse


class SSLSocket(socket.socket):
    """No instance can be made."""

    __init__ = _refuse


class SSLObject:
    """No instance can be made."""

    __init__ = _refuse


class SSLSession:
    """No instance can be made."""

    __init__ = _refuse


class MemoryBIO:
    """No instance can be made."""

    __init__ = _refuse


def create_default_context(purpose=Purpose.SERVER_AUTH, *, cafile=None, capath=None, cadata=None):
    """Create a SSLContext object with default settings."""
    server = purpose == Purpose.CLIENT_AUTH
    return SSLContext(PROTOCOL_TLS_SERVER if server else PROTOCOL_TLS_CLIENT)  # noqa: F821


def _create_unverified_context(protocol=None, **options):
    context = SSLContext(PROTOCOL_TLS_CLIENT)  # noqa: F821
    context.check_hostname = False
    context.verify_mode = CERT_NONE  # noqa: F821
    return context


_create_default_https_context = create_default_context
_create_stdlib_context = _create_unverified_context
get_server_certificate = _refuse


def get_default_verify_paths():
    """Return paths to default cafile and capath: there are none."""
    return DefaultVerifyPaths(None, None, "SSL_CERT_FILE", "", "SSL_CERT_DIR", "")


def get_protocol_name(protocol_code):
    """The name of a protocol."""
    return next((name for name, value in _SSLMethod.__members__.items() if value == protocol_code), "<unknown>")


def cert_time_to_seconds(cert_time):
    """Seconds since the Epoch of the text of a certificate, such as 'Jan  5 09:34:43 2018 GMT'."""
    import calendar
    return calendar.timegm(time.strptime(cert_time, "%b %d %H:%M:%S %Y GMT"))


def DER_cert_to_PEM_cert(der_cert_bytes):
    """A certificate as PEM text."""
    return f"{PEM_HEADER}\n{_lines(der_cert_bytes)}{PEM_FOOTER}\n"


def _lines(data):
    """Base64 in lines of 64 characters."""
    text = encodebytes(data).decode().replace("\n", "")
    return "".join(f"{text[i:i + 64]}\n" for i in range(0, len(text), 64))


def PEM_cert_to_DER_cert(pem_cert_string):
    """The bytes of a certificate in PEM text."""
    if not pem_cert_string.startswith(PEM_HEADER):
        raise ValueError(f"Invalid PEM encoding; must start with {PEM_HEADER}")
    if not pem_cert_string.strip().endswith(PEM_FOOTER):
        raise ValueError(f"Invalid PEM encoding; must end with {PEM_FOOTER}")
    return b64decode(pem_cert_string.strip()[len(PEM_HEADER):-len(PEM_FOOTER)])


def RAND_bytes(n):
    """Generate n cryptographically strong pseudo-random bytes."""
    from os import urandom
    return urandom(n)


def RAND_status():
    """True: the host gives randomness."""
    return True


def RAND_add(string, entropy):
    """The host's randomness needs nothing added."""


def __getattr__(name):
    raise AttributeError(f"module 'ssl' has no attribute {name!r} in this sandbox: {NO_NETWORK}")
