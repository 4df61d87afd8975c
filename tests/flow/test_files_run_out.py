"""A thousand connections and no more than 1,024 open files, which is what a login shell allows: no
process ends of it, and everything goes on."""
import resource
import socket
import time
import unittest

import shop
import story

LIMIT = 1024
CONNECTIONS = 1100
CHECKPOINT_SECONDS = 10


class FilesRunOut(story.Story):
    @classmethod
    def setUpClass(cls):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        if most < 4 * CONNECTIONS:
            raise unittest.SkipTest(f"this process may open {most} files, and needs {4 * CONNECTIONS}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (4 * CONNECTIONS, most))
        shop.open_on_mock(cls, cls.addClassCleanup)
        assert cls.shop.stop() == [0, 0, 0]
        for process in cls.shop.processes:
            process.words = ["prlimit", f"--nofile={LIMIT}:{LIMIT}", *process.words]
            process.start()
        for process in cls.shop.processes:
            process.await_ready()

    def test_a_thousand_connections_end_no_process(self):
        shop.put_sku(self.stock, "sku", 12.5, 1000)
        kept = [self.connections(process) for process in self.shop.processes]
        self.addCleanup(lambda: [each.close() for all in kept for each in all])
        time.sleep(CHECKPOINT_SECONDS + 2)  # the time in which a checkpoint is due
        for process in self.shop.processes:
            self.assertTrue(process.running(), process.tail(5))
        for each in (each for all in kept for each in all):
            each.close()
        self.cart.await_ready()
        shop.add_item(self.cart, "cart", "sku", 1)
        self.shop.await_journaled()
        self.assertEqual(self.shop.stop(), [0, 0, 0])

    def connections(self, process):
        kept = []
        for _ in range(CONNECTIONS):
            each = socket.socket()
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", process.port))
            kept.append(each)
        return kept


if __name__ == "__main__":
    story.main()
