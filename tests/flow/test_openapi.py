"""The OpenAPI documents that the three serve: sound, and true under schemathesis, which makes
requests of them, good and bad ones, and compares every answer with the document. Afterwards the
journal has every event that was answered."""
import os
import subprocess

import shop
import story

MADE = story.SOURCE / "build" / "documents"
SCHEMATHESIS = MADE / "venv" / "bin" / "schemathesis"
RUN_SECONDS = 90
ENDLESS = "/feed"
SETTINGS = ["--seed", "6", "--max-examples", "30", "--warnings", "off", "--no-color",
            "--suppress-health-check", "all", "--request-timeout", "15"]


class Documents(story.Story):
    @classmethod
    def setUpClass(cls):
        shop.open_on_mock(cls, cls.addClassCleanup)
        shop.put_sku(cls.shop.stock, "A123", 12.5, 100)

    def document(self, process):
        answer = process.ask("GET", "/openapi.json")
        self.assertEqual((answer.status, answer.type), (200, "application/json"))
        return answer

    def test_what_is_served_is_what_is_in_the_tree(self):
        for process in self.shop.processes:
            self.assertEqual(self.document(process).body,
                             (story.SOURCE / process.name / "openapi.json").read_bytes())

    def test_each_path_that_can_be_read_without_an_id_is_there(self):
        for process in self.shop.processes:
            for path, item in self.document(process).json["paths"].items():
                if "get" in item and "{" not in path and path != ENDLESS:
                    with self.subTest(process.name, path=path):
                        answer = process.ask("GET", path)
                        self.assertIn(str(answer.status), item["get"]["responses"])
                        self.assertNotEqual(answer.status, 404)

    def need_readers(self):
        if not (MADE / "complete").exists():
            self.skipTest("schemathesis is not installed: run/setup --documents")

    def test_they_are_openapi(self):
        self.need_readers()
        for process in self.shop.processes:
            run = subprocess.run([MADE / "venv" / "bin" / "openapi-spec-validator", "-"],
                                 input=self.document(process).body, capture_output=True,
                                 timeout=RUN_SECONDS)
            self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

    def test_cart(self):
        self.attack(self.shop.cart)

    def test_stock(self):
        # A SKU that is deleted stays known, with a level of 0.
        self.attack(self.shop.stock, "--exclude-checks", "use_after_free")

    def test_consumer(self):
        self.attack(self.shop.consumer, "--exclude-path", ENDLESS)

    def attack(self, process, *words):
        self.need_readers()
        before = [service.outbox()["last"] for service in self.shop.services]
        environment = os.environ | {"SCHEMATHESIS_HOOKS": "schemathesis_hooks",
                                    "PYTHONPATH": str(story.SOURCE / "tests" / "flow"),
                                    "PYTHONDONTWRITEBYTECODE": "1"}
        run = subprocess.run([SCHEMATHESIS, "run",
                              f"http://127.0.0.1:{process.port}/openapi.json", *SETTINGS, *words],
                             cwd=self.shop.directory, env=environment, capture_output=True,
                             text=True, timeout=RUN_SECONDS)
        self.assertEqual(run.returncode, 0, f"schemathesis: {run.stdout}{run.stderr}")
        self.assertTrue(process.running())
        if process in self.shop.services:
            after = [service.outbox()["last"] for service in self.shop.services]
            self.assertGreater(sum(after), sum(before) + 10, "it made events")
        self.assertEqual(self.shop.judge(), [])


if __name__ == "__main__":
    story.main()
