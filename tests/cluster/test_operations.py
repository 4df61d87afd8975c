"""The procedures of docs/OPERATIONS.md, as an operator types them: a backup of a store and of a
journal while everything runs, what is restored from them, and a move to other brokers."""
import json
import re
import shutil
import subprocess

import brokers
import shop
import story


class Operations(story.Story):
    @classmethod
    def setUpClass(cls):
        cls.cluster = brokers.Cluster()
        cls.addClassCleanup(cls.cluster.end)

    def setUp(self):
        self.topic = re.sub("[^a-z_]", "", self.id().rsplit(".", 1)[1])[-40:]
        self.cluster.topic(self.topic)
        self.shop = shop.Shop(self.cluster.brokers, TOPIC=self.topic)
        self.addCleanup(self.shop.end)
        self.shop.consumer.settings["GROUP_ID"] = self.topic
        self.shop.start()
        for service in self.shop.services:
            service.stop()
            service.start(SIMULATE_PER_SECOND=50)
        self.backup = story.directory("hw9-backup-")

    def shell(self, command, directory, status=0):
        run = subprocess.run(["bash", "-c", command], cwd=directory, text=True, timeout=60,
                             capture_output=True, stdin=subprocess.DEVNULL,
                             env=shop.environment({"BACKUP": self.backup}))
        self.assertEqual(run.returncode, status, run)
        return run.stdout + run.stderr

    def await_events(self, count):
        """Of stock, in Kafka."""
        self.shop.stock.await_published(self.shop.stock.outbox()["last"] + count)

    def assert_all_well(self, *words):
        for service in self.shop.services:
            service.stop()
            service.start(SIMULATE_PER_SECOND=0)
            service.await_published()
        self.shop.await_journaled()
        status, said = self.shop.verify(*words)
        self.assertEqual(status, 0, said)
        return said

    def test_a_store_backed_up_while_it_runs_goes_on_under_a_new_name(self):
        stock = self.shop.stock
        self.await_events(50)
        self.shell("""sqlite3 stock.db ".backup '$BACKUP/stock.db'" """, stock.directory)
        self.assertEqual(self.shell("""sqlite3 $BACKUP/stock.db 'PRAGMA integrity_check'""",
                                    stock.directory), "ok\n")
        before = stock.outbox()["source"]
        self.await_events(50)
        stock.stop()
        self.shell("rm -f stock.db stock.db-wal stock.db-shm; cp $BACKUP/stock.db .",
                   stock.directory)
        stock.launch()
        self.assertNotEqual(stock.gone(), 0)
        self.assertIn("this store was copied or restored", stock.log())
        run = shop.run_once("stock-service", "store", "fork", seconds=40,
                            directory=stock.directory, **stock.settings)
        self.assertEqual(run.returncode, 0, run)
        self.assertRegex(run.stdout, rf"^{before} is now stock/")
        stock.start()
        self.await_events(20)
        self.assertNotEqual(stock.outbox()["source"], before)
        self.assert_all_well()

    def put_no_event(self, text):
        """Returns when the journal is past it."""
        subprocess.run(["kcat", "-P", "-b", self.cluster.brokers, "-t", self.topic, "-p", "0"],
                       input=text, text=True, timeout=30, check=True, env=shop.environment({}))
        self.shop.cart.await_published(self.shop.cart.outbox()["last"] + 20)
        self.shop.await_journaled()

    def letters(self):
        lines = self.shop.dead_letter_path.read_text().splitlines()
        return [bytes.fromhex(json.loads(line)["value_hex"]).decode() for line in lines]

    def test_a_journal_backed_up_while_it_grows_reads_on_from_there(self):
        consumer = self.shop.consumer
        self.put_no_event("one")
        # The checkpoint first: a journal that is longer than it says is fine. The dead letter
        # last: it lacks none that the journal is past.
        self.shell("cp -a metrics.log.checkpoint $BACKUP/", consumer.directory)
        self.put_no_event("two")
        self.shell("cp -a metrics.log $BACKUP/", consumer.directory)
        self.put_no_event("three")
        self.shell("cp -a dead-letter.log $BACKUP/", consumer.directory)
        self.put_no_event("four")
        consumer.stop()
        self.shell("mkdir aside && mv metrics.log* dead-letter.log aside/ && cp -a $BACKUP/* .",
                   consumer.directory)
        consumer.start()
        self.await_events(20)
        self.assert_all_well()
        self.assertEqual(self.letters(), ["one", "two", "three", "four"])
        self.assertIn("the group is ahead of this journal", consumer.log())  # it is, and it is said

    def test_a_move_to_other_brokers_loses_and_repeats_nothing(self):
        other = brokers.Cluster(story.directory("hw9-other-") / "kafka")
        self.addCleanup(other.end)
        other.topic(self.topic)
        self.await_events(50)
        for service in self.shop.services:
            service.settings["SIMULATE_PER_SECOND"] = 0
            service.stop()
            service.start()
            service.await_published()
            self.assertEqual(service.outbox()["waiting"], 0)
        self.assert_all_well()
        for process in self.shop.processes:
            self.assertEqual(process.stop(), 0)
        for process in (self.shop.consumer, *self.shop.services):
            process.start(KAFKA_BROKERS=other.brokers)
        for process in self.shop.processes:
            process.await_ready()
        for service in self.shop.services:
            service.stop()
            service.start(SIMULATE_PER_SECOND=50)
        self.await_events(50)
        said = self.assert_all_well("--no-topic")
        self.assertIn("0 missing, 0 repeated, 0 out of order", said)
        other.end()  # before its directory goes, by which it finds its processes
        shutil.rmtree(other.directory.parent, ignore_errors=True)


if __name__ == "__main__":
    story.main()
