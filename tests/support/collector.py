"""A collector of spans that keeps what it is sent, or is one that has its troubles."""
import http.server
import json
import threading

import story


class Collector:
    """`answers` are the statuses of the first requests, then it is 200; `hold`: it never answers."""

    def __init__(self, answers=(), hold=False):
        self.name = "collector"
        self.requests = []  # headers, path, the document
        self.answers = list(answers)
        self.over = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if hold:
                    outer.over.wait(60)
                    return
                status = outer.answers.pop(0) if outer.answers else 200
                if status == 200:
                    outer.requests.append((dict(self.headers), self.path, json.loads(body)))
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *words):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        story.keep(self)

    def spans(self, trace=None):
        """All that came, with the name of their service; or those of a trace."""
        found = []
        for _, _, document in list(self.requests):
            for resource in document["resourceSpans"]:
                service = fields(resource["resource"])["service.name"]
                found += [span | {"service": service} for scope in resource["scopeSpans"]
                          for span in scope["spans"]]
        return [span for span in found if trace in (None, span["traceId"])]

    def tail(self, lines):
        return f"{len(self.requests)} requests, {len(self.spans())} spans"

    def end(self):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()


def fields(thing):
    """The attributes of a span or a resource."""
    def value(of):
        return int(of["intValue"]) if "intValue" in of else of["stringValue"]
    return {each["key"]: value(each["value"]) for each in thing["attributes"]}
