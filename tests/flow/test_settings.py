"""How the three programs take settings that are wrong, and things that somebody else has."""
import re
import shutil

import shop
import story

SERVICES = ("cart-service", "stock-service")
PROGRAMS = (*SERVICES, "metrics-consumer")
NOBODY = "127.0.0.1:1"  # brokers that are not there

WRONG = {  # name: (wrong value, what the line has to say of what is right)
    "HTTP_PORT": ("65536", "0 to 65535"),
    "HTTP_ADDRESS": ("somewhere", "address"),
    "LOG_FORMAT": ("xml", "text or json"),
    "LOG_LEVEL": ("loud", "debug, info, warning or error"),
    "TOPIC": ("t" * 250, "1 to 249"),
    "KAFKA_BROKERS": ("b" * 1001, "1 to 1000"),
}
WRONG_IN_SERVICES = {
    "SIMULATE_PER_SECOND": ("-1", "0 to 100000"),
    "SIMULATE_SEED": ("1.5", "0 to"),
    "OUTBOX_MAX_ROWS": ("0", "1 to 1000000000"),
    "OUTBOX_KEEP_SECONDS": ("thirty", "2 to 86400"),
}
WRONG_IN_CONSUMER = {
    "JOURNAL_SYNC_MS": ("60001", "0 to 60000"),
    "GROUP_ID": ("g" * 250, "1 to 249"),
    "PRINT": ("perhaps", "on or off"),
    "SERVICES": ("cart:8080", "at most 16 URLs with commas between"),
}
# What the promises stand on.
FIXED = {
    "ACKS": "0", "ENABLE_IDEMPOTENCE": "false", "MESSAGE_TIMEOUT_MS": "10000",
    "MAX_IN_FLIGHT": "5", "ENABLE_GAPLESS_GUARANTEE": "false", "TRANSACTIONAL_ID": "x",
    "BOOTSTRAP_SERVERS": NOBODY,
}
FIXED_IN_CONSUMER = {
    "ENABLE_AUTO_COMMIT": "true", "AUTO_OFFSET_RESET": "latest", "GROUP_ID": "other",
    "ISOLATION_LEVEL": "read_committed",
    "BOOTSTRAP_SERVERS": NOBODY,
}


def wrong_of(binary):
    return WRONG | (WRONG_IN_SERVICES if binary in SERVICES else WRONG_IN_CONSUMER)


class Settings(story.Story):
    def setUp(self):
        self.directory = story.directory("hw9-settings-")
        self.addCleanup(shutil.rmtree, self.directory)

    def run_once(self, binary, *words, **settings):
        """In a directory of its own, where a program that does start finds nobody."""
        defaults = {"KAFKA_BROKERS": NOBODY, "HTTP_PORT": 0, "STATE_DIRECTORY": self.directory}
        return shop.run_once(binary, *words, directory=self.directory, **defaults | settings)

    def started(self, binary, name, **settings):
        process = shop.Process(binary, self.directory / name, {"KAFKA_BROKERS": NOBODY} | settings,
                               name)
        self.addCleanup(process.end)
        return process.start()

    def assert_one_line(self, run, *parts):
        """Exactly one line of the log has all of these."""
        lines = [line for line in run.stderr.splitlines() if all(part in line for part in parts)]
        self.assertEqual(len(lines), 1, f"lines with {parts} in:\n{run.stderr}")


