"""What `doctor` says of a machine on which something is wrong, without and with a (mock) Kafka."""
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time

import brokers
import kafka_proxy
import shop
import story
import test_command_line

NOBODY = "127.0.0.1:1"
SECONDS = 12  # for all of it, on a busy machine
MIB = 1048576


class Doctor(story.Story):
    def setUp(self):
        self.directory = story.directory("hw9-doctor-")
        self.addCleanup(shutil.rmtree, self.directory)

    def see(self, binary, **settings):
        """(exit status, {check: (verdict, what it says, how to mend it)})"""
        began = time.monotonic()
        run = shop.run_once(binary, "doctor", seconds=30, directory=self.directory,
                            **{"KAFKA_BROKERS": NOBODY, "HTTP_PORT": 0,
                               "STATE_DIRECTORY": self.directory} | settings)
        self.assertLess(time.monotonic() - began, SECONDS)
        self.assertEqual(run.stderr, "")
        found = {}
        for verdict, check, said, mend in re.findall(
                r"(?m)^(ok|warn|bad) +(its settings|\S+) +(.*)\n(?: {17}mend: (.*)\n)?", run.stdout):
            found[check] = (verdict, said, mend)
        self.assertEqual(len(run.stdout.splitlines()),
                         len(found) + sum(1 for each in found.values() if each[2]), run.stdout)
        self.assertEqual(run.returncode, any(each[0] == "bad" for each in found.values()))
        return run.returncode, found

    def started(self, binary, **settings):
        process = shop.Process(binary, self.directory / binary, {"KAFKA_BROKERS": NOBODY} | settings)
        self.addCleanup(process.end)
        return process.start()

    def test_with_kafka_away_it_says_so_in_time_and_how_to_mend_it(self):
        for binary in test_command_line.PROGRAMS:
            with self.subTest(binary):
                status, found = self.see(binary, KAFKA_BROKERS="127.0.0.1:1,nowhere.invalid:9092")
                self.assertEqual(status, 1)
                verdict, said, mend = found["brokers"]
                self.assertEqual(verdict, "bad")
                self.assertIn("127.0.0.1:1: Connection refused", said)
                self.assertIn("nowhere.invalid:9092: ", said)
                self.assertIn("start them", mend)
                self.assertEqual(found["directory"][0], "ok")
                self.assertEqual(found["disk"][0], "ok")
                self.assertNotIn("topic", found)

    def test_it_changes_nothing_and_makes_no_file(self):
        for binary in test_command_line.PROGRAMS:
            self.see(binary, STATE_DIRECTORY=self.directory / "none")
        self.assertEqual(list(self.directory.iterdir()), [])

    def test_it_sees_a_running_process_and_what_that_has(self):
        for binary, owned in (("cart-service", "store"), ("metrics-consumer", "journal")):
            with self.subTest(binary):
                process = self.started(binary)
                _, found = self.see(binary, HTTP_PORT=process.port,
                                    STATE_DIRECTORY=process.directory)
                self.assertEqual(found["process"][0], "bad")  # Kafka is away
                self.assertRegex(found["process"][1], "waits: kafka: ")
                self.assertEqual(found[owned][0], "ok")
                self.assertIn(f"process {process.popen.pid} has it", found[owned][1])
                self.assertTrue(process.running())
                # asked at a port where nobody is
                _, found = self.see(binary, HTTP_PORT=shop.free_port(),
                                    STATE_DIRECTORY=process.directory)
                self.assertEqual(found["process"][0], "warn")
                self.assertEqual(found[owned][0], "warn")
                self.assertIn(f"ps -fp {process.popen.pid}", found[owned][2])
                # asked of another directory
                _, found = self.see(binary, HTTP_PORT=process.port, STATE_DIRECTORY=self.directory)
                if binary == "metrics-consumer":
                    self.assertEqual(found[owned][0], "warn")

    def test_it_sees_that_something_else_has_the_port(self):
        other = self.started("stock-service")
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            _, found = self.see("cart-service", HTTP_PORT=silent.getsockname()[1])
            self.assertEqual(found["process"][0], "warn")
        _, found = self.see("cart-service", HTTP_PORT=other.port)
        self.assertEqual(found["process"][0], "bad")


    def test_a_directory_it_cannot_use_is_bad(self):
        path = self.directory / "file"
        path.touch()
        status, found = self.see("cart-service", STATE_DIRECTORY=path)
        self.assertEqual((status, found["directory"][0]), (1, "bad"))
        self.assertIn("is no directory", found["directory"][1])
        self.assertEqual(self.see("cart-service", STATE_DIRECTORY=path / "below")[1]["directory"][0],
                         "bad")

    def disk(self, options):
        """A disk of its own, in memory: what is not written costs none."""
        path = self.directory / f"disk-{len(list(self.directory.iterdir()))}"
        path.mkdir()
        try:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"mode=755,{options}", "hw9", path],
                           check=True, capture_output=True, timeout=20)
        except (OSError, subprocess.CalledProcessError) as why:
            self.skipTest(f"no disk of its own can be mounted here: {why}")
        self.addCleanup(subprocess.run, ["umount", "--lazy", path], check=True, timeout=20)
        return path

    def test_a_disk_with_little_room_is_told_by_how_much_is_left(self):
        for size, verdict in ((2 * MIB, "bad"), (63 * MIB, "bad"), (65 * MIB, "warn"),
                              (1023 * MIB, "warn"), (1025 * MIB, "ok")):
            disk = self.disk(f"size={size}")
            for binary in test_command_line.PROGRAMS:
                with self.subTest(binary, size=size):
                    said = self.see(binary, STATE_DIRECTORY=disk)[1]["disk"]
                    self.assertEqual(said[:2], (verdict, f"{size // MIB} MB free of {size // MIB} MB"))
                    self.assertEqual(said[2], "" if verdict == "ok" else
                                     "make room: it stops taking, and goes on by itself then")

    def test_what_is_written_counts(self):
        disk = self.disk(f"size={1025 * MIB}")
        (disk / "filler").write_bytes(bytes(2 * MIB))
        self.assertEqual(self.see("stock-service", STATE_DIRECTORY=disk)[1]["disk"][:2],
                         ("warn", "1023 MB free of 1025 MB"))

    def test_a_disk_that_takes_no_further_file_is_bad(self):
        disk = self.disk(f"size={2048 * MIB},nr_inodes=3")
        self.assertEqual(self.see("stock-service", STATE_DIRECTORY=disk)[1]["disk"][0], "ok")
        for name in ("one", "two"):
            (disk / name).touch()
        status, found = self.see("stock-service", STATE_DIRECTORY=disk)
        self.assertEqual((status, found["disk"][:2]),
                         (1, ("bad", "2048 MB free of 2048 MB, and no inode: no new file fits")))

    def test_the_disk_it_looks_at_is_that_of_the_file(self):
        disk = self.disk(f"size={2 * MIB}")
        for binary, name in (("cart-service", "STORE"), ("metrics-consumer", "JOURNAL_PATH")):
            with self.subTest(binary):
                self.assertEqual(self.see(binary, **{name: disk / "file"})[1]["disk"][:2],
                                 ("bad", "2 MB free of 2 MB"))

    def test_a_directory_of_another_user_is_bad_and_it_says_whose_it_is(self):
        if os.geteuid() != 0:
            self.skipTest("needs root to become somebody else")
        mine = self.directory / "mine"
        mine.mkdir(mode=0o755)
        self.directory.chmod(0o755)
        binary = pathlib.Path(shop.program("cart-service"))
        copy = self.directory / "cart-service"
        shutil.copy(binary, copy)
        process = test_command_line.Terminal(
            self, "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", str(copy),
            "doctor", "--http-port=0", f"--kafka-brokers={NOBODY}", f"--state-directory={mine}",
            NO_COLOR="1")
        said = process.await_end()
        self.assertEqual(process.status, 1)
        self.assertRegex(said, r"bad +directory +\S+ belongs to root; nobody cannot write there")
        self.assertIn("mend: sudo -u root cart-service doctor", said)

    def test_colours_only_on_a_terminal_and_not_with_no_color(self):
        words = (shop.program("cart-service"), "doctor", "--http-port=0",
                 "--kafka-brokers=127.0.0.1:1", f"--state-directory={self.directory}")
        for settings, colours in (({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False),
                                  ({"TERM": "xterm", "NO_COLOR": "1"}, False)):
            with self.subTest(settings):
                said = test_command_line.Terminal(self, *words, **settings).await_end()
                self.assertIn("brokers", said)
                self.assertEqual("\x1b[31mbad" in said, colours)
                self.assertEqual("\x1b" in said, colours)

    def test_of_a_kafka_that_answers_it_asks_more(self):
        kafka = brokers.MockCluster()
        self.addCleanup(kafka.end)
        status, found = self.see("stock-service", KAFKA_BROKERS=kafka.brokers)
        self.assertEqual(status, 0, found)
        for check in ("brokers", "listeners", "topic", "copies", "clocks"):
            self.assertEqual(found[check][0], "ok", found)
        # one bootstrap address of two
        first = kafka.brokers.split(",")[0]
        _, found = self.see("stock-service", KAFKA_BROKERS=f"127.0.0.1:1,{first}")
        self.assertEqual(found["brokers"][0], "warn")
        self.assertIn("127.0.0.1:1: Connection refused", found["brokers"][1])

    def test_an_address_that_brokers_tell_and_that_cannot_be_reached_is_bad(self):
        kafka = brokers.MockCluster()
        self.addCleanup(kafka.end)
        proxy = kafka_proxy.KafkaProxy(kafka.brokers)
        self.addCleanup(proxy.end)
        told = [int(each.rsplit(":", 1)[1]) for each in kafka.brokers.split(",")]
        entrance = f"127.0.0.1:{proxy.moved[told[0]]}"
        proxy.moved[told[1]] = 1  # from now on
        status, found = self.see("stock-service", KAFKA_BROKERS=entrance)
        self.assertEqual(status, 1, found)
        self.assertEqual(found["brokers"][0], "ok", found)
        verdict, said, mend = found["listeners"]
        self.assertEqual(verdict, "bad")
        self.assertRegex(said, r"^broker \d at 127.0.0.1:1: Connection refused$")
        self.assertIn("advertised.listeners", mend)

    def test_what_answers_but_is_no_kafka_is_told_from_what_is_away(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            _, found = self.see("cart-service", KAFKA_BROKERS=f"127.0.0.1:{silent.getsockname()[1]}")
            self.assertEqual(found["brokers"][0], "bad")
            self.assertIn("can be reached, but none answers as Kafka", found["brokers"][1])


if __name__ == "__main__":
    story.main()
