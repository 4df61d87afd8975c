"""What a topic holds and what a consumer wrote, compared by count and checksums.

A line `PARTITION OFFSET VALUE` goes into the chain of its partition, so that a line that is missing,
repeated, altered or out of its partition's order shows; partitions may be mixed in any way. Where a
consumer writes the value alone, only the sum over all values is left, whatever their order."""
import zlib

import journal

PARTITIONS = 2


class Content:
    def __init__(self):
        self.lines = 0
        self.line_bytes = 0   # as `PARTITION OFFSET VALUE` with the line's end
        self.value_bytes = 0  # as `VALUE` with the line's end
        self.chains = [0] * PARTITIONS
        self.values = 0

    def add(self, stream):
        """Lines `PARTITION OFFSET VALUE`, each with its end."""
        crc, chains, values = zlib.crc32, self.chains, 0
        lines = line_bytes = value_bytes = 0
        for line in stream:
            partition = line[0] - 48
            chains[partition] = crc(line, chains[partition])
            value = line.split(b" ", 2)[2]
            values += crc(value)
            lines += 1
            line_bytes += len(line)
            value_bytes += len(value)
        self.lines += lines
        self.line_bytes += line_bytes
        self.value_bytes += value_bytes
        self.values += values
        return self

    def add_values(self, stream):
        """Lines `VALUE`, each with its end."""
        for line in stream:
            self.lines += 1
            self.value_bytes += len(line)
            self.values += zlib.crc32(line)
        return self


def of_console(stream):
    """Lines of Kafka's console consumer."""
    for line in stream:
        partition, offset, value = line.split(b"\t", 2)
        yield b"%b %b %b" % (partition[10:], offset[7:], value)  # Partition:0 Offset:17


def of_journal(path):
    """Lines of all files of a journal."""
    for each in journal.files(path):
        with journal.open_file(each) as lines:
            for line in lines:
                _, partition, offset, _, _, _, value = line.split(b" ", 6)
                yield b"%b %b %b" % (partition[10:], offset[7:], value)  # partition=0 offset=17


# What a consumer writes: the bytes that its whole file has at least, and whether exactly.
JOURNAL_LEAST = 66  # more bytes than a plain line: time, names, a source, id and delay of one each


def size(writes, expected):
    """(bytes, whether exactly so many) of the file that is complete."""
    if writes == "value":
        return expected.value_bytes, True
    if writes == "console":
        return expected.line_bytes + expected.lines * len("Partition:Offset:"), True
    if writes == "journal":
        return expected.line_bytes + expected.lines * JOURNAL_LEAST, False
    if writes == "count":
        return len(str(expected.lines)) + 1, True
    return expected.line_bytes, True


def flaw(writes, path, expected):
    """What is wrong with the file at `path`, in one line; None where it is what was expected."""
    try:
        if writes == "count":
            counted = path.read_text()
            return None if counted == f"{expected.lines}\n" else f"counted {counted.strip() or 0}"
        found = _read(writes, path)
    except (OSError, ValueError, IndexError) as why:
        return f"not readable as {writes}: {why}"
    if found.lines != expected.lines:
        return f"{found.lines} lines, not {expected.lines}"
    if found.values != expected.values:
        return "other values than in the topic"
    if writes != "value" and found.chains != expected.chains:
        return "not in the order of the partitions, or with other offsets"
    return None


def _read(writes, path):
    if writes == "journal":
        return Content().add(of_journal(path))
    with open(path, "rb") as stream:
        if writes == "value":
            return Content().add_values(stream)
        return Content().add(of_console(stream) if writes == "console" else stream)
