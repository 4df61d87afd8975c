"""A proxy between clients and the brokers of a cluster on this host.

Clients that are given proxy.brokers stay behind it: the ports that Metadata and FindCoordinator
answers name are changed to its own. Bytes pass through; on the way it

- treats chosen Produce requests as a test says (answer, swallow, lose_answer, cut_before,
  cut_after),
- takes the network away: cut, refuse and accept, freeze and thaw, delay,
- remembers what was produced (`produced`), and what it did with it.

Answers leave a connection in the order of their requests, as a broker's do: an answer that is
held back holds those behind it."""
import collections
import socket
import threading

import kafka_wire
import shop
import story

CONNECT_SECONDS = 5
LOOK_SECONDS = 0.1  # a frozen connection looks this often whether it has ended
REMEMBERED = 100000

Produced = collections.namedtuple("Produced", "topic partition producer sequence count fate")


class Rule:
    """What becomes of Produce requests: of the @nth one that @where takes, and of the ones behind
    it, @times in all; None is until end()."""

    def __init__(self, fate, nth=1, times=1, where=None, error=None, offset=-1, hold=False):
        self.fate, self.error, self.offset = fate, error, offset
        self.nth, self.left, self.where = nth, times, where
        self.seen = self.hits = 0
        self.held = [] if hold else None  # (connection, entry, bytes)
        self.lock = threading.Lock()

    def takes(self, batches):
        with self.lock:
            if self.left == 0 or (self.where and not any(map(self.where, batches))):
                return False
            self.seen += 1
            if self.seen < self.nth:
                return False
            self.left = None if self.left is None else self.left - 1
            self.hits += 1
            return True

    def end(self):
        with self.lock:
            self.left = 0

    def release(self):
        """Sends the answers that were held back."""
        with self.lock:
            held, self.held = self.held, None
        for connection, entry, answer in held:
            connection.fill(entry, answer)


class Entry:
    """An answer that a client waits for."""

    def __init__(self, request, local=False, fate=None):
        self.request, self.local, self.fate = request, local, fate
        self.answer = None


def read_frame(sock):
    """A whole message, or None where the other side has ended."""
    head = read_bytes(sock, 4)
    return None if head is None else read_bytes(sock, int.from_bytes(head, "big"))


def read_bytes(sock, size):
    data = bytearray(size)
    left = memoryview(data)
    while left:
        got = sock.recv_into(left)
        if got == 0:
            return None
        left = left[got:]
    return data


def framed(frame):
    return len(frame).to_bytes(4, "big") + frame


class Connection:
    """Two threads, one a direction."""

    def __init__(self, proxy, client, broker):
        self.proxy, self.client, self.broker = proxy, client, broker
        for each in (client, broker):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.lock = threading.Lock()
        self.entries = collections.deque()
        self.ended = False
        for work in (self.from_client, self.from_broker):
            threading.Thread(target=self.guard, args=(work,), daemon=True).start()

    def guard(self, work):
        try:
            work()
        except OSError:
            pass  # an end like any other
        except Exception as why:  # we do not understand the protocol: the test has to hear of it
            self.proxy.trouble.append(f"{type(why).__name__}: {why}")
        finally:
            self.end()

    def end(self):
        self.ended = True
        for each in (self.client, self.broker):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()
        self.proxy.forget(self)

    def pass_gate(self):
        while not self.proxy.flowing.wait(LOOK_SECONDS):
            if self.ended:
                raise OSError("cut while frozen")

    def from_client(self):
        while (frame := read_frame(self.client)) is not None:
            self.pass_gate()
            request = kafka_wire.read_request(frame)
            if request.api != kafka_wire.PRODUCE:
                self.pass_on(Entry(request))
                continue
            acks, batches = kafka_wire.read_produce(request)
            rule = self.proxy.judge(batches)
            if rule is None:
                self.pass_on(Entry(request) if acks != 0 else None, frame)
            elif rule.fate == "cut_before":
                return
            elif rule.fate == "answer":
                self.answer(rule, request, batches)
            elif rule.fate != "swallow":
                self.pass_on(Entry(request, fate=rule.fate))

    def pass_on(self, entry, frame=None):
        if entry is not None:
            with self.lock:
                self.entries.append(entry)
        self.broker.sendall(framed(frame or entry.request.frame))

    def answer(self, rule, request, batches):
        entry = Entry(request, local=True)
        answer = kafka_wire.produce_answer(request, batches, rule.error, rule.offset)
        with self.lock:
            self.entries.append(entry)
        with rule.lock:
            if rule.held is not None:
                rule.held.append((self, entry, answer))
                return
        self.fill(entry, answer)

    def fill(self, entry, answer):
        """This answer is there; sends all that now can be sent."""
        with self.lock:
            entry.answer = answer
            while self.entries and self.entries[0].answer is not None:
                ready = self.entries.popleft()
                if ready.fate == "cut_after":
                    self.end()
                elif ready.fate != "lose_answer" and not self.ended:
                    try:
                        self.client.sendall(framed(ready.answer))
                    except OSError:
                        self.end()

    def from_broker(self):
        while (frame := read_frame(self.broker)) is not None:
            with self.lock:
                entry = next(each for each in self.entries
                             if not each.local and each.answer is None)
            if int.from_bytes(frame[:4], "big", signed=True) != entry.request.correlation:
                raise ValueError("an answer to another question")
            if entry.request.api == kafka_wire.API_VERSIONS:
                kafka_wire.cap_versions(entry.request, frame)
            else:
                kafka_wire.move_ports(entry.request, frame, self.proxy.moved)
            if self.proxy.latency:
                self.proxy.wait(self.proxy.latency)
            self.pass_gate()
            self.fill(entry, frame)


