"""PROXY headers of version 2, and clients behind one."""

import socket
import struct

from .wire import Wire

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v2(command, family, block):
    return SIGNATURE + bytes([command, family]) + struct.pack(">H", len(block)) + block


def v2_inet(source, port, tlvs=b""):
    return v2(0x21, 0x11, socket.inet_aton(source) + socket.inet_aton("127.0.0.1") + struct.pack(">HH", port, 3306) + tlvs)


def v2_inet6(source, port):
    return v2(0x21, 0x21, socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, "::1") +
              struct.pack(">HH", port, 3306))


class HeaderWire(Wire):
    """A client that sends a PROXY header first, from an address of its own, by IPv4, IPv6 or a Unix socket."""

    def __init__(self, port, header, source="127.0.0.1", path=None, timeout=30):
        self.socket = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self.socket.settimeout(timeout)
        if path:
            self.socket.connect(str(path))
        else:
            self.socket.bind((source, 0))
            self.socket.connect(("127.0.0.1", port))
        self.sequence = 0
        if header:
            self.socket.sendall(header)

    def host(self):
        """Where the server thinks that this client is, by its process list."""
        first = self.query("SELECT host FROM information_schema.processlist WHERE id = CONNECTION_ID()")
        assert first == b"\x01", first
        self.receive(), self.receive()
        row = self.receive()
        return row[1:].decode()
