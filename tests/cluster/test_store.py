"""Stores that are not what they were: copied, restored from a backup, deleted; and a topic that
is not what it was. Nothing in the topic is overwritten, each says what to do, and once that is
done every event is in the journal."""
import re
import shutil
import subprocess

import brokers
import journal
import shop
import story

FORK = re.compile(r"(\S+) is now (\S+): the topic has (\d+) of its events, (\d+) will be sent")


class Store(story.Story):
    @classmethod
    def setUpClass(cls):
        cls.cluster = brokers.Cluster()
        cls.addClassCleanup(cls.cluster.end)

    def open_shop(self, topic):
        self.topic = topic
        self.cluster.topic(topic)
        self.shop = shop.Shop(self.cluster.brokers, TOPIC=topic, OUTBOX_KEEP_SECONDS=30)
        self.addCleanup(self.shop.end)
        self.stock, self.consumer = self.shop.stock, self.shop.consumer
        self.store = self.stock.directory / "stock.db"
        self.stock.start()
        self.consumer.start()

    def put(self, count, prefix="sku", stock=None):
        """Returns (source, id) of each event."""
        answers = [shop.put_sku(stock or self.stock, f"{prefix}-{number % 50}", 1, number).json
                   for number in range(count)]
        return [(answer["source"], answer["id"]) for answer in answers]

    def copy_store(self, to):
        """The files of a store that nobody has open, as a backup takes them."""
        to.mkdir(exist_ok=True)
        for name in ("stock.db", "stock.db-wal", "stock.db-shm"):
            if (self.stock.directory / name).exists():
                shutil.copy(self.stock.directory / name, to / name)
        return to

    def restore_store(self, backup):
        self.delete_store()
        for path in backup.iterdir():
            shutil.copy(path, self.stock.directory / path.name)

    def delete_store(self):
        for path in self.stock.directory.glob("stock.db*"):
            path.unlink()

    def assert_ends_forked(self, process):
        """It ends by itself and says what to do."""
        self.assertEqual(process.gone(), 1)
        self.assertRegex(process.log(), r"the topic holds event \d+ of stock/\w+ (with other bytes|"
                                        r"and the store does not) .*stock-service store fork")

    def fork(self, process, status=0):
        run = shop.run_once("stock-service", "store", "fork", seconds=40,
                            directory=process.directory, **process.settings)
        self.assertEqual(run.returncode, status, run)
        return FORK.match(run.stdout) if status == 0 else run.stderr

    def numbers(self, source):
        return [line.id for line in
                journal.of_source(journal.read(self.shop.journal_path), source)]

    def assert_journaled(self, events):
        """All of these, each once, and each source in order."""
        for source in {source for source, _ in events}:
            self.shop.await_line(source, max(number for each, number in events if each == source))
            found = self.numbers(source)
            self.assertEqual(found, sorted(set(found)))
            self.assertLessEqual({number for each, number in events if each == source},
                                 set(found))

    def test_a_restored_store_ends_and_forked_it_goes_on(self):
        self.open_shop("restored")
        events = self.put(20)
        self.stock.await_published()
        self.stock.stop()
        backup = self.copy_store(self.stock.directory / "backup")
        self.stock.start()
        events += self.put(30)
        self.stock.await_published()
        self.stock.kill()
        end = self.ends()
        self.restore_store(backup)
        for _ in (1, 2):  # and once more: as a supervisor does
            try:
                self.stock.start()
            except AssertionError:
                pass  # it was quicker than we
            self.assert_ends_forked(self.stock)
            self.assertEqual(self.ends(), end)
        forked = self.fork(self.stock)
        self.assertEqual((forked[1], int(forked[3]), int(forked[4])), (events[0][0], 20, 0))
        self.stock.start()
        self.assertEqual(self.stock.outbox()["source"], forked[2])
        self.assertEqual(self.stock.ask("GET", "/stocks/sku-0").json["id"], 0)
        more = self.put(5)
        self.assertEqual(more, [(forked[2], number) for number in range(1, 6)])
        self.assert_journaled(events + more)

    def test_what_a_restored_store_accepted_is_sent_under_its_new_name(self):
        self.open_shop("accepted")
        events = self.put(10)
        self.stock.await_published()
        self.stock.stop()
        backup = self.copy_store(self.stock.directory / "backup")
        self.stock.start()
        events += self.put(10)
        self.stock.await_published()
        self.stock.stop()
        self.restore_store(backup)
        self.stock.start(KAFKA_BROKERS="127.0.0.1:9")  # nobody there: it accepts
        self.put(7, "late")
        self.assertEqual(self.stock.outbox()["waiting"], 7)
        self.stock.stop()
        self.stock.settings["KAFKA_BROKERS"] = self.cluster.brokers
        try:
            self.stock.start()
        except AssertionError:
            pass
        self.assert_ends_forked(self.stock)
        forked = self.fork(self.stock)
        self.assertEqual((int(forked[3]), int(forked[4])), (10, 7))
        self.stock.start()
        self.assertEqual(self.stock.ask("GET", "/stocks/late-6").json["id"], 7)
        self.assert_journaled(events + [(forked[2], number) for number in range(1, 8)])

    def test_two_copies_end_and_each_gets_a_name_of_its_own(self):
        self.open_shop("copied")
        events = self.put(10)
        self.stock.await_published()
        self.stock.stop()
        other = shop.Process("stock-service", self.shop.directory / "other",
                             self.stock.settings | {"HTTP_PORT": 0, "STATE_DIRECTORY":
                                                    self.shop.directory / "other"}, "other stock")
        self.addCleanup(other.end)
        self.copy_store(other.directory)
        for process in (self.stock, other):
            told = len(process.log())
            process.start()
            story.await_fact(f"{process.name} has looked", lambda: "relay producer starts" in
                             process.log()[told:])
        events += self.put(1, "theirs", other)
        other.await_published()
        self.put(2, "ours")  # acknowledged to its caller, and not in the topic under that name
        self.assert_ends_forked(self.stock)
        forked = self.fork(self.stock)
        self.assertEqual((int(forked[3]), int(forked[4])), (10, 2))
        self.put(1, "theirs", other)
        self.assert_ends_forked(other)
        parted = self.fork(other)
        self.assertEqual(int(parted[3]) + int(parted[4]), 12)
        self.assertGreaterEqual(int(parted[3]), 11)
        events += [(parted[1], number) for number in range(12, int(parted[3]) + 1)]
        self.stock.start()
        other.start()
        more = self.put(5, "ours")
        self.assertEqual(more[0], (forked[2], 3))
        more += self.put(5, "theirs", other)
        self.assertEqual(more[5], (parted[2], int(parted[4]) + 1))
        more += [(forked[2], 1), (forked[2], 2)]
        more += [(parted[2], number) for number in range(1, int(parted[4]) + 1)]
        self.assert_journaled(events + more)
        other.stop()

    def test_a_deleted_store_is_a_new_one(self):
        self.open_shop("deleted")
        events = self.put(10)
        self.stock.await_published()
        self.stock.stop()
        self.delete_store()
        self.stock.start()
        self.assertRegex(self.stock.log(), r"outbox open \(new\) .* last=0 published=0\n")
        more = self.put(5)
        self.assertNotEqual(more[0][0], events[0][0])
        self.assert_journaled(events + more)

    def test_a_store_deleted_under_its_process_ends_it(self):
        self.open_shop("under")
        self.put(10)
        self.stock.await_published()
        self.store.unlink()
        self.assertEqual(self.stock.gone(), 1)
        self.assertIn("was deleted or replaced while this process has it", self.stock.log())
        self.assertIn("bring the file back", self.fork_or_start_refused())

    def fork_or_start_refused(self):
        run = shop.run_once("stock-service", seconds=20, directory=self.stock.directory,
                            **self.stock.settings)
        self.assertEqual(run.returncode, 2, run)
        self.assertFalse(self.store.exists())
        return run.stderr

    def test_fork_takes_no_store_that_runs_and_makes_none(self):
        self.open_shop("owned")
        self.assertIn("owns it", self.fork(self.stock, 3))
        self.stock.stop()
        self.delete_store()
        self.assertIn("no store at", self.fork(self.stock, 2))
        self.assertFalse(self.store.exists())

    def test_fork_without_kafka_changes_nothing(self):
        self.open_shop("alone")
        events = self.put(3)
        self.stock.await_published()
        self.stock.stop()
        self.stock.settings["KAFKA_BROKERS"] = "127.0.0.1:9"
        self.assertIn("nothing is changed", self.fork(self.stock, 1))
        self.stock.settings["KAFKA_BROKERS"] = self.cluster.brokers
        self.stock.start()
        self.assertEqual(self.put(1), [(events[0][0], 4)])

    def test_a_killed_service_sends_next_to_nothing_again(self):
        self.open_shop("killed")
        self.stock.stop()
        self.stock.start(SIMULATE_PER_SECOND=1000)
        for _ in range(5):
            wanted = self.stock.outbox()["last"] + 500
            story.await_fact("it goes on", lambda: self.stock.outbox()["published"] > wanted)
            self.stock.kill()
            self.stock.start()
        self.stock.stop()
        self.stock.start(SIMULATE_PER_SECOND=0)
        last = self.stock.await_published()
        source = self.stock.outbox()["source"]
        self.assert_journaled([(source, last)])
        self.assertEqual(self.numbers(source), list(range(1, last + 1)))
        copies = self.ends()[1] - last
        print(f"{copies} copies of {last} events in 5 kills")
        self.assertLess(copies, last / 10)

    def test_a_topic_made_anew_gets_again_what_is_kept(self):
        self.open_shop("anew")
        events = self.put(20)
        self.stock.await_published()
        self.assert_journaled(events)
        self.consumer.stop()
        self.stock.stop()
        self.tool("--delete")
        story.await_fact("the topic is gone", lambda: self.topic not in self.tool("--list"), 60)
        self.cluster.topic(self.topic)
        self.stock.start()
        self.put(5)
        self.assertEqual(self.stock.await_published(), 25)
        self.assertIn("was cut, or the topic made anew", self.stock.log())
        self.assertEqual(self.ends(), [0, 25])

    def test_another_writer_on_the_partition_costs_no_seconds(self):
        self.open_shop("shared")
        self.stock.stop()
        self.stock.start(SIMULATE_PER_SECOND=200)
        stranger = subprocess.Popen(
            ["bash", "-c", f"for i in $(seq 200); do echo $i; sleep 0.05; done | "
             f"exec kcat -P -b {self.cluster.brokers} -t {self.topic} -p 1 -X linger.ms=0"])
        self.addCleanup(stranger.wait)
        self.addCleanup(stranger.kill)
        behind = []
        while stranger.poll() is None:
            wanted = self.stock.outbox()["last"]
            began = story.time.monotonic()
            self.stock.await_published(wanted, 20)
            behind.append(story.time.monotonic() - began)
        print(f"longest wait for Kafka beside another writer: {max(behind):.1f} s")
        self.stock.stop()
        self.stock.start(SIMULATE_PER_SECOND=0)
        last = self.stock.await_published()
        self.assert_journaled([(self.stock.outbox()["source"], last)])
        self.assertEqual(self.numbers(self.stock.outbox()["source"]), list(range(1, last + 1)))

    def tool(self, what):
        words = [] if what == "--list" else ["--topic", self.topic]
        run = subprocess.run([story.SOURCE / "kafka" / "tool", "kafka-topics",
                              "--bootstrap-server", self.cluster.brokers, what, *words],
                             capture_output=True, text=True, timeout=60, cwd=story.SOURCE)
        self.assertEqual(run.returncode, 0, run)
        return run.stdout

    def ends(self):
        """The offset behind the last record of each partition."""
        run = subprocess.run(["kcat", "-Q", "-b", self.cluster.brokers, "-t",
                              f"{self.topic}:0:-1", "-t", f"{self.topic}:1:-1"], text=True,
                             capture_output=True, timeout=30, check=True)
        return [int(end) for end in re.findall(r"offset (\d+)", run.stdout)]


if __name__ == "__main__":
    story.main()