class WrongSettings(Settings):
    def test_each_wrong_setting_is_one_line_with_name_value_and_range(self):
        for binary in PROGRAMS:
            for name, (value, right) in wrong_of(binary).items():
                with self.subTest(binary, setting=name):
                    run = self.run_once(binary, **{name: value})
                    self.assertEqual(run.returncode, 2, run)
                    self.assertEqual(run.stdout, "")
                    self.assert_one_line(run, name, value, right)

    def test_all_wrong_settings_are_said_at_once(self):
        for binary in PROGRAMS:
            with self.subTest(binary):
                wrong = wrong_of(binary)
                run = self.run_once(binary, "--no-such-option", RDKAFKA_NO_SUCH="1",
                                    RDKAFKA_BOOTSTRAP_SERVERS="elsewhere:1",
                                    **{name: value for name, (value, _) in wrong.items()})
                self.assertEqual(run.returncode, 2, run)
                missing = [name for name in [*wrong, "--no-such-option"] if name not in run.stderr]
                missing += [name for name in ("no.such", "bootstrap.servers")
                            if name not in run.stderr.lower()]
                self.assertEqual(missing, [], run.stderr)

    def test_wrong_settings_leave_no_trace(self):
        for binary in PROGRAMS:
            for name, (value, _) in wrong_of(binary).items():
                with self.subTest(binary, setting=name):
                    before = set(self.directory.iterdir())
                    self.run_once(binary, **{name: value})
                    self.assertEqual(set(self.directory.iterdir()) - before, set())

    def test_an_option_wins_over_the_environment(self):
        for binary in PROGRAMS:
            for words in (("--log-level", "louder"), ("--log-level=louder",)):
                with self.subTest(binary, words=words):
                    run = self.run_once(binary, *words, LOG_LEVEL="loud")
                    self.assertEqual(run.returncode, 2, run)
                    self.assert_one_line(run, "LOG_LEVEL", "louder")

    def test_what_is_no_option_is_refused(self):
        for binary in PROGRAMS:
            for words in (("frobnicate",), ("--frobnicate",), ("--http-port",), ("-x",),
                          ("--http-portal=1",)):
                with self.subTest(binary, words=words):
                    self.assertEqual(self.run_once(binary, *words).returncode, 2)

    def test_what_the_promises_stand_on_cannot_be_set(self):
        for binary in PROGRAMS:
            for name, value in (FIXED if binary in SERVICES else FIXED_IN_CONSUMER).items():
                for by, words, settings in (
                        ("environment", (), {"RDKAFKA_" + name: value}),
                        ("option", (f"--rdkafka-{name.lower().replace('_', '-')}={value}",), {})):
                    with self.subTest(binary, setting=name, by=by):
                        run = self.run_once(binary, *words, **settings)
                        self.assertEqual(run.returncode, 2, run)
                        self.assert_one_line(run, name.lower().replace("_", "."), value)

    def test_an_unknown_librdkafka_property_is_refused_by_name_without_its_value(self):
        for binary in PROGRAMS:
            with self.subTest(binary):
                run = self.run_once(binary, RDKAFKA_SASL_PASSWORT="hunter2")
                self.assertEqual(run.returncode, 2, run)
                self.assertIn("sasl.passwort", run.stderr.lower())
                self.assertNotIn("hunter2", run.stderr)

    def test_postgresql_is_refused_in_one_line(self):
        for binary in SERVICES:
            with self.subTest(binary):
                run = self.run_once(binary, STORE="postgresql://shop:hunter2@db/shop")
                self.assertEqual(run.returncode, 2, run)
                self.assertEqual(len(run.stderr.splitlines()), 1, run.stderr)
                self.assertIn("STORE", run.stderr)
                self.assertIn("PostgreSQL", run.stderr)

    def test_a_password_in_the_store_is_not_logged(self):
        for binary in SERVICES:
            with self.subTest(binary):
                run = self.run_once(binary, STORE="postgresql://shop:hunter2@db/shop")
                self.assertNotIn("hunter2", run.stderr)

    def test_journal_and_dead_letter_cannot_be_one_file(self):
        run = self.run_once("metrics-consumer", JOURNAL_PATH="one.log", DEAD_LETTER_PATH="one.log")
        self.assertEqual(run.returncode, 2, run)
        self.assert_one_line(run, "DEAD_LETTER_PATH", "one.log")


    def test_of_several_services_the_wrong_one_is_named_and_no_password(self):
        good = "http://cart:8080,https://shop:hunter2@stock/deep/"
        for wrong in ("ftp://till", "http://till:x", "http://till?a", "", "http://"):
            for services in (f"{good},{wrong}", f"{wrong},{good}"):
                with self.subTest(services):
                    run = self.run_once("metrics-consumer", SERVICES=services)
                    self.assertEqual(run.returncode, 2, run)
                    self.assert_one_line(run, f"SERVICES{'=' if wrong else ''}{wrong}: at most 16")
                    self.assertNotIn("hunter2", run.stderr)
        run = self.run_once("metrics-consumer", SERVICES=",".join(
            f"http://till-{number}" for number in range(17)))
        self.assertEqual(run.returncode, 2, run)
        self.assert_one_line(run, "SERVICES=http://till-16: at most 16")


