"""A TCP proxy that can hold or delay answers: what the server did is done, but the client hears of it late or never."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable


class FaultProxy:
    """Forwards 127.0.0.1:`port` to the upstream.

    While `hold_puts` is set, answers to PUT requests are kept back, otherwise they come `delay_puts` seconds late.
    """

    def __init__(self, upstream: tuple[str, int]) -> None:
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        self.delay_puts = 0.0
        self.hold_puts = threading.Event()
        self.held = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for connection in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                connection.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                server = socket.create_connection(self._upstream)
                self._open += [client, server]
                putting = threading.Event()
                for source, target, change in [(client, server, self._note), (server, client, self._answer)]:
                    threading.Thread(target=self._pump, args=(source, target, change, putting), daemon=True).start()

    def _note(self, data: bytes, putting: threading.Event) -> bytes:
        if data.startswith(b"PUT "):
            putting.set()
        return data

    def _answer(self, data: bytes, putting: threading.Event) -> bytes:
        if putting.is_set() and self.hold_puts.is_set():
            self.held.set()
            return b""
        if putting.is_set():
            putting.clear()
            time.sleep(self.delay_puts)
        return data

    def _pump(
        self,
        source: socket.socket,
        target: socket.socket,
        change: Callable[[bytes, threading.Event], bytes],
        putting: threading.Event,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(change(data, putting))
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)