class KafkaProxy:
    """In front of @brokers (HOST:PORT,..., on loopback). Clients get its `brokers`."""

    def __init__(self, brokers):
        self.name = "Kafka proxy"
        self.moved = {int(each.rsplit(":", 1)[1]): shop.free_port()
                      for each in brokers.split(",")}
        self.brokers = ",".join(f"127.0.0.1:{port}" for port in self.moved.values())
        self.produced = collections.deque(maxlen=REMEMBERED)
        self.trouble = []
        self.rules = []
        self.latency = 0
        self.wait = threading.Event().wait  # nobody sets it
        self.flowing = threading.Event()
        self.flowing.set()
        self.lock = threading.Lock()
        self.connections = set()
        self.closed = {}     # port to a socket that is bound and does not listen
        self.listening = {}  # port to the one that does
        self.timer = None
        for port in self.moved.values():
            self.closed[port] = self._bound(port)
        story.keep(self)
        self.accept()

    @staticmethod
    def _bound(port):
        """Nobody else gets the port while it refuses."""
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        return sock

    def _serve(self, listener, broker_port):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return  # it refuses now
            try:
                broker = socket.create_connection(("127.0.0.1", broker_port), CONNECT_SECONDS)
                broker.settimeout(None)
            except OSError:
                client.close()  # the broker is down
                continue
            with self.lock:
                if listener not in self.listening.values():
                    client.close()
                    broker.close()
                    return
                self.connections.add(Connection(self, client, broker))

    def forget(self, connection):
        with self.lock:
            self.connections.discard(connection)

    def judge(self, batches):
        """The first rule that takes these; all is remembered."""
        rule = next((rule for rule in self.rules if rule.takes(batches)), None)
        for batch in batches:
            self.produced.append(Produced(batch.topic, batch.partition, batch.producer,
                                          batch.sequence, batch.count,
                                          rule.fate if rule else "passed"))
        return rule

    def _rule(self, *words, **settings):
        rule = Rule(*words, **settings)
        self.rules.append(rule)
        return rule

    # What becomes of Produce requests: nth, times and where are those of Rule.

    def answer(self, error, offset=-1, hold=False, **which):
        """A broker never sees the request. @error is a name of kafka_wire.ERRORS; @hold keeps the
        answer back until the rule's release()."""
        return self._rule("answer", error=kafka_wire.ERRORS[error], offset=offset, hold=hold,
                          **which)

    def swallow(self, **which):
        """No broker sees it, nobody answers, the connection stays."""
        return self._rule("swallow", **which)

    def lose_answer(self, **which):
        """Written, but nobody answers, the connection stays."""
        return self._rule("lose_answer", **which)

    def cut_before(self, **which):
        """The connection ends, nothing was written."""
        return self._rule("cut_before", **which)

    def cut_after(self, **which):
        """The connection ends, it was written."""
        return self._rule("cut_after", **which)

    def forgive(self):
        """No rule holds any more, nothing is remembered."""
        self.rules.clear()
        self.produced.clear()

    # What becomes of the network.

    def cut(self):
        """All connections end; new ones are taken."""
        with self.lock:
            ending = list(self.connections)
        for connection in ending:
            connection.end()

    def refuse(self, seconds=None):
        """Cuts, and refuses new connections until accept(), or for that long."""
        with self.lock:
            for port, listener in list(self.listening.items()):
                del self.listening[port]
                listener.shutdown(socket.SHUT_RDWR)  # ends its accept()
                listener.close()
                self.closed[port] = self._bound(port)
        self.cut()
        if seconds is not None:
            self.timer = threading.Timer(seconds, self.accept)
            self.timer.daemon = True
            self.timer.start()

    def accept(self):
        with self.lock:
            for broker_port, port in self.moved.items():
                if port in self.closed:
                    listener = self.closed.pop(port)
                    listener.listen(100)
                    self.listening[port] = listener
                    threading.Thread(target=self._serve, args=(listener, broker_port),
                                     daemon=True).start()

    def freeze(self):
        """Connections stay, and new ones are made, but nothing passes until thaw()."""
        self.flowing.clear()

    def thaw(self):
        self.flowing.set()

    def delay(self, seconds):
        """Every answer of a broker comes that much later."""
        self.latency = seconds

    # A thing that story keeps.

    def tail(self, lines):
        told = [f"trouble: {each}" for each in self.trouble]
        return "\n".join(told + [str(each) for each in list(self.produced)[-lines:]])

    def end(self):
        if self.timer:
            self.timer.cancel()
        self.thaw()
        self.refuse()
        with self.lock:
            for sock in self.closed.values():
                sock.close()
            self.closed.clear()