class Words(Settings):
    def test_version_is_one_line(self):
        for binary in PROGRAMS:
            with self.subTest(binary):
                run = self.run_once(binary, "--version", HTTP_PORT="wrong")
                self.assertEqual((run.returncode, run.stderr), (0, ""))
                self.assertRegex(run.stdout, rf"^{binary} \d+\.\d+\.\d+( \(.+\))?\n$")

    def test_healthcheck_tells_by_its_exit_status(self):
        for binary in PROGRAMS:
            with self.subTest(binary):
                process = self.started(binary, binary)
                run = self.run_once(binary, "healthcheck", HTTP_PORT=process.port)
                self.assertEqual(run.returncode, 1, run)  # Kafka is not there
                self.assertIn('"ready":false', run.stdout)
                process.kill()
                run = self.run_once(binary, "healthcheck", HTTP_PORT=process.port)
                self.assertEqual(run.returncode, 1, run)
                run = self.run_once(binary, "healthcheck", HTTP_PORT="wrong")
                self.assertEqual(run.returncode, 2, run)


    def test_store_wants_the_word_fork_and_makes_no_store(self):
        for binary in SERVICES:
            for words, said in ((("store",), "is `fork`"), (("store", "spoon"), "is `fork`"),
                                (("store", "fork"), "no store at"),
                                (("store", "fork", "--http-port", "x"), "HTTP_PORT")):
                with self.subTest(binary, words=words):
                    run = self.run_once(binary, *words)
                    self.assertEqual(run.returncode, 2, run)
                    self.assertIn(said, run.stderr)
            self.assertEqual(list(self.directory.rglob("*.db")), [])
            self.assertIn("store fork", self.run_once(binary, "--help").stdout)


class SomebodyElseHasIt(Settings):
    def test_a_second_process_on_a_store_leaves_and_says_who_has_it(self):
        for binary in SERVICES:
            with self.subTest(binary):
                first = self.started(binary, binary)
                run = self.run_once(binary, STATE_DIRECTORY=first.directory)
                self.assertEqual(run.returncode, 3, run)
                self.assertRegex(run.stderr, rf"\b{first.popen.pid}\b")
                self.assertEqual(first.ask("GET", "/livez").status, 200)
                first.kill()  # what a killed process had is free again
                first.start()

    def test_a_second_process_on_a_port_leaves_and_names_the_port(self):
        for binary in PROGRAMS:
            with self.subTest(binary):
                first = self.started(binary, binary)
                run = self.run_once(binary, HTTP_PORT=first.port)
                self.assertEqual(run.returncode, 3, run)
                self.assertIn(f"port {first.port}: Address already in use", run.stderr)
                self.assertEqual(first.ask("GET", "/livez").status, 200)

    def test_a_second_consumer_on_a_journal_waits_until_the_first_one_is_gone(self):
        journal = self.directory / "metrics.log"
        first = self.started("metrics-consumer", "first", JOURNAL_PATH=journal)
        second = self.started("metrics-consumer", "second", JOURNAL_PATH=journal)
        story.await_fact(lambda: f"the second one says that it is a standby: {second.ready()}",
                         lambda: "standby" in second.ready()[1]["journal"])
        story.await_fact(lambda: f"the first one has it: {first.ready()}",
                         lambda: first.ready()[1]["journal"] == "ok")
        first.kill()
        story.await_fact(lambda: f"the second one takes over: {second.ready()}",
                         lambda: second.ready()[1]["journal"] == "ok")

    def test_a_standby_can_be_stopped(self):
        journal = self.directory / "metrics.log"
        self.started("metrics-consumer", "first", JOURNAL_PATH=journal)
        second = self.started("metrics-consumer", "second", JOURNAL_PATH=journal)
        self.assertEqual(second.stop(), 0)
        self.assertTrue(re.search("standby", second.log()))


if __name__ == "__main__":
    story.main()
