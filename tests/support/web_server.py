"""A small web server on loopback with files, and the ways a server can let one down."""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from threading import Thread
from typing import cast
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class WebServer(ThreadingHTTPServer):
    """Files by their path, and what is wrong with some of them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.answers: dict[str, int] = {}
        """Paths that are answered with a status alone."""
        self.redirects: dict[str, str] = {}
        self.cut_off: set[str] = set()
        """Paths of which half is sent."""
        self.fails_first: Counter[str] = Counter()
        """How often a path is answered 503 before it is there."""
        self.sizes: dict[str, int] = {}
        """Paths that are announced with another size than they have."""
        self.asked: list[tuple[str, dict[str, str]]] = []
        """Path with query, and headers by their names in small letters, of every request."""

        self._scheme = "http"

    @property
    def address(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"{self._scheme}://127.0.0.1:{self.server_port}"

    def encrypt(self, folder: Path) -> Path:
        """Speak https from now on; returns the file of the certificate, which nobody trusts."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), False
            )
            .sign(key, hashes.SHA256())
        )
        trusted, private = folder / "certificate.pem", folder / "key.pem"
        trusted.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(trusted, private)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self._scheme = "https"
        return trusted


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = cast("WebServer", self.server)
        path = urlsplit(self.path).path
        server.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
        if server.fails_first[path] > 0:
            server.fails_first[path] -= 1
            self._status(503)
        elif path in server.answers:
            self._status(server.answers[path])
        elif path in server.redirects:
            self._status(302, server.redirects[path])
        elif path in server.files:
            content = server.files[path]
            self.send_response(200)
            self.send_header("Content-Length", str(server.sizes.get(path, len(content))))
            self.end_headers()
            if self.command == "HEAD":
                return
            if path in server.cut_off:
                self.close_connection = True
                content = content[: len(content) // 2]
            self.wfile.write(content)
        else:
            self._status(404)

    do_HEAD = do_GET  # noqa: N815 - the library's name

    def _status(self, status: int, location: str | None = None) -> None:
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        pass


@contextmanager
def serving() -> Iterator[WebServer]:
    """A server that lives as long as the block."""
    server = WebServer()
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
