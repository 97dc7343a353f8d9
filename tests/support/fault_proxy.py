"""A TCP proxy between a process and a server, which a test holds, cuts and mends.

Neither end notices it: a cut looks like a network failure.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Literal

Fate = Literal["held", "answer lost"]


class FaultProxy:
    """Listens on a port of its own and passes everything on to another.

    Arguments:
        port: of the server, on this machine.
    """

    def __init__(self, port: int) -> None:
        self.to = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._ends: list[socket.socket] = []
        self._trap: tuple[bytes, Fate] | None = None
        self._turn = threading.Lock()
        self.caught = threading.Event()
        self._open = threading.Event()
        self._open.set()
        self._accept()

    @property
    def address(self) -> str:
        """``http://host:port``."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.cut()

    def catch(self, words: bytes, fate: Fate = "held") -> None:
        """Lie in wait for the first request that has these words; ``caught`` is set then.

        Arguments:
            fate: ``held``: neither it nor any other arrives before ``let_go``. ``answer lost``: it
                arrives and is done, and the wire is torn before the answer.
        """
        self.caught.clear()
        with self._turn:
            self._trap = (words, fate)

    def let_go(self) -> None:
        """Pass on what is held. What a dead caller has sent arrives as well: then ``cut`` first."""
        self._open.set()

    def cut(self) -> None:
        """Refuse new connections and break the open ones. What is held never arrives."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        with self._turn:
            ends, self._ends = self._ends, []
        for end in ends:
            _close(end)
        self._open.set()

    def mend(self) -> None:
        """Listen again on the same port."""
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self._accept()

    def _accept(self) -> None:
        threading.Thread(target=self._listen, args=(self._listening,), daemon=True).start()

    def _listen(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):  # it was cut
            while True:
                caller, _ = listening.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self.to))
                except OSError:
                    _close(caller)
                    continue
                with self._turn:
                    self._ends += [caller, server]
                torn = threading.Event()
                for way in ((caller, server, torn, True), (server, caller, torn, False)):
                    threading.Thread(target=self._pass, args=way, daemon=True).start()

    def _pass(
        self, source: socket.socket, sink: socket.socket, torn: threading.Event, to_server: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if to_server and (fate := self._fate(data)):
                    if fate == "answer lost":
                        torn.set()
                    else:
                        self._open.clear()
                        self.caught.set()
                elif not to_server and torn.is_set() and b" 100 " not in data[:16]:
                    self.caught.set()
                    break
                if to_server:  # the caller repeats what a server ended as idle: that waits too
                    self._open.wait()
                sink.sendall(data)
        for end in (source, sink):
            _close(end)

    def _fate(self, data: bytes) -> Fate | None:
        with self._turn:
            if self._trap is None or self._trap[0] not in data:
                return None
            fate, self._trap = self._trap[1], None
            return fate


class RefusingServer:
    """A server that closes every connection unanswered, and counts them."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.attempts = 0
        threading.Thread(target=self._refuse, daemon=True).start()

    def __enter__(self) -> RefusingServer:
        return self

    def __exit__(self, *_raised: object) -> None:
        _close(self._listening)

    def _refuse(self) -> None:
        with contextlib.suppress(OSError):  # it was closed
            while True:
                caller, _ = self._listening.accept()
                self.attempts += 1
                _close(caller)


def _close(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
