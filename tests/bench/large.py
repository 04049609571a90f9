"""What a relay costs where little is asked and much is moved: an INSERT of 20 MiB that is dual-written, and a result of
100 MB. CPU of the proxy, in milliseconds a MiB that the client sends or receives, and the memory that it takes for
that, in MiB."""

import fcntl
import functools
import pathlib
import random
import re
import struct
import termios

from harness import Migration, wait_until

INSERT_BYTES, RESULT_ROWS, ROW_BYTES = 20 << 20, 480000, 208
TABLES = """
CREATE DATABASE large; USE large;
CREATE TABLE orders (id INT NOT NULL PRIMARY KEY, user_id INT, amount DECIMAL(10,2), note VARCHAR(90)) CHARSET=utf8mb4;
CREATE TABLE wide (id INT NOT NULL PRIMARY KEY, t VARCHAR(250)) CHARSET=utf8mb4;
INSERT INTO wide SELECT seq, REPEAT('x', 200) FROM seq_1_to_{rows};
"""
MIGRATION = Migration("large", "large.orders", "amount", "cents", types={"cents": "BIGINT"},
                      forward={"cents": "amount * 100"}, backward={"amount": "CAST(cents / 100 AS DECIMAL(10,2))"})


def tables():
    return TABLES.format(rows=RESULT_ROWS)


@functools.cache
def insert_text():
    choose = random.Random(1)
    rows, size = [], 0
    while size < INSERT_BYTES:
        rows.append(f"({len(rows) + 1}, {choose.randint(1, 99999)}, {choose.randint(1, 999999) / 100:.2f}, "
                    f"'a note of the length that notes have, more or less {len(rows)}')")
        size += len(rows[-1]) + 1
    return "INSERT INTO orders (id, user_id, amount, note) VALUES " + ",".join(rows)


class Peak:
    """What a process's resident memory grows by, at most, from here on."""

    def __init__(self, process):
        self.proc = pathlib.Path(f"/proc/{process.pid}")
        (self.proc / "clear_refs").write_text("5")
        self.before = self._kib("VmRSS")

    def _kib(self, name):
        return int(re.search(rf"{name}:\s+(\d+)", (self.proc / "status").read_text())[1])

    def mib(self):
        return max(0, self._kib("VmHWM") - self.before) / 1024


def insert(connection, proxy, cpu):
    """Of an INSERT, which is rolled back."""
    text = insert_text()
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM orders")  # the proxy knows the session's modes from here on
        cursor.execute("BEGIN")
        peak, before = Peak(proxy), cpu()
        cursor.execute(text)
        used = cpu() - before
        cursor.execute("ROLLBACK")
    return {"cpu": used / 1000 / (len(text) / (1 << 20)), "memory": peak.mib()}


def waiting(sock):
    """How many bytes lie in the socket's buffer, unread."""
    return struct.unpack("i", fcntl.ioctl(sock, termios.FIONREAD, b"\0" * 4))[0]


def wait_until_full(sock):
    """Until the bytes that wait unread grow no more from one look to the next."""
    looks = [0]

    def full():
        looks.append(waiting(sock))
        return looks[-1] == looks[-2] > 0

    wait_until(full, what="a socket's buffer being full")


def result(connection, proxy, cpu):
    """Of a result, which is read as bytes: the client's own parsing would be most of the time. It begins to read late,
    so that what is to wait in the proxy's memory does wait there."""
    query = b"\x03SELECT id, t FROM wide"
    sock = connection._sock  # pylint: disable=protected-access
    peak, before = Peak(proxy), cpu()
    sock.sendall(struct.pack("<I", len(query)) + query)
    wait_until_full(sock)
    taken, room = 0, memoryview(bytearray(1 << 20))
    while taken < RESULT_ROWS * ROW_BYTES:
        taken += sock.recv_into(room)
    used = cpu() - before
    connection._force_close()  # pylint: disable=protected-access
    return {"cpu": used / 1000 / (taken / (1 << 20)), "memory": peak.mib()}


WORK = {"INSERT of 20 MiB, dual-written": insert, "result of 100 MB": result}
