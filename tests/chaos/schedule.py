"""What is done to the shop, and when: a list that the seed and the length alone decide.

A schedule is made of spells, each a few faults that belong together, with quiet between them so
that recovery can be measured. Spells come from a deck that holds every kind; it is shuffled again
when it is used up. A step is carried out by its lane (a process, the brokers, the load), at its
time or as soon as the lane is done with the step before it.

Printed, a step is one line: seconds since the start, lane, action, parameters as JSON."""
import collections
import json
import random

PROCESSES = ("cart", "stock", "consumer")
WARM_UP = 3.0    # nothing is done to anybody in the first seconds
LAST_QUIET = 4.0  # nor in the last ones
BROKER_BACK = 7.0  # a broker's start, until it is in sync: about

Step = collections.namedtuple("Step", "at lane action parameters")


class Plan:
    def __init__(self, seed, seconds, rate):
        self.random = random.Random(f"{seed} {seconds}")
        self.seconds = seconds
        self.rate = rate
        self.steps = []
        # Half of the runs have batches of hundreds of events, the others few or one
        self.simulate = self.random.choice((0, 100, 1000))
        self.cold = False  # everything comes one by one

    def number(self, low, high):
        return round(self.random.uniform(low, high), 2)

    def add(self, at, lane, action, **parameters):
        if at < self.seconds - LAST_QUIET:
            self.steps.append(Step(round(at, 2), lane, action, parameters))

    def simulated(self):
        """Commands a second of a service that starts."""
        return 0 if self.cold else self.random.choice((0, self.simulate, self.simulate))

    # One fault: added, and the time when it should be over is returned.

    def start_up_kills(self):
        """Milliseconds after its start at which it is killed again; mostly not."""
        return [self.random.randint(5, 500)
                for _ in range(self.random.choice((0, 0, 0, 1, 1, 2, 4)))]

    def kill(self, at, lane, down=None, kills=None):
        down = self.number(0, 2) if down is None else down
        kills = self.start_up_kills() if kills is None else kills
        self.add(at, lane, "kill", down=down, starting=kills, simulate=self.simulated())
        return at + down + sum(kills) / 1000 + 0.5

    def terminate(self, at, lane):
        down = self.number(0, 2)
        both = self.random.choice((None, 0, self.random.randint(1, 300)))
        self.add(at, lane, "terminate", down=down, kill_after_ms=both, simulate=self.simulated())
        return at + down + 1.5

    def pause(self, at, lane, low=2, high=6):
        seconds = self.number(low, high)
        self.add(at, lane, "pause", seconds=seconds, then_kill=self.random.random() < 0.25,
                 simulate=self.simulated())
        return at + seconds + 0.5

    def cut(self, at, lane):
        seconds = self.number(2, 9)
        self.add(at, lane, "cut", brokers=self.random.choice(([1], [2], [1, 2], [1, 2])),
                 what=self.random.choice(("requests", "answers", "both", "reset", "reset")),
                 seconds=seconds)
        return at + seconds

    def full(self, at, lane):
        seconds = self.number(2, 5)
        self.add(at, lane, "full", seconds=seconds, kill=self.random.random() < 0.5,
                 simulate=self.simulated())
        return at + seconds + 1

    def process_fault(self, at, lane):
        kinds = [self.kill] * 6 + [self.terminate] * 3 + [self.pause] * 2 + [self.cut, self.full]
        return self.random.choice(kinds)(at, lane)

    def broker_fault(self, at):
        broker = self.random.choice((1, 2))
        kind = self.random.choice(("kill", "kill", "kill", "terminate", "pause", "isolate"))
        if kind in ("kill", "terminate"):
            down = self.number(0, 5)
            kills = [self.random.randint(200, 3000)
                     for _ in range(self.random.choice((0, 0, 1, 2)))]
            self.add(at, "brokers", kind, broker=broker, down=down, starting=kills)
            return at + down + sum(kills) / 1000 + BROKER_BACK
        seconds = self.number(4, 9)
        self.add(at, "brokers", kind, broker=broker, seconds=seconds)
        return at + seconds + BROKER_BACK / 2

    def several(self, start, end, lane, gap):
        """Fault after fault; the time between them is a multiple of nothing."""
        at = start + self.random.expovariate(1 / gap)
        while at < end:
            at = self.process_fault(at, lane) + self.random.expovariate(1 / gap)
        return at

    # Spells: each returns when it should be over.

    def spell_alone(self, at):
        """One fault at a time, each with time to get over it."""
        for lane in self.random.sample(PROCESSES, 3):
            at = self.process_fault(at, lane) + self.number(1.5, 2.5)
        return at

    def spell_broker(self, at):
        return self.broker_fault(at)

    def spell_recovery(self, at):
        """Processes are killed while everything still gets over a broker's fault."""
        end = self.broker_fault(at)
        for lane in self.random.sample(PROCESSES, self.random.choice((2, 3))):
            when = at + self.number(0.1, 6)
            for _ in range(self.random.choice((1, 2))):
                when = self.kill(when, lane) + self.number(0, 2)
        return end

    def spell_storm(self, at):
        end = at + self.number(8, 14)
        for lane in PROCESSES:
            self.several(at, end, lane, 1.5)
        return max(end, self.broker_fault(at + self.number(0, 2)))

    def spell_together(self, at):
        """All three at the same moment, twice."""
        for _ in range(2):
            fault = self.random.choice((self.kill, self.kill, self.terminate))
            at = max(fault(at, lane) for lane in PROCESSES) + self.number(1, 3)
        return at

    def spell_cold(self, at):
        """One event a second, from services that start again and again while a broker does: small
        batches of producers that no broker knows yet."""
        self.cold = True
        self.add(at, "load", "rate", per_second=2)
        when = at
        for lane in ("cart", "stock"):
            when = self.kill(at, lane, kills=[])
        when += 1.5
        end = self.broker_fault(when)
        while when < end:
            for lane in ("cart", "stock"):
                self.kill(when + self.number(0, 0.5), lane, down=self.number(0, 0.5), kills=[])
            when += self.number(1.5, 3)
        self.cold = False
        for lane in ("cart", "stock"):
            end = max(end, self.kill(max(when, end), lane, kills=[]))
        self.add(end, "load", "rate", per_second=self.rate)
        return end

    def spell_burst(self, at):
        self.add(at, "load", "rate", per_second=5 * self.rate)
        end = at + self.number(5, 7)
        for lane in PROCESSES:
            self.several(at, end, lane, 1.0)
        self.add(end, "load", "rate", per_second=self.rate)
        return end + 1

    def spell_zombie(self, at):
        """Stopped for longer than the brokers wait for anybody, and then alive again."""
        long = self.seconds >= 300 and self.random.random() < 0.3
        lanes = self.random.sample(PROCESSES, self.random.choice((1, 2)))
        return max(self.pause(at + self.number(0, 1), lane, *((65, 75) if long else (7, 16)))
                   for lane in lanes)

    def spell_cut(self, at):
        lanes = self.random.sample(PROCESSES, self.random.choice((1, 2)))
        end = max(self.cut(at, lane) for lane in lanes)
        if self.random.random() < 0.5:
            lane = self.random.choice([lane for lane in PROCESSES if lane not in lanes])
            self.kill(at + self.number(0, 2), lane)
        return end

    def spell_full(self, at):
        return max(self.full(at + self.number(0, 1), lane)
                   for lane in self.random.sample(PROCESSES, 2))

    def spell_zookeeper(self, at):
        seconds = self.number(2, 8)
        self.add(at, "brokers", "zookeeper",
                 how=self.random.choice(("kill", "kill", "terminate", "pause")), seconds=seconds)
        for lane in self.random.sample(PROCESSES, 2):
            self.kill(at + self.number(0.5, seconds), lane)
        return at + seconds + 5

    def spell_dark(self, at):
        """Both brokers away; the services go on accepting, also after a start without Kafka."""
        long = self.seconds >= 300 and self.random.random() < 0.3
        seconds = self.number(62, 70) if long else self.number(4, 10)
        self.add(at, "brokers", "both", how=self.random.choice(("kill", "kill", "pause",
                                                                "terminate")), seconds=seconds)
        for lane in PROCESSES:
            when = at + self.number(0.5, seconds)
            for _ in range(self.random.choice((0, 1, 2))):
                when = self.kill(when, lane) + self.number(0, 2)
        return at + seconds + BROKER_BACK + 2

    def spell_standby(self, at):
        first = self.random.choice(("kill", "kill", "terminate", "pause"))
        seconds = self.number(2, 6)
        self.add(at, "consumer", "standby", first=first, seconds=seconds)
        return at + 2 + (seconds if first == "pause" else 2)

    def spell_moved(self, at):
        """The journal is moved by hand; a consumer that cannot know is killed soon after."""
        for _ in range(2):
            self.add(at, "consumer", "move_journal", kill_after_ms=self.random.choice(
                (None, self.random.randint(0, 50))), before=self.random.random() < 0.3)
            at += self.number(1, 2.5)
        return at


SPELLS = [name for name in vars(Plan) if name.startswith("spell_")]


def make(seed, seconds, rate):
    plan = Plan(seed, seconds, rate)
    at = WARM_UP
    deck = []
    while at < seconds - LAST_QUIET:
        if not deck:
            deck = plan.random.sample(SPELLS, len(SPELLS))
        at = getattr(plan, deck.pop())(at) + plan.number(1.5, 3.5)
    return sorted(plan.steps, key=lambda step: (step.at, step.lane))


def simulated_at_first(seed, seconds, rate):
    return Plan(seed, seconds, rate).simulate


def text(steps):
    return "".join(f"{at:8.2f} {lane:9}{action:13}"
                   f"{json.dumps(parameters, separators=(',', ':'))}\n"
                   for at, lane, action, parameters in steps)


def parse(lines):
    """The steps of a printed schedule; other lines are an error."""
    steps = []
    for line in lines.splitlines():
        at, lane, action, parameters = line.split(None, 3)
        steps.append(Step(float(at), lane, action, json.loads(parameters)))
    return steps
