"""Customers that ask cart and stock over HTTP, and the ledger of what they were answered.

Every request can be told from all others by its event: a cart has one customer, a level is asked
for once. So an event of a request that was never answered is known, too, and one that was done
twice."""
import collections
import http.client
import json
import threading
import time

ASK_SECONDS = 4      # shorter than most pauses: an answer that did not come is unknown
CUSTOMERS = 4        # of each service
BEHIND_SECONDS = 0.5  # what could not be asked for longer is not made up for
SHELVES = 60
CLEARS = 53          # each so many requests to cart clear the cart of an earlier one
CLEARED_BEFORE = 9
PLENTY = 10 ** 9     # no cart asks for as much

Entry = collections.namedtuple("Entry", "service source id answered status request")
# What the event of a request says of it; `tag` names the request.
Request = collections.namedtuple("Request", "tag method path body payload")

MADE_AN_EVENT = {"stock": {200: "stock_changed", 201: "sku_created"},
                 "cart": {200: "cart_cleared", 201: "cart_item_added", 404: "cart_item_failed",
                          409: "cart_item_failed"}}


class Ledger:
    """A line an answer, in memory and in a file that is only appended to."""

    def __init__(self, path):
        self.file = open(path, "a", buffering=1)
        self.lock = threading.Lock()
        self.entries = []
        self.unknown = collections.Counter()  # by service and what came instead of an answer
        self.asked = {"cart": 0, "stock": 0}
        self.odd = []  # answers that nobody should get

    def note(self, service, request, status, answer):
        if status in MADE_AN_EVENT[service] and "id" in answer and "source" in answer:
            entry = Entry(service, answer["source"], answer["id"], time.time(), status, request)
            with self.lock:
                self.entries.append(entry)
                self.file.write(json.dumps(entry) + "\n")
        elif status in (500, 503):
            self.note_unknown(service, status)
        elif status == 404 and request.method in ("PATCH", "DELETE"):
            pass  # what it is about was refused, or is on its way
        else:
            with self.lock:
                self.odd.append(f"{service} answered {request.tag} with {status}: {answer}")

    def note_unknown(self, service, what):
        with self.lock:
            self.unknown[service, str(what)] += 1

    def number(self, service):
        with self.lock:
            self.asked[service] += 1
            return self.asked[service]


def stock_request(number):
    level = PLENTY + number
    sku = f"shelf-{number % SHELVES}"
    price = number % 400 / 4
    if number % 5 == 4:
        return Request(f"{sku} {level}", "PATCH", f"/stocks/{sku}", {"count": level},
                       {"sku": sku, "count": level})
    return Request(f"{sku} {level}", "PUT", f"/stocks/{sku}", {"price": price, "count": level},
                   {"sku": sku, "count": level, "price": price})


def cart_request(number):
    cart = f"http-{number}"
    if number % CLEARS == 0:
        cart = f"http-{number - CLEARED_BEFORE}"
        return Request(f"{cart} cleared", "DELETE", f"/carts/{cart}", None,
                       {"cartId": cart, "items": 1})
    count = 1 + number % 1000
    sku = f"shelf-{number % SHELVES}"
    if number % 10 == 0:
        sku, count = "scarce", 1000  # there is none
    elif number % 97 == 0:
        sku = f"never-{number % 7}"  # stock has to be asked
    return Request(cart, "POST", f"/carts/{cart}/items", {"sku": sku, "count": count},
                   {"cartId": cart, "sku": sku, "count": count})


REQUESTS = {"stock": stock_request, "cart": cart_request}


class Customer(threading.Thread):
    def __init__(self, load, process):
        super().__init__(daemon=True)
        self.load = load
        self.port = process.port
        self.service = process.name
        self.connection = None

    def run(self):
        due = time.monotonic()
        while not self.load.over.is_set():
            rate = self.load.per_second / 2 / CUSTOMERS
            due = max(due + 1 / rate, time.monotonic() - BEHIND_SECONDS)
            # In short steps: the rate may change meanwhile
            while time.monotonic() < due and not self.load.over.is_set():
                self.load.over.wait(min(0.2, max(0, due - time.monotonic())))
                due = min(due, time.monotonic() + 2 * CUSTOMERS / self.load.per_second)
            if not self.load.over.is_set():
                self.ask()
        self.hang_up()

    def ask(self):
        ledger = self.load.ledger
        request = REQUESTS[self.service](ledger.number(self.service))
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port,
                                                             timeout=ASK_SECONDS)
            body = None if request.body is None else json.dumps(request.body)
            self.connection.request(request.method, request.path, body)
            response = self.connection.getresponse()
            ledger.note(self.service, request, response.status, json.loads(response.read()))
        except (OSError, http.client.HTTPException) as why:
            ledger.note_unknown(self.service, type(why).__name__)
            self.hang_up()
            self.load.over.wait(0.02)

    def hang_up(self):
        if self.connection:
            self.connection.close()
        self.connection = None


class Load:
    def __init__(self, services, per_second, ledger):
        self.per_second = per_second
        self.ledger = ledger
        self.over = threading.Event()
        self.customers = [Customer(self, service) for service in services
                          for _ in range(CUSTOMERS)]

    def start(self):
        for customer in self.customers:
            customer.start()

    def stop(self):
        self.over.set()
        for customer in self.customers:
            customer.join(2 * ASK_SECONDS)
            if customer.is_alive():
                self.ledger.odd.append(f"a request to {customer.service} does not end")
