"""A MySQL server of a few lines, for what it does in authentication: it holds clients strictly to what a server of
that line takes on a connection that is secure, and on one that is not."""

import hashlib
import socket
import ssl
import struct
import subprocess
import threading
import time

from .wire import MAX_PAYLOAD

CLIENT_SSL, CLIENT_PLUGIN_AUTH, CLIENT_LENENC, CLIENT_DB = 1 << 11, 1 << 19, 1 << 21, 1 << 3
CLIENT_COMPRESS, CLIENT_ZSTD, CLIENT_MULTI_FACTOR = 1 << 5, 1 << 26, 1 << 28
CAPABILITIES = 0xA20F | CLIENT_MULTI_FACTOR | CLIENT_COMPRESS | CLIENT_ZSTD | CLIENT_SSL | CLIENT_PLUGIN_AUTH | CLIENT_LENENC | 1 << 16 | 1 << 17 | 1 << 15
SALT = b"abcdefghijklmnopqrst"


class Refused(Exception):
    pass


class Conversation:
    def __init__(self, fake, sock, is_unix):
        self.fake, self.socket, self.sequence = fake, sock, 0
        self.is_unix, self.is_tls = is_unix, False

    def read(self, count):
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def receive(self):
        header = self.read(4)
        if header[3] != self.sequence % 256:
            raise AssertionError(f"sequence id {header[3]}, expected {self.sequence}")
        self.sequence += 1
        return self.read(int.from_bytes(header[:3], "little"))

    def send(self, payload):
        assert len(payload) < MAX_PAYLOAD
        self.socket.sendall(len(payload).to_bytes(3, "little") + bytes([self.sequence % 256]) + payload)
        self.sequence += 1

    def greet(self):
        self.send(b"\x0a8.4.0\0" + struct.pack("<I", 7) + SALT[:8] + b"\0" + struct.pack("<H", CAPABILITIES & 0xFFFF) +
                  b"\x2d" + struct.pack("<HH", 2, CAPABILITIES >> 16) + b"\x15" + bytes(10) + SALT[8:] + b"\0" +
                  b"caching_sha2_password\0")
        self.socket.sendall(self.fake.injected)

    def login(self):
        """(proof, plugin) of the handshake response."""
        payload = self.receive()
        if len(payload) == 32 and struct.unpack("<I", payload[:4])[0] & CLIENT_SSL:
            request = payload
            self.socket = self.fake.context.wrap_socket(self.socket, server_side=True)
            self.is_tls = True
            payload = self.receive()
            assert payload[:32] == request, "the request for TLS and the response differ"
        flags = self.flags = struct.unpack("<I", payload[:4])[0]
        assert bool(flags & CLIENT_SSL) == self.is_tls
        assert not flags & (CLIENT_COMPRESS | CLIENT_ZSTD), "compression is the client's side's own"
        rest = payload[payload.index(b"\0", 32) + 1:]
        length, rest = rest[0], rest[1:]
        proof, rest = rest[:length], rest[length:]
        if flags & CLIENT_DB:
            rest = rest[rest.index(b"\0") + 1:]
        return proof, rest[:rest.index(b"\0")].decode()

    def change_user(self):
        """Whoever the client is now proves it anew; a MySQL server chooses a salt for that, so it always asks."""
        self.prove(b"", "")
        self.further_factors()
        self.accept()

    def decrypt(self, sealed):
        done = subprocess.run(["openssl", "pkeyutl", "-decrypt", "-inkey", str(self.fake.rsa), "-pkeyopt",
                               "rsa_padding_mode:oaep"], input=sealed, capture_output=True, check=False)
        if done.returncode:
            raise Refused
        return bytes(byte ^ self.salt[n % 20] for n, byte in enumerate(done.stdout))

    def password(self, answer, secure, request):
        """What the client's answer gives; it must be as the server expects it on this connection."""
        if not secure:
            if answer == request:
                self.send(b"\x01" + self.fake.public)
                answer = self.receive()
            if len(answer) != 256:
                raise AssertionError(f"on an open connection came {len(answer)} bytes that are not encrypted")
            answer = self.decrypt(answer)
        if answer[-1:] != b"\0" or b"\0" in answer[:-1]:
            raise AssertionError(f"{answer!r} is no password")
        return answer[:-1].decode()

    def prove(self, proof, named):
        """The first factor: `proof` is by the plugin that the client has named."""
        plugin, expected = self.fake.plugin, self.fake.password
        self.salt = SALT
        if plugin == "none at all":
            return
        if named != plugin:
            self.salt = SALT[::-1]
            self.send(b"\xfe" + plugin.encode() + b"\0" + self.salt + b"\0")
            proof = self.receive()
        if proof in (b"", b"\0"):
            raise Refused
        if plugin == "mysql_clear_password":
            given = proof[:-1].decode()
        elif plugin == "sha256_password":
            given = self.password(proof, self.is_tls, b"\x01")
        else:
            first = hashlib.sha256(expected.encode()).digest()
            mixed = hashlib.sha256(hashlib.sha256(first).digest() + self.salt).digest()
            if len(proof) != 32:
                raise AssertionError("the proof has not 32 bytes")
            self.fake.proofs.append(proof == bytes(a ^ b for a, b in zip(first, mixed)))
            self.send(b"\x01\x04")
            given = self.password(self.receive(), self.is_tls or self.is_unix, b"\x02")
        if given != expected:
            raise Refused

    def further_factors(self):
        """What each says and hears in turn; the first words come with its name."""
        if self.fake.factors and not self.flags & CLIENT_MULTI_FACTOR:
            raise Refused
        for plugin, rounds in self.fake.factors:
            begin = b"\x02" + plugin + b"\0"
            for said, heard in rounds:
                self.send(begin + said)
                begin = b"\x01"
                if self.receive() != heard:
                    raise Refused

    def accept(self):
        time.sleep(self.fake.thinks)
        self.send(b"\0\0\0\2\0\0\0")

    def answer(self):
        """Every query has one row: the user's name."""
        self.sequence = 0
        command = self.receive()[:1]
        if command == b"\x01":
            raise EOFError
        if command == b"\x11":
            self.change_user()
            return
        eof = b"\xfe\0\0\2\0"
        column = b"\3def\0\0\0\4user\0\x0c\x2d\0\xff\0\0\0\xfd\0\0\0\0\0"
        for payload in (b"\1", column, eof, b"\4user", eof):
            self.send(payload)

    def run(self):
        try:
            self.greet()
            self.prove(*self.login())
            self.further_factors()
            self.accept()
            while True:
                self.answer()
        except Refused:
            self.send(b"\xff\x15\x04#28000Access denied for user")
        except (EOFError, ssl.SSLError, OSError):
            pass
        except Exception as trouble:  # pylint: disable=broad-except
            self.fake.trouble.append(repr(trouble))
        finally:
            self.socket.close()


