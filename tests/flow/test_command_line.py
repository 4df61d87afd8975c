"""What the three programs answer out of their tables: help, config, completions, manual pages, the
log as JSON."""
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time

import brokers
import shop
import story

SERVICES = ("cart-service", "stock-service")
PROGRAMS = (*SERVICES, "metrics-consumer")
NOBODY = "127.0.0.1:1"  # brokers that are not there
COMMANDS = {program: ["healthcheck", "config", "doctor", "completion", "manual"]
            for program in PROGRAMS}
COMMANDS["metrics-consumer"] += ["verify", "redrive"]
for service in SERVICES:
    COMMANDS[service] += ["store fork"]
SHELLS = ("bash", "zsh", "fish")


def known_settings(binary):
    """All names, as `config` lists them."""
    run = shop.run_once(binary, "config")
    return [line.split()[0] for line in run.stdout.splitlines()]


def option_of(name):
    return "--" + name.lower().replace("_", "-")


class CommandLine(story.Story):
    def setUp(self):
        self.directory = story.directory("hw9-words-")
        self.addCleanup(shutil.rmtree, self.directory)

    def answer(self, binary, *words, **settings):
        run = shop.run_once(binary, *words, directory=self.directory, **settings)
        self.assertEqual((run.returncode, run.stderr), (0, ""), words)
        return run.stdout


class Help(CommandLine):
    def test_every_help_fits_a_screen(self):
        for binary in PROGRAMS:
            for word in ("", *COMMANDS[binary]):
                with self.subTest(binary, word=word):
                    lines = self.answer(binary, *word.split(), "--help").splitlines()
                    self.assertLessEqual(max(map(len, lines)), 80)
                    self.assertLessEqual(len(lines), 40)
                    self.assertFalse([line for line in lines if line != line.rstrip()])

    def test_help_names_every_command(self):
        for binary in PROGRAMS:
            lines = self.answer(binary, "--help").splitlines()
            for word in COMMANDS[binary]:
                with self.subTest(binary, word=word):
                    self.assertTrue([line for line in lines if line.startswith(f"  {word} ")])

    def test_help_of_config_names_every_setting_with_its_default(self):
        for binary in PROGRAMS:
            text = self.answer(binary, "config", "--help")
            for name in known_settings(binary):
                with self.subTest(binary, setting=name):
                    self.assertRegex(text, rf"(?m)^  {name}\b")
            self.assertIn("[metrics]", text)

    def test_help_is_an_answer_wherever_it_stands(self):
        for binary in PROGRAMS:
            plain = self.answer(binary, "--help")
            self.assertEqual(self.answer(binary, "--http-port", "0", "--help"), plain)
            self.assertEqual(self.answer(binary, "--help", HTTP_PORT="wrong"), plain)

    def test_what_is_no_command_is_said_to_be_none(self):
        for binary in PROGRAMS:
            run = shop.run_once(binary, "frobnicate", directory=self.directory)
            self.assertEqual((run.returncode, run.stdout), (2, ""))
            self.assertIn("frobnicate: no such command", run.stderr)
            self.assertEqual(shop.run_once(binary, "completion", "tcsh").returncode, 2)


