"""A TCP proxy that can hold back answers: what the server did is done, but the client never hears of it."""

import contextlib
import socket
import threading


class FaultProxy:
    """Forwards 127.0.0.1:`port` to the upstream. While `hold_puts` is set, answers to PUT requests are kept back."""

    def __init__(self, upstream: tuple[str, int]) -> None:
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
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
                muted = threading.Event()
                for source, target, back in [(client, server, False), (server, client, True)]:
                    threading.Thread(target=self._pump, args=(source, target, muted, back), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, muted: threading.Event, back: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not back and data.startswith(b"PUT ") and self.hold_puts.is_set():
                    muted.set()
                if back and muted.is_set():
                    self.held.set()
                    continue
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)
