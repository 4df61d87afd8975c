"""Those who ask cart over HTTP, as fast as they can or at a constant rate, and the server that
answers them with nothing."""
import json
import pathlib
import re
import shutil
import subprocess

import shop
import story

HERE = pathlib.Path(__file__).resolve().parent
CARTS = 10000
SKUS = 1000
# Further behind than this an answer counts as none. It is also how far wrk keeps times.
PATIENCE_SECONDS = 10
CONNECTIONS = 64  # of customers at a constant rate


def missing():
    """What cannot be measured without; empty if all is there."""
    needed = [story.BUILD / "bin" / name for name in
              ("cart-service", "stock-service", "metrics-consumer")]
    needed += [story.BUILD / "bench" / name for name in ("arrive", "empty")]
    return [str(path) for path in needed if not path.exists()] + \
        [name for name in ("wrk", "java", "kcat") if not shutil.which(name)]


def hurry(port, connections, seconds, seed, carts=CARTS, skus=SKUS):
    """wrk: each connection asks again as soon as it has its answer. A stall of the server holds
    these customers back and would hide what others would have waited; so wrk adds, for each answer
    that took more than twice the mean time a connection has for a request, the answers that would
    have been due meanwhile (stats_correct in its stats.c), before it tells percentiles."""
    run = subprocess.run(
        ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s",
         "--timeout", f"{PATIENCE_SECONDS}s", "--script", HERE / "add_items.lua",
         f"http://127.0.0.1:{port}", "--", str(carts), str(skus), str(seed)],
        capture_output=True, text=True, timeout=seconds + 3 * PATIENCE_SECONDS,
        stdin=subprocess.DEVNULL)
    assert run.returncode == 0, f"wrk: {run.stdout}{run.stderr}"
    told = json.loads(run.stdout.splitlines()[-1])
    assert told["requests"] > 0 and not told["refused"] and not told["broken"] and \
        not told["late"], f"not all answers were 201 in time: {told}"
    return told


def arrive(cart, rate, seconds, seed, journal=None, skus=SKUS):
    """bench/arrive: at a constant rate, whatever becomes of the answers. With `journal` it waits
    for their lines, too."""
    outbox = cart.outbox()
    words = [cart.port, rate, seconds, CONNECTIONS, CARTS, skus, seed, outbox["last"]]
    if journal:
        words += [outbox["source"], journal]
    run = subprocess.run([story.BUILD / "bench" / "arrive", *map(str, words)], text=True,
                         capture_output=True, timeout=seconds + 90, stdin=subprocess.DEVNULL)
    assert run.returncode == 0, f"arrive: {run.stderr}"
    told = json.loads(run.stdout)
    assert told["refused"] == 0, f"not all answers were 201: {told} {run.stderr}"
    assert told.get("lines_missing", 0) == 0, f"lines that did not come: {told}"
    return told


class Empty:
    """bench/empty: the HTTP library alone, answering with as many bytes as cart does."""

    def __init__(self, length):
        self.name = "empty"
        self.popen = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", story.BUILD / "bench" / "empty", str(length)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        story.keep(self)
        said = self.popen.stdout.readline()
        found = re.fullmatch(r"listening port=(\d+)\n", said)
        assert found, f"empty said {said!r}"
        self.port = int(found[1])

    def tail(self, lines):
        return "(it keeps no log)"

    def end(self):
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(10)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        self.popen.stdout.close()


def answer_length(cart):
    """Of the body of an answer to an addition, which is added."""
    answer = shop.add_item(cart, "cart-00000000", "sku-0000000", 1)
    assert answer.status == 201, answer
    return len(answer.body)