class Config(CommandLine):
    def test_each_value_is_told_with_where_it_comes_from(self):
        path = self.directory / "settings"
        path.write_text("# a comment\nTOPIC=of-file\nLOG_LEVEL=debug\nHTTP_PORT=7\n")
        for binary in PROGRAMS:
            with self.subTest(binary):
                text = self.answer(binary, "config", "--http-port=9", SETTINGS_FILE=path,
                                   LOG_LEVEL="error", RDKAFKA_LINGER_MS="5")
                for wanted in (r"TOPIC +of-file +file, line 2", r"LOG_LEVEL +error +environment",
                               r"HTTP_PORT +9 +option", r"HTTP_ADDRESS +127.0.0.1 +default",
                               r"RDKAFKA_LINGER_MS +5 +environment",
                               rf"SETTINGS_FILE +{path} +environment"):
                    self.assertRegex(text, f"(?m)^{wanted}$")

    def test_what_it_tells_is_what_the_program_takes(self):
        process = shop.Process("stock-service", self.directory / "stock",
                               {"KAFKA_BROKERS": NOBODY, "TOPIC": "another"})
        self.addCleanup(process.end)
        process.start()
        self.assertIn(" topic=another ", process.log())
        self.assertRegex(self.answer("stock-service", "config", TOPIC="another"),
                         r"(?m)^TOPIC +another +environment$")

    def test_secrets_are_masked(self):
        secret = "hunter2"
        for binary in PROGRAMS:
            with self.subTest(binary):
                run = shop.run_once(binary, "config", f"--rdkafka-ssl-key-password={secret}",
                                    RDKAFKA_SASL_PASSWORD=secret,
                                    STORE=f"postgresql://shop:{secret}@db/shop",
                                    STOCK_URL=f"http://shop:{secret}@stock:1",
                                    SERVICES=f"http://a:{secret}@a,http://b:{secret}@b",
                                    OTEL_EXPORTER_OTLP_HEADERS=f"api-key={secret}",
                                    OTEL_SERVICE_NAME="till")
                self.assertNotIn(secret, run.stdout + run.stderr)
                self.assertRegex(run.stdout, r"(?m)^OTEL_SERVICE_NAME +till +environment$")
                self.assertRegex(run.stdout,
                                 r"(?m)^OTEL_EXPORTER_OTLP_HEADERS +\*\*\* +environment$")
                self.assertRegex(run.stdout, r"(?m)^RDKAFKA_SASL_PASSWORD +\*\*\* +environment$")
                self.assertRegex(run.stdout, r"(?m)^RDKAFKA_SSL_KEY_PASSWORD +\*\*\* +option$")

    def test_every_wrong_value_is_said_at_once_in_whatever_check_it_fails(self):
        path = self.directory / "settings"
        path.write_text("HTP_PORT=1\nLOG_FORMAT=xml\n")
        common = {"SETTINGS_FILE": path, "HTTP_PORT": "65536", "LOG_LEVEL": "loud",
                  "RDKAFKA_NO_SUCH": "1", "RDKAFKA_ENABLE_IDEMPOTENCE": "false",
                  "RDKAFKA_ENABLE_AUTO_COMMIT": "true",
                  "RDKAFKA_BOOTSTRAP_SERVERS": "elsewhere:1"}
        wanted = ["--no-such-option", "HTTP_PORT=65536", "LOG_LEVEL=loud", "no.such",
                  "bootstrap.servers", "line 1", "LOG_FORMAT=xml"]
        own = {
            "cart-service": ({"STOCK_URL": "ftp://stock", "STORE": "postgres://db"},
                             ["STOCK_URL=ftp://stock", "STORE=postgres://db"]),
            "stock-service": ({"STORE": "postgres://db", "OUTBOX_MAX_ROWS": "0"},
                              ["STORE=postgres://db", "OUTBOX_MAX_ROWS=0"]),
            "metrics-consumer": ({"JOURNAL_PATH": "one", "DEAD_LETTER_PATH": "one",
                                  "JOURNAL_ROTATE_BYTES": "100", "SERVICES": "cart"},
                                 ["DEAD_LETTER_PATH=one", "JOURNAL_ROTATE_BYTES=100",
                                  "SERVICES=cart"]),
        }
        for binary in PROGRAMS:
            for word in (["config"], [], ["healthcheck"], ["doctor"]):
                with self.subTest(binary, word=word):
                    settings, more = own[binary]
                    run = shop.run_once(binary, *word, "--no-such-option",
                                        directory=self.directory, **common, **settings)
                    self.assertEqual(run.returncode, 2, run)
                    self.assertEqual([each for each in wanted + more if each not in run.stderr],
                                     [], run.stderr)
                    if word == ["config"]:
                        self.assertRegex(run.stdout, r"(?m)^HTTP_PORT +65536 +environment$")

    def test_a_file_that_is_not_there_is_wrong_and_one_that_is_no_file(self):
        for path, said in ((self.directory / "none", "No such file"), (self.directory, "directory"),
                           ("/dev/zero", "longer than")):
            run = shop.run_once("cart-service", "config", "--settings-file", str(path))
            self.assertEqual(run.returncode, 2, run)
            self.assertIn(said, run.stderr)


