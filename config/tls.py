"""Which certificate does the TLS listener show, and which clients may show theirs?

gunicorn asks for a context on every connection. The context is kept until one of its files
changes: a renewed certificate is served from the next handshake on, without a restart.
"""

import logging
import ssl
import threading
from dataclasses import dataclass, field
from pathlib import Path

from config.bounded import BoundedTLSSocket

logger = logging.getLogger("gunicorn.error")

# TLS 1.2 for what cannot do better: forward secrecy and authenticated ciphers only.
_TLS12_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
_Stamp = tuple[tuple[int, int, int], ...]


@dataclass
class ContextSource:
    """Builds the server's ``SSLContext`` and rebuilds it when its files change.

    Attributes:
        certificate: PEM file with private key, certificate and chain, replaced as a whole.
        client_authorities: PEM bundle of the CAs whose client certificates are accepted;
            ``None`` asks no client for a certificate.
    """

    certificate: Path
    client_authorities: Path | None = None
    _context: ssl.SSLContext | None = None
    _stamp: _Stamp = ()
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def current(self) -> ssl.SSLContext:
        """Return the context for the files as they are now.

        An unusable new file is logged and the old context stays in use: a broken renewal must
        not take the service down before the old certificate has expired.
        """
        with self._lock:
            stamp = self._read_stamp()
            if self._context is not None and stamp == self._stamp:
                return self._context
            try:
                self._context = self._build()
            except (OSError, ssl.SSLError):
                if self._context is None:
                    raise
                logger.exception("TLS files cannot be loaded; the previous certificate stays")
            self._stamp = stamp
            return self._context

    def _read_stamp(self) -> _Stamp:
        """Return what changes whenever one of the files is replaced."""
        stamps = []
        for path in (self.certificate, self.client_authorities):
            if path is None:
                continue
            try:
                info = path.stat()
            except FileNotFoundError:
                stamps.append((0, 0, 0))
            else:
                stamps.append((info.st_mtime_ns, info.st_size, info.st_ino))
        return tuple(stamps)

    def _build(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(_TLS12_CIPHERS)
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self.certificate)
        # Resuming a session costs us what a new handshake with an EC key costs, without the two
        # tickets that nearly no client ever uses; and no long-lived key could open old records.
        context.num_tickets = 0
        if self.client_authorities is not None:
            # The certificate stays the client's choice; one that is shown must verify.
            context.verify_mode = ssl.CERT_OPTIONAL
            context.load_verify_locations(self.client_authorities)
            # A resumed session would carry the identity on without proof of the key.
            context.options |= ssl.OP_NO_TICKET
        context.sslsocket_class = BoundedTLSSocket
        return context
