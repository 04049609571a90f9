"""A relay before the server that meddles with what it hears: for errors that a server gives when it likes."""

import socket
import threading

COM_STMT_EXECUTE = 0x17


class Meddler:
    """A relay before the server that answers the next commands which begin like that with an error of its own."""

    def __init__(self, server, command=bytes([COM_STMT_EXECUTE]), error=b""):
        self.server, self.command, self.error, self.errors, self.seen = server, command, error, 0, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            backend = socket.create_connection(("127.0.0.1", self.server.port))
            threading.Thread(target=self.from_client, args=(client, backend), daemon=True).start()
            threading.Thread(target=self.from_backend, args=(backend, client), daemon=True).start()

    def from_client(self, client, backend):
        stream = client.makefile("rb")
        while len(header := stream.read(4)) == 4:
            payload = stream.read(int.from_bytes(header[:3], "little"))
            if header[3] == 0 and payload.startswith(self.command):
                self.seen += 1
                if self.errors > 0:
                    self.errors -= 1
                    client.sendall(len(self.error).to_bytes(3, "little") + b"\x01" + self.error)
                    continue
            backend.sendall(header + payload)
        self.end(backend)

    def from_backend(self, backend, client):
        while data := backend.recv(65536):
            client.sendall(data)
        self.end(client)

    @staticmethod
    def end(connection):
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:  # the other side was first
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


def error_packet(code, text):
    return b"\xff" + code.to_bytes(2, "little") + text