class Completions(CommandLine):
    def script(self, binary, shell):
        if not shutil.which(shell):
            self.skipTest(f"{shell} is not installed")
        path = self.directory / f"{binary}.{shell}"
        path.write_text(self.answer(binary, "completion", shell))
        return path

    def run_shell(self, *words):
        run = subprocess.run(words, capture_output=True, text=True, timeout=20,
                             env={"PATH": os.environ["PATH"], "HOME": str(self.directory)},
                             stdin=subprocess.DEVNULL)
        self.assertEqual((run.returncode, run.stderr), (0, ""), words)
        return run.stdout

    def test_the_shell_itself_finds_nothing_wrong(self):
        for binary in PROGRAMS:
            for shell in SHELLS:
                with self.subTest(binary, shell=shell):
                    self.run_shell(shell, "-n", self.script(binary, shell))

    def completed(self, script, function, *words):
        """What bash would offer for these words, the last one being typed."""
        return self.run_shell("bash", "-c", """
            source "$1"; COMP_WORDS=("${@:3}"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            "$2"; printf '%s\n' "${COMPREPLY[@]}" """, "bash", script, function,
                              *words).splitlines()

    def test_bash_offers_commands_options_and_values(self):
        for binary in PROGRAMS:
            function = "_" + binary.replace("-", "_")
            script = self.script(binary, "bash")

            def offers(*words):
                return self.completed(script, function, binary, *words)

            with self.subTest(binary):
                self.assertEqual(set(offers("")), {word.split()[0] for word in COMMANDS[binary]})
                self.assertEqual(offers("doc"), ["doctor"])
                self.assertEqual(offers("--http-p"), ["--http-port"])
                self.assertEqual(offers("--log-level", "w"), ["warning"])
                self.assertEqual(offers("--log-format", "="), ["text", "json"])
                self.assertEqual(offers("--log-format", "=", "j"), ["json"])
                self.assertEqual(offers("completion", "z"), ["zsh"])
                for name in known_settings(binary):
                    self.assertEqual(offers("config", option_of(name)), [option_of(name)])
        self.assertEqual(self.completed(self.script("cart-service", "bash"), "_cart_service",
                                        "cart-service", "store", ""), ["fork"])
        self.assertIn("--between", self.completed(self.script("metrics-consumer", "bash"),
                                                  "_metrics_consumer", "metrics-consumer",
                                                  "verify", "--"))

    def test_fish_offers_the_same(self):
        for binary in PROGRAMS:
            script = self.script(binary, "fish")

            def offers(line):
                told = self.run_shell("fish", "--no-config", "-c",
                                      f"source {script}; complete -C '{binary} {line}'")
                return [each.split("\t")[0] for each in told.splitlines()]

            with self.subTest(binary):
                self.assertEqual(set(offers("")), {word.split()[0] for word in COMMANDS[binary]})
                self.assertEqual(offers("--log-level w"), ["warning"])
                options = offers("config --")
                for name in known_settings(binary):
                    self.assertIn(option_of(name), options)

    def test_zsh_offers_the_same(self):
        """zsh completes only at a terminal, so it gets one."""
        for binary in PROGRAMS:
            script = self.script(binary, "zsh")
            script.rename(self.directory / f"_{binary}")
        typed = Terminal(self, "zsh", "-f", "-i")
        typed.send(f"PS1='> '; fpath=({self.directory} $fpath); autoload -Uz compinit;"
                   " compinit -u -D; echo rea''dy\n")
        typed.await_text("ready")
        for line, wanted in (("cart-service doct", "cart-service doctor"),
                             ("cart-service --log-level w", "--log-level warning"),
                             ("stock-service sto", "stock-service store"),
                             ("metrics-consumer --journal-sy", "--journal-sync-ms"),
                             ("metrics-consumer verify --betw", "--between")):
            with self.subTest(line):
                typed.send(line + "\t")
                typed.await_text(wanted)
                typed.send("\x15")


class Terminal:
    """A program on a pseudo-terminal."""

    def __init__(self, test, *words, **settings):
        self.pid, self.fd = os.forkpty()
        if self.pid == 0:
            environment = {"TERM": "dumb", "PATH": os.environ["PATH"]} | settings
            os.execvpe(words[0], words, environment)
        os.set_blocking(self.fd, False)
        self.told = ""
        self.status = None
        test.addCleanup(self.end)

    def send(self, text):
        self.told = ""
        os.write(self.fd, text.encode())

    def read(self):
        try:
            self.told += os.read(self.fd, 65536).decode(errors="replace")
        except (BlockingIOError, OSError):
            pass
        return self.told

    def await_text(self, text):
        return story.await_fact(lambda: f"the terminal shows {text!r}: {self.told!r}",
                                lambda: text in self.read() and self.told, 20)

    def await_end(self):
        def gone():
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            return pid != 0
        story.await_fact(lambda: f"it ends: {self.told!r}", gone, 20)
        time.sleep(0.05)
        return self.read()

    def end(self):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


