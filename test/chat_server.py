"""A server that speaks the OpenAI chat API, with answers that a test makes up."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


class Refusal(Exception):
    """Raised by a test's answer: the HTTP status to refuse with."""


class ChatServer:
    """Serves ``/v1/chat/completions``; ``respond`` maps a request's body to the answer's text."""

    def __init__(self, respond: Callable[[dict[str, Any]], str]) -> None:
        self.requests: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.keys: list[str | None] = []
        chat = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
                chat.requests.append(body)
                chat.times.append(time.monotonic())
                chat.keys.append(self.headers.get('Authorization'))
                try:
                    status, answer = 200, chat.completion(body, respond(body))
                except Refusal as refusal:
                    status = refusal.args[0]
                    answer = {'error': {'message': f'refused with {status}'}}
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header('Content-Type', 'application/json')
                self.send_header('Content-Length', str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        # A client that was told to stop hangs up.
        self._server.handle_error = lambda request, address: None
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f'http://127.0.0.1:{self._server.server_port}/v1'

    @staticmethod
    def completion(body: dict[str, Any], text: str) -> dict[str, Any]:
        return {'id': 'c', 'object': 'chat.completion', 'created': 1, 'model': body['model'],
                'choices': [{'index': 0, 'finish_reason': 'stop',
                             'message': {'role': 'assistant', 'content': text}}],
                'usage': {'prompt_tokens': 100, 'completion_tokens': 10, 'total_tokens': 110}}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def chat_server():
    """Start a server: ``chat_server(respond)``."""
    running = []

    def start(respond: Callable[[dict[str, Any]], str]) -> ChatServer:
        running.append(ChatServer(respond))
        return running[-1]
    yield start
    for server in running:
        server.close()
