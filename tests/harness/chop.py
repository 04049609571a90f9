"""Bytes delivered one at a time, and conversations cut off after any of them.

`Chopper` stands between two real programs and passes every byte on alone. `Script` is a recorded conversation: what
the client says, and how long the answer to each of it is; it can be played against a proxy by a client that stops
after any byte, and `Player` plays the server's side of it, and stops after any byte.
"""

import contextlib
import select
import socket
import struct
import threading
import time

PAUSE = 0.00002  # between two bytes: time for the receiver to take the first


def reset(sock):
    """Closes with RST: what is on its way is lost."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Chopper:
    """`with Chopper(port) as chopped:` chopped.port leads to `port`, one byte at a time in both directions."""

    def __init__(self, target, host="127.0.0.1"):
        self.target = (host, target)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.passed = 0
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def _accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            thread = threading.Thread(target=self._relay, args=(client,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _relay(self, client):
        try:
            server = socket.create_connection(self.target)
        except OSError:
            client.close()
            return
        other = {client: server, server: client}
        for sock in other:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        waiting = {client: b"", server: b""}  # from this one, to the other
        with contextlib.suppress(OSError), client, server:
            while True:
                ready = select.select([sock for sock in other if not waiting[sock]], [], [],
                                      0 if any(waiting.values()) else None)[0]
                for sock in ready:
                    waiting[sock] = sock.recv(65536)
                    if not waiting[sock]:
                        return
                for sock, data in waiting.items():
                    if data:
                        other[sock].sendall(data[:1])
                        waiting[sock] = data[1:]
                        self.passed += 1
                time.sleep(PAUSE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


def receive(sock, count):
    """At most `count` bytes, fewer where the connection ends."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while len(data) < count:
            part = sock.recv(count - len(data))
            if not part:
                break
            data += part
    return data


class Script:
    """What a client says, piece by piece, and the answer to each as it was recorded. The first piece is empty: the
    server greets."""

    def __init__(self, requests):
        self.requests = [b"", *requests]
        self.answers = []

    def record(self, port, quiet=0.3):
        """Plays it against a port; an answer has ended when nothing came for `quiet` seconds."""
        self.answers = []
        with socket.create_connection(("127.0.0.1", port), 20) as sock:
            for request in self.requests:
                sock.sendall(request)
                answer = b""
                while select.select([sock], [], [], quiet)[0]:
                    part = sock.recv(65536)
                    if not part:
                        break
                    answer += part
                self.answers.append(answer)
        return self

    def said(self):
        return sum(map(len, self.requests))

    def answered(self):
        return sum(map(len, self.answers))

    def play(self, port, say=None, hear=None, how=reset):
        """Plays it to its end, or until `say` bytes were said or `hear` bytes heard; then ends the connection by
        how(). Gives what was heard."""
        say = self.said() if say is None else say
        hear = self.answered() if hear is None else hear
        heard = b""
        sock = socket.create_connection(("127.0.0.1", port), 20)
        for request, answer in zip(self.requests, self.answers):
            part = request[:say]
            say -= len(part)
            try:
                sock.sendall(part)
            except ConnectionError:
                heard += receive(sock, len(answer))
                break
            if len(part) < len(request):
                break
            expected = min(len(answer), hear - len(heard))
            got = receive(sock, expected)
            heard += got
            if len(got) < len(answer):
                break
        how(sock)
        return heard


class Player:
    """A server that plays its side of a recorded conversation, over and over: each connection as .next says."""

    def __init__(self, requests, answers):
        """`requests`: what the server hears before each of its `answers`."""
        self.requests, self.answers = requests, answers
        self.say, self.hear, self.how = None, None, reset
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def next(self, say=None, hear=None, how=reset):
        """How the connections from now on end: after `say` bytes said or `hear` bytes heard."""
        self.say, self.hear, self.how = say, hear, how

    def _run(self):
        while True:
            try:
                sock = self.listener.accept()[0]
            except OSError:
                return
            sock.settimeout(20)
            with contextlib.suppress(OSError):
                self._play(sock)
            self.how(sock)

    def _play(self, sock):
        say = sum(map(len, self.answers)) if self.say is None else self.say
        hear = sum(map(len, self.requests)) if self.hear is None else self.hear
        for request, answer in zip(self.requests, self.answers):
            expected = min(len(request), hear)
            got = receive(sock, expected)
            hear -= len(got)
            if len(got) < len(request):
                return
            sock.sendall(answer[:say])
            if say < len(answer):
                return
            say -= len(answer)
        receive(sock, 1 << 20)

    def close(self):
        self.listener.close()


class Recorder:
    """Passes one connection on to `target` and keeps both sides: .requests and .answers, in turns."""

    def __init__(self, target):
        self.target = target
        self.requests, self.answers = [b""], [b""]
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.ended = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        client = self.listener.accept()[0]
        self.listener.close()
        with client, socket.create_connection(("127.0.0.1", self.target)) as server:
            while True:
                for sock in select.select([client, server], [], [])[0]:
                    data = sock.recv(65536)
                    if not data:
                        self.ended.set()
                        return
                    if sock is server:
                        self.answers[-1] += data
                        client.sendall(data)
                        continue
                    if self.answers[-1]:  # the client's turn
                        self.requests.append(b"")
                        self.answers.append(b"")
                    self.requests[-1] += data
                    server.sendall(data)