class Manuals(CommandLine):
    def page(self, binary):
        path = self.directory / f"{binary}.1"
        path.write_text(self.answer(binary, "manual"))
        return path

    def test_mandoc_and_groff_find_nothing_wrong(self):
        tried = 0
        for binary in PROGRAMS:
            for lint in (["mandoc", "-Tlint"], ["groff", "-mdoc", "-Tutf8", "-ww", "-z"]):
                if not shutil.which(lint[0]):
                    continue
                with self.subTest(binary, lint=lint):
                    run = subprocess.run([*lint, self.page(binary)], capture_output=True, text=True,
                                         timeout=20)
                    # The other two may not be installed here.
                    told = [line for line in (run.stdout + run.stderr).splitlines()
                            if "referenced manual not found" not in line]
                    self.assertEqual(told, [])
                    tried += 1
        if not tried:
            self.skipTest("neither mandoc nor groff is installed")

    def test_they_name_every_setting_command_and_exit_status(self):
        for binary in PROGRAMS:
            text = self.page(binary).read_text()
            for name in known_settings(binary):
                self.assertRegex(text, rf"(?m)^\.It Ev {name} , Fl {option_of(name)[1:]}$")
            for word in COMMANDS[binary]:
                self.assertRegex(text, rf"(?m)^\.It Cm {word}\b")
            for section in ("FILES", "EXIT STATUS", "EXAMPLES", "SEE ALSO"):
                self.assertIn(f".Sh {section}\n", text)


class Progress(CommandLine):
    def test_long_work_shows_a_bar_on_a_terminal_and_nowhere_else(self):
        with open(self.directory / "metrics.log", "w") as journal:
            for number in range(1, 140001):
                journal.write(f"2026-01-02T03:04:05.678Z partition=1 offset={number - 1} "
                              f"source=stock/a id={number} delay_ms=1 "
                              '{"type":"stock_changed","service":"stock","timestamp":'
                              '"2026-01-02T03:04:05Z","payload":{"sku":"a","price":1,"count":1}}\n')
        (self.directory / "dead-letter.log").touch()
        for words in (("redrive", "--dry-run"), ("verify", "--no-topic")):
            with self.subTest(words):
                given = (*words, f"--state-directory={self.directory}")
                typed = Terminal(self, shop.program("metrics-consumer"), *given)
                said = typed.await_end()
                self.assertRegex(said, r"\r\x1b\[K\[#+ *\] +\d+% ")
                self.assertRegex(said, r"\r\x1b\[K[^\[]*\Z")  # it is cleared
                run = shop.run_once("metrics-consumer", *given)
                self.assertEqual((run.returncode, run.stderr), (0, ""))
                self.assertNotIn("\x1b", run.stdout)

    def test_a_fork_shows_how_much_it_has_read_and_numbered(self):
        kafka = brokers.MockCluster()
        self.addCleanup(kafka.end)
        # Another one's records, which are passed over.
        subprocess.run([story.BUILD / "tests" / "produce", kafka.brokers, "metrics", "1", "till/1",
                        "1", "20000"], check=True, timeout=60)
        store = self.directory / "stock.db"
        given = ("store", "fork", f"--store={store}", f"--kafka-brokers={kafka.brokers}")
        process = shop.Process("stock-service", self.directory / "once",
                               {"KAFKA_BROKERS": NOBODY, "STORE": store})
        self.addCleanup(process.end)
        process.start()
        process.stop()
        database = sqlite3.connect(store)
        database.executescript(
            "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 200000) "
            "INSERT INTO outbox (id, type, at_ms, key, value) SELECT i, 3, i, 'A', x'7b7d' FROM n;"
            "UPDATE outbox_state SET last = 200000")
        database.close()
        typed = Terminal(self, shop.program("stock-service"), *given)
        said = typed.await_end()
        self.assertEqual(typed.status, 0, said)
        for what in ("of the partition is read", "of the rows are numbered"):
            self.assertRegex(said, rf"\r\x1b\[K\[#* *\] +\d+% {what}")
        self.assertRegex(said, r"\r\x1b\[Kstock/\w+ is now stock/\w+: the topic has 0 of its events, "
                               r"200000 will be sent from number 1 on\r\n\Z")
        run = shop.run_once("stock-service", *given, seconds=30)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertRegex(run.stdout, r"^stock/\w+ is now [^\x1b]*\n\Z")


class JsonLog(CommandLine):
    def test_every_line_of_a_life_is_an_object(self):
        for binary in PROGRAMS:
            with self.subTest(binary):
                process = shop.Process(binary, self.directory / binary,
                                       {"KAFKA_BROKERS": NOBODY, "LOG_FORMAT": "json",
                                        "HTTP_PORT": shop.free_port()})
                self.addCleanup(process.end)
                process.launch()
                story.await_fact(lambda: f"it listens: {process.log()}",
                                 lambda: '"message":"listening"' in process.log())
                process.stop()
                lines = [json.loads(line) for line in process.log().splitlines()]
                for line in lines:
                    self.assertEqual(list(line)[:4], ["time", "level", "room", "message"])
                listening, = [line for line in lines if line["message"] == "listening"]
                self.assertEqual(listening["port"], process.port)
                self.assertEqual(listening["address"], "127.0.0.1")


if __name__ == "__main__":
    story.main()
