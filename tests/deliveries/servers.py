"""A mail server and a webhook receiver for tests: real sockets on this machine, and they can be told to misbehave."""

from __future__ import annotations

import base64
import email
import email.policy
import os
import shutil
import socketserver
import ssl
import subprocess
import threading
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast

import pytest

PASSWORD = "geheim-und-lang"


def certificate(folder: Path) -> Path:
    """A certificate of this test's own for localhost, with its key in the same file."""
    program = shutil.which("openssl")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("install openssl: apt-get install openssl")
        pytest.skip("install openssl: apt-get install openssl")
    key, cert, both = folder / "key.pem", folder / "cert.pem", folder / "both.pem"
    subprocess.run(
        [
            program, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "36500",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,DNS:hooks.example,IP:127.0.0.1",
            "-keyout", key, "-out", cert,
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    both.write_text(key.read_text() + cert.read_text())
    return both


class MailServer:
    """Takes letters. ``rejects`` and ``defers`` are addresses it refuses for good and for now."""

    def __init__(self, *, tls: Path | None = None, auth: bool = False) -> None:
        self.letters: list[tuple[str, EmailMessage]] = []
        self.raw: list[bytes] = []
        self.rejects: set[str] = set()
        self.defers: set[str] = set()
        self.hangs_up_after: int | None = None
        self.sessions = 0
        self.signed_in: list[str] = []
        self.encrypted: list[bool] = []
        self.auth = auth
        self.context: ssl.SSLContext | None = None
        if tls is not None:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(tls)
        outer = self

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        class Session(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                outer.sessions += 1
                _Session(outer, self).talk()

        self._server = Server(("127.0.0.1", 0), Session)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Session:
    def __init__(self, server: MailServer, handler: socketserver.StreamRequestHandler) -> None:
        self.server, self.socket = server, handler.request
        self.file = handler.rfile
        self.to: list[str] = []
        self.encrypted = False
        self.user = ""

    def say(self, line: str) -> None:
        self.socket.sendall(line.encode() + b"\r\n")

    def talk(self) -> None:
        self.say("220 test")
        while line := self.file.readline():
            verb, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
            verb = verb.upper()
            if verb == "QUIT":
                self.say("221 bye")
                return
            if not self.answer(verb, rest):
                return

    def answer(self, verb: str, rest: str) -> bool:
        server = self.server
        if verb == "EHLO":
            offers = ["test", "SIZE 1000000"]
            offers += ["STARTTLS"] if server.context and not self.encrypted else []
            offers += ["AUTH PLAIN"] if server.auth else []
            self.say("\r\n".join(f"250{'-' if n < len(offers) - 1 else ' '}{one}" for n, one in enumerate(offers)))
        elif verb == "STARTTLS" and server.context:
            self.say("220 go on")
            self.socket = server.context.wrap_socket(self.socket, server_side=True)
            self.file = self.socket.makefile("rb")
            self.encrypted = True
        elif verb == "AUTH":
            _, user, password = base64.b64decode(rest.split()[-1]).decode().split("\0")
            if password != PASSWORD:
                self.say("535 no")
            else:
                self.user = user
                server.signed_in.append(user)
                self.say("235 welcome")
        elif verb == "MAIL":
            self.to = []
            self.say("530 sign in" if server.auth and not self.user else "250 ok")
        elif verb == "RCPT":
            address = rest.partition("<")[2].partition(">")[0]
            if address in server.rejects:
                self.say("550 no such user")
            elif address in server.defers:
                self.say("451 later")
            else:
                self.to.append(address)
                self.say("250 ok")
        elif verb == "DATA":
            return self.take()
        else:
            self.say("250 ok" if verb in ("RSET", "NOOP") else "500 what?")
        return True

    def take(self) -> bool:
        self.say("354 go on")
        lines = []
        while (line := self.file.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b"..") else line)
        server, raw = self.server, b"".join(lines)
        letter = cast(EmailMessage, email.message_from_bytes(raw, policy=email.policy.default))
        server.raw.append(raw)
        server.encrypted.append(self.encrypted)
        server.letters += [(to, letter) for to in self.to]
        if server.hangs_up_after is not None and len(server.letters) >= server.hangs_up_after:
            return False
        self.say("250 taken")
        return True


class Receiver:
    """Takes webhooks and answers as it is told: ``answers`` maps an id to (status, headers, body)."""

    def __init__(self, *, tls: Path | None = None) -> None:
        self.calls: list[tuple[dict[str, str], bytes]] = []
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.default: tuple[int, dict[str, str], bytes] = (204, {}, b"")
        self.endless = False
        self.written = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.calls.append((headers, body))
                status, more, answer = outer.answers.get(headers["webhook-id"], outer.default)
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                if outer.endless:
                    self.end_headers()
                    self.pour()
                    return
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def pour(self) -> None:
                self.close_connection = True
                try:
                    while outer.written < 2**28:
                        self.wfile.write(b"x" * 65536)
                        outer.written += 65536
                except OSError:
                    pass  # the caller has had enough

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