class FakeMysql:
    """`with FakeMysql(directory, authority) as f:` f.port, f.socket; f.account(plugin, password); f.factors; f.trouble."""

    def __init__(self, directory, authority):
        cert, key = authority.issue("fake")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(cert, key)
        self.rsa = directory / "rsa.pem"
        subprocess.run(["openssl", "genrsa", "-out", str(self.rsa), "2048"], check=True, capture_output=True)
        self.public = subprocess.run(["openssl", "rsa", "-in", str(self.rsa), "-pubout"], check=True, capture_output=True).stdout
        self.plugin, self.password = "caching_sha2_password", ""
        self.factors = []  # (plugin, [(what it says, what it must hear)]) of each further one
        self.trouble, self.proofs = [], []
        self.injected = b""  # sent in clear behind the greeting
        self.thinks = 0  # seconds, before it lets a client in
        tcp, unix = socket.create_server(("", 0)), socket.socket(socket.AF_UNIX)
        self.port, self.socket = tcp.getsockname()[1], directory / "fake.sock"
        unix.bind(str(self.socket))
        unix.listen()
        self.listeners = [tcp, unix]
        for listener in self.listeners:
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def account(self, plugin, password):
        self.plugin, self.password = plugin, password
        self.trouble.clear()

    def _accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.settimeout(30)
            threading.Thread(target=Conversation(self, sock, listener.family == socket.AF_UNIX).run, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for listener in self.listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
