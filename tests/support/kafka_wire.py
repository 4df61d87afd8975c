"""The few messages of Kafka's protocol that kafka_proxy has to understand.

Only what came before the "flexible" versions is spoken: cap_versions makes brokers say that they
are that old, and clients then ask in those versions. Layouts: Kafka's protocol guide. A frame is a
message without the four bytes of length in front of it."""
import collections
import struct

PRODUCE, FETCH, METADATA, FIND_COORDINATOR, API_VERSIONS = 0, 1, 3, 10, 18

# From Fetch 16 and Produce 10 on an answer names the leader's address, Fetch 13 needs topic ids,
# which only later Metadata has.
VERSION_CAPS = {PRODUCE: 7, FETCH: 12, METADATA: 8, FIND_COORDINATOR: 2}
PRODUCE_VERSIONS = range(3, VERSION_CAPS[PRODUCE] + 1)

ERRORS = {"NONE": 0, "NOT_LEADER": 6, "MSG_SIZE_TOO_LARGE": 10, "TOPIC_AUTHORIZATION_FAILED": 29,
          "DUPLICATE_SEQUENCE_NUMBER": 46}

Request = collections.namedtuple("Request", "api version correlation client frame")
# One record batch of a Produce request. `records` are its bytes.
Batch = collections.namedtuple("Batch", "topic partition producer sequence count records")


class Wire:
    """Reads one field after the other; -1 as a length is null."""

    def __init__(self, frame, at=0):
        self.frame, self.at = frame, at

    def take(self, form):
        value, = struct.unpack_from(">" + form, self.frame, self.at)
        self.at += struct.calcsize(">" + form)
        return value

    def bytes(self, form):
        length = self.take(form)
        if length < 0:
            return None
        if self.at + length > len(self.frame):
            raise ValueError("a length goes beyond the message")
        self.at += length
        return bytes(self.frame[self.at - length:self.at])

    def text(self):
        value = self.bytes("h")
        return None if value is None else value.decode()

    def varint(self):
        value = shift = 0
        while True:
            byte = self.take("B")
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value


def read_request(frame):
    wire = Wire(frame)
    api, version, correlation = wire.take("h"), wire.take("h"), wire.take("i")
    return Request(api, version, correlation, wire.text(), frame)


def read_produce(request):
    """(acks, its batches)"""
    if request.version not in PRODUCE_VERSIONS:
        raise ValueError(f"Produce {request.version}, although the proxy does not offer it")
    wire = Wire(request.frame, 8)
    wire.text()  # client
    wire.text()  # transaction
    acks = wire.take("h")
    wire.take("i")  # timeout
    batches = []
    for _ in range(wire.take("i")):
        topic = wire.text()
        for _ in range(wire.take("i")):
            batches.append(read_batch(topic, wire.take("i"), wire.bytes("i")))
    return acks, batches


def read_batch(topic, partition, records):
    magic, = struct.unpack_from(">b", records, 16)
    if magic != 2:
        raise ValueError(f"a record batch of format {magic}")
    producer, _, sequence, count = struct.unpack_from(">qhii", records, 43)
    return Batch(topic, partition, producer, sequence, count, records)


def produce_answer(request, batches, error, offset):
    """What a broker would answer that treats all batches like this."""
    out = bytearray(struct.pack(">ii", request.correlation, len(batches)))
    for batch in batches:
        topic = batch.topic.encode()
        out += struct.pack(">h", len(topic)) + topic
        out += struct.pack(">iihqq", 1, batch.partition, error, offset, -1)
        if request.version >= 5:
            out += struct.pack(">q", 0 if error == 0 else -1)  # start of the log
    return bytes(out + struct.pack(">i", 0))


def move_ports(request, frame, moved):
    """Changes, in place, the ports of brokers that an answer names, by the dictionary @moved."""
    wire = Wire(frame, 4)
    if request.api == METADATA:
        if request.version >= 3:
            wire.take("i")  # throttled for
        for _ in range(wire.take("i")):
            move_port(wire, moved)
            if request.version >= 1:
                wire.text()  # rack
    elif request.api == FIND_COORDINATOR:
        if request.version >= 1:
            wire.take("i")
        wire.take("h")  # error
        if request.version >= 1:
            wire.text()
        move_port(wire, moved)


def move_port(wire, moved):
    wire.take("i")  # node
    wire.text()     # host
    at = wire.at
    port = wire.take("i")
    struct.pack_into(">i", wire.frame, at, moved.get(port, port))


def cap_versions(request, frame):
    """Changes, in place, the highest versions that a broker says it speaks."""
    wire = Wire(frame, 4)
    if wire.take("h") != 0:
        return
    flexible = request.version >= 3
    for _ in range(wire.varint() - 1 if flexible else wire.take("i")):
        api, _, at, highest = wire.take("h"), wire.take("h"), wire.at, wire.take("h")
        struct.pack_into(">h", frame, at, min(highest, VERSION_CAPS.get(api, highest)))
        if flexible:
            wire.varint()  # no tagged fields
