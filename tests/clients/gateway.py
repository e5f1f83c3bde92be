"""A gateway between an SDK and the server that loses answers, as gateways do when they time out."""

import gzip
import http.client
import re
import threading
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MESSAGE_ID = re.compile(rb'"messageId"\s*:\s*"([^"]+)"')
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


class Gateway(ThreadingHTTPServer):
    """Passes every request on, but answers 504 in place of the server to a POST that brings a message not seen before.

    The server has processed that message by then, and the SDK cannot know. `sent` counts the times a message came by.
    """

    daemon_threads = True

    def __init__(self, server_url: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.upstream = urllib.parse.urlsplit(server_url).netloc
        self.sent: Counter[str] = Counter()
        self.paths: set[str] = set()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Gateway

    def pass_on(self) -> None:
        body = self.read_body()
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        connection = http.client.HTTPConnection(self.server.upstream, timeout=30)
        try:
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if self.command == "POST" and self.brings_news(body):
            self.send_response(504)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        self.pass_on()

    def do_GET(self) -> None:
        self.pass_on()

    def do_OPTIONS(self) -> None:
        self.pass_on()

    def brings_news(self, body: bytes) -> bool:
        plain = gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body
        ids = {found.decode() for found in MESSAGE_ID.findall(plain)}
        with self.server.lock:
            news = ids - self.server.sent.keys()
            self.server.sent.update(ids)
            self.server.paths.add(urllib.parse.urlsplit(self.path).path)
        return bool(news)

    def read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def gateway_to(server_url: str) -> Iterator[Gateway]:
    with Gateway(server_url) as gateway:
        thread = threading.Thread(target=gateway.serve_forever)
        thread.start()
        try:
            yield gateway
        finally:
            gateway.shutdown()
            thread.join()
