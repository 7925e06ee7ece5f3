"""TLS contexts, each built once: loading the CA bundle costs more than ten handshakes.

Clients with the same trust share a context, as long as one of them lives: a program that makes a
client for every account loads the bundle once.
"""

from __future__ import annotations

import os
import ssl
import threading
import weakref

import certifi

from bybit_sync.config import TlsConfig

from .sockets import TrustContext

Verify = bool | str | None
Cert = str | tuple[str, str] | None

_VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


_SHARED: weakref.WeakValueDictionary[object, ssl.SSLContext] = weakref.WeakValueDictionary()
"""The contexts of this process, by what they were made of."""


class TlsContexts:
    """One context for the configured trust, and one for each ``verify=``/``cert=`` that a user
    of the plain session asks for. The lock guards the table."""

    def __init__(self, config: TlsConfig) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._contexts: dict[tuple[Verify, Cert], ssl.SSLContext] = {}

    def get(self, verify: Verify = True, cert: Cert = None) -> ssl.SSLContext:
        """The context for these settings.

        Raises:
            OSError: a file that they name cannot be read.
        """
        key = (True if verify is None else verify, tuple(cert) if isinstance(cert, list) else cert)
        context = self._contexts.get(key)
        if context is not None:
            return context
        with self._lock:
            if key not in self._contexts:
                self._contexts[key] = self._build(*key)
            return self._contexts[key]

    def _build(self, verify: Verify, cert: Cert) -> ssl.SSLContext:
        location = verify if isinstance(verify, str) else self._config.ca_file
        files = (location or certifi.where(), *_files(cert or _configured_cert(self._config)))
        key = (self._config.minimum_version, verify is False, *(_stamp(path) for path in files))
        shared = _SHARED.get(key)
        if shared is None:  # two threads may both build one; either is right
            shared = _SHARED[key] = self._build_own(verify, cert)
        return shared

    def _build_own(self, verify: Verify, cert: Cert) -> ssl.SSLContext:
        context = TrustContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = _VERSIONS[self._config.minimum_version]
        context.set_alpn_protocols(["http/1.1"])
        if verify is False:  # only a plain session can ask for this; the client has no switch
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        else:
            _trust(context, verify if isinstance(verify, str) else self._config.ca_file)
        _identify(context, cert or _configured_cert(self._config))
        return context

    def reset_after_fork(self) -> None:
        """Contexts stay usable in a child; the lock may not be."""
        self._lock = threading.Lock()


def _trust(context: ssl.SSLContext, location: str) -> None:
    path = location or certifi.where()
    if not os.path.exists(path):
        raise OSError(f"no CA file or folder at {path}")
    if os.path.isdir(path):
        context.load_verify_locations(capath=path)
    else:
        context.load_verify_locations(cafile=path)


def _configured_cert(config: TlsConfig) -> Cert:
    if not config.client_cert:
        return None
    return (config.client_cert, config.client_key) if config.client_key else config.client_cert


def _files(cert: Cert) -> tuple[str, ...]:
    if cert is None:
        return ()
    return (cert,) if isinstance(cert, str) else tuple(part for part in cert if part)


def _stamp(path: str) -> tuple[str, int]:
    """A file and its state: another one under the same name makes another context."""
    try:
        return path, os.stat(path).st_mtime_ns
    except OSError:
        return path, 0


def _identify(context: ssl.SSLContext, cert: Cert) -> None:
    files = _files(cert)
    if not files:
        return
    for path in files:
        if not os.path.exists(path):
            raise OSError(f"no TLS client certificate or key at {path}")
    context.load_cert_chain(*files)
