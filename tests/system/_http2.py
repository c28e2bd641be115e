"""An HTTP/2 client that can misbehave: frames written by hand, HPACK as literals; of answers only :status is decoded.

Its own table for header compression is of size 0, so that the server's heads are literals too.
"""
import socket
import struct
import threading
import time

from _server import SLOW, Failed

DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONT = range(10)
END_STREAM, ACK, END_HEADERS = 1, 1, 4
CANCEL, CALM = 8, 11
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
BIG = (1 << 31) - 1 - 65535


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def setting(key, value):
    return struct.pack(">HI", key, value)


def hpack_string(s):
    s = s if isinstance(s, bytes) else s.encode()
    n = len(s)
    if n < 127:
        return bytes([n]) + s
    out, n = b"\x7f", n - 127
    while n >= 128:
        out, n = out + bytes([n % 128 + 128]), n // 128
    return out + bytes([n]) + s


def hpack(headers):
    return b"".join(b"\0" + hpack_string(k) + hpack_string(v) for k, v in headers)


def status_of(block):
    """RFC 7541: size updates, then :status first, from the static table or as a literal."""
    while block[0] & 0xe0 == 0x20:
        i = 1
        if block[0] & 0x1f == 0x1f:
            while block[i] & 0x80:
                i += 1
            i += 1
        block = block[i:]
    if block[0] & 0x80:
        return {8: 200, 9: 204, 10: 206, 11: 304, 12: 400, 13: 404, 14: 500}[block[0] & 0x7f]
    if block[0] not in (0x48, 0x08, 0x18):
        raise Failed(f"a head that does not begin with :status: {block[:20]!r}")
    text = block[2:2 + (block[1] & 0x7f)]
    if block[1] & 0x80:
        bits, text = "".join(f"{b:08b}" for b in text), ""
        while len(text) < 3:
            n = 5 if bits[:5] < "00011" else 6
            text += str(int(bits[:5], 2) if n == 5 else int(bits[:6], 2) - 0b011001 + 3)
            bits = bits[n:]
    return int(text)


class H2Stream:
    def __init__(self):
        self.status, self.body, self.ended, self.rst = None, b"", False, None
        self.n, self.began, self.last = 0, time.monotonic(), None

    def __repr__(self):
        return f"<status {self.status} {self.n} bytes, ended {self.ended}, rst {self.rst}, {self.body[-200:]!r}>"

    def events(self):
        """Of a stream of server-sent events: [(event name, id, data)]"""
        out = []
        for block in self.body.split(b"\n\n")[:-1]:
            fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if b": " in line)
            if b"data" in fields:
                out.append((fields.get(b"event", b"").decode(), fields.get(b"id"), fields[b"data"].decode()))
        return out

    def content(self):
        return [d for e, _, d in self.events() if e == ""]


class H2:
    """One connection. A thread reads; windows are opened wide unless said otherwise, and then never again by themselves."""

    def __init__(self, server, window=BIG, conn=BIG, rcvbuf=None, reads=True, preface=True):
        self.server, self.streams, self.next, self.cond = server, {}, 1, threading.Condition()
        self.goaway, self.closed, self.pings, self.n_frames, self.buf, self.reader = None, None, 0, 0, b"", None
        if server.tls:
            c = server.ssl_context()
            c.set_alpn_protocols(["h2", "http/1.1"])
            self.sock = c.wrap_socket(server.connect(tls=False, rcvbuf=rcvbuf, timeout=60 * SLOW), server_hostname="localhost")
            if self.sock.selected_alpn_protocol() != "h2":
                raise Failed(f"ALPN chose {self.sock.selected_alpn_protocol()}")
        else:
            self.sock = server.connect(rcvbuf=rcvbuf, timeout=60 * SLOW)
        if preface:
            self.send(PREFACE + frame(SETTINGS, payload=setting(1, 0) + setting(4, min(window, BIG))) + frame(SETTINGS, ACK))
            if conn > 65535:
                self.send(frame(WINDOW, payload=struct.pack(">I", conn)))
        if reads:
            self.read()

    def read(self):
        self.reader = threading.Thread(target=self._run, daemon=True)
        self.reader.start()

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError:
            pass  # it shows where somebody waits for an answer

    def _run(self):
        how = "closed"
        try:
            while data := self.sock.recv(65536):
                self.buf += data
                while len(self.buf) >= 9:
                    n = int.from_bytes(self.buf[:3], "big")
                    if len(self.buf) < 9 + n:
                        break
                    f, self.buf = self.buf[:9 + n], self.buf[9 + n:]
                    with self.cond:
                        self._frame(f[3], f[4], int.from_bytes(f[5:9], "big"), f[9:])
                        self.cond.notify_all()
        except OSError as e:
            how = f"{type(e).__name__}"
        with self.cond:
            self.closed = how
            self.cond.notify_all()

    def _frame(self, kind, flags, stream, payload):
        s = self.streams.get(stream)
        self.n_frames += 1
        if kind == HEADERS and s and not flags & END_HEADERS:
            raise Failed("a head in several frames")
        if kind == HEADERS and s:
            s.status, s.ended = status_of(payload), bool(flags & END_STREAM)
        elif kind == DATA and s:
            s.n, s.last = s.n + len(payload), time.monotonic()
            if len(s.body) < 1 << 24:
                s.body += payload
            s.ended = bool(flags & END_STREAM)
        elif kind == RST and s:
            s.rst = int.from_bytes(payload, "big")
        elif kind == GOAWAY:
            self.goaway = int.from_bytes(payload[4:8], "big")
        elif kind == PING and flags & ACK:
            self.pings += 1

    def request(self, path, method="GET", token=None, headers=(), body=None, end=True):
        """The frames of a request, and its stream."""
        h = [(":method", method), (":scheme", "https" if self.server.tls else "http"), (":authority", self.server.host), (":path", path)]
        if token:
            h.append(("authorization", f"Bearer {token}"))
        s = self.streams[self.next] = H2Stream()
        s.id = self.next
        self.next += 2
        done = END_STREAM if end else 0
        data = frame(HEADERS, END_HEADERS | (done if body is None else 0), s.id, hpack(h + list(headers)))
        if body is not None:
            data += frame(DATA, done, s.id, body)
        return data, s

    def ask(self, path, **k):
        data, s = self.request(path, **k)
        self.send(data)
        return s

    def window(self, stream, n):
        self.send(frame(WINDOW, stream=getattr(stream, "id", stream), payload=struct.pack(">I", n)))

    def wait(self, fn, seconds, what):
        end = time.monotonic() + seconds * SLOW
        with self.cond:
            while not fn():
                left = end - time.monotonic()
                if left <= 0 or (self.closed and not fn()):
                    raise Failed(f"HTTP/2: {what}: in vain; closed {self.closed}, goaway {self.goaway}, {list(self.streams.values())[-3:]}")
                self.cond.wait(left)
        return self

    def done(self, s, seconds=20):
        self.wait(lambda: s.ended or s.rst is not None, seconds, "the end of a stream")
        return s

    def get(self, path, **k):
        return self.done(self.ask(path, **k))

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        if self.reader and self.reader is not threading.current_thread():
            self.reader.join(10)  # it knows the descriptor by its number, which the next connection gets
        self.sock.close()
