"""The protocol by hand, for what no connector does: packets of odd sizes, ends at odd moments, slow readers."""

import socket
import struct

from pymysql import _auth as proofs

from .server import APP_PASSWORD, APP_USER

CLIENT_LONG_PASSWORD, CLIENT_LONG_FLAG, CLIENT_CONNECT_WITH_DB, CLIENT_PROTOCOL_41 = 1, 4, 8, 1 << 9
CLIENT_TRANSACTIONS, CLIENT_SECURE_CONNECTION, CLIENT_MULTI_STATEMENTS = 1 << 13, 1 << 15, 1 << 16
CLIENT_MULTI_RESULTS, CLIENT_PLUGIN_AUTH = 1 << 17, 1 << 19
CAPABILITIES = (CLIENT_LONG_PASSWORD | CLIENT_LONG_FLAG | CLIENT_PROTOCOL_41 | CLIENT_TRANSACTIONS |
                CLIENT_SECURE_CONNECTION | CLIENT_MULTI_STATEMENTS | CLIENT_MULTI_RESULTS | CLIENT_PLUGIN_AUTH)
COM_QUIT, COM_QUERY, COM_PING = 1, 3, 14
MAX_PAYLOAD = (1 << 24) - 1


NATIVE, SHA2 = "mysql_native_password", "caching_sha2_password"
PROOFS = {NATIVE: proofs.scramble_native_password, SHA2: proofs.scramble_caching_sha2}
AUTH_SWITCH, AUTH_MORE, FAST_ENOUGH, FULL, ASK_FOR_KEY = 0xFE, 1, b"\x03", b"\x04", b"\x02"


def salt_of(greeting):
    rest = greeting[greeting.index(b"\0") + 1:]
    return rest[4:12] + rest[31:43]


def plugin_of(greeting):
    """The plugin that the server begins with."""
    return greeting.rstrip(b"\0").rpartition(b"\0")[2].decode()


class Wire:
    """One connection; receive() gives a whole payload, parts joined."""

    def __init__(self, port, timeout=60, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect(("127.0.0.1", port))
        self.sequence = 0

    def read(self, count):
        data = bytearray()
        while len(data) < count:
            part = self.socket.recv(min(count - len(data), 1 << 20))
            if not part:
                raise EOFError(f"connection closed after {len(data)} of {count} bytes")
            data += part
        return bytes(data)

    def receive(self):
        payload = b""
        while True:
            header = self.read(4)
            length = int.from_bytes(header[:3], "little")
            assert header[3] == self.sequence % 256, f"sequence {header[3]}, expected {self.sequence % 256}"
            self.sequence += 1
            payload += self.read(length)
            if length < MAX_PAYLOAD:
                return payload

    @staticmethod
    def frame(payload, sequence=0):
        """The packets of a payload, with the empty one that ends a multiple of 16 MiB - 1."""
        parts = []
        while True:
            part, payload = payload[:MAX_PAYLOAD], payload[MAX_PAYLOAD:]
            parts.append(len(part).to_bytes(3, "little") + bytes([sequence % 256]) + part)
            sequence += 1
            if len(part) < MAX_PAYLOAD:
                return b"".join(parts)

    def send(self, payload, sequence=0):
        packets = self.frame(payload, sequence)
        self.sequence = sequence + 1 + len(payload) // MAX_PAYLOAD
        self.socket.sendall(packets)

    def handshake_response(self, greeting, user=APP_USER, password=APP_PASSWORD, database=None, plugin=None,
                           more=0):
        """`more`: further capabilities."""
        plugin = plugin or plugin_of(greeting)
        proof = PROOFS[plugin](password.encode(), salt_of(greeting))
        flags = CAPABILITIES | more | (CLIENT_CONNECT_WITH_DB if database else 0)
        return (struct.pack("<IIB23x", flags, 1 << 30, 45) + user.encode() + b"\0" + bytes([len(proof)]) + proof +
                (database.encode() + b"\0" if database else b"") + plugin.encode() + b"\0")

    def login(self, **options):
        """The whole handshake; gives the server's last packet (OK or ERR)."""
        greeting = self.receive()
        self.send(self.handshake_response(greeting, **options), 1)
        return self.finish_login(salt_of(greeting), options.get("password", APP_PASSWORD).encode())

    def finish_login(self, salt, password):
        """Answers what the server still asks for: another plugin, or caching_sha2_password's whole password."""
        while True:
            packet = self.receive()
            if packet[0] == AUTH_SWITCH:
                plugin, salt = packet[1:].rstrip(b"\0").split(b"\0", 1)
                self.send(PROOFS[plugin.decode()](password, salt), self.sequence)
            elif packet == bytes([AUTH_MORE]) + FULL:
                self.send(ASK_FOR_KEY, self.sequence)
                self.send(proofs.sha2_rsa_encrypt(password, salt, self.receive()[1:]), self.sequence)
            elif packet[0] != AUTH_MORE:
                return packet

    def query(self, sql):
        """Sends COM_QUERY; the first packet of its answer."""
        self.send(bytes([COM_QUERY]) + (sql.encode() if isinstance(sql, str) else sql))
        return self.receive()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def first_bytes(port):
    """What a client is told that says nothing."""
    with socket.create_connection(("127.0.0.1", port), 20) as one:
        return one.recv(1000)
