"""How long after a fault events came through again.

For cart and stock: from the restart (or the end of the pause, the cut, the full disk) to the first
journal line of an event that happened after it. For the consumer: from its restart to the first
line of each source. Where both brokers were away: from the start of the first one to the first
line, of each source, of an event that happened after it. For one broker or ZooKeeper: how long an
event at most waited for its line that happened from then until a second after it was gone."""
import bisect
import collections
import statistics


def first_line(source, moment, happened_after):
    """When the first line was journaled after a moment, of an event that happened after it or of
    any; None: there is none."""
    for at in range(bisect.bisect_left(source.times, moment), len(source.times)):
        if not happened_after or source.event_times[at] >= moment:
            return source.times[at]
    return None


def longest_wait(source, start, end):
    """None: nothing happened in that time."""
    longest = None
    for at in range(bisect.bisect_left(source.times, start), len(source.times)):
        if start <= source.event_times[at] <= end:
            longest = max(longest or 0, source.times[at] - source.event_times[at])
        elif source.event_times[at] > end + 5:
            break
    return longest


def recovered(fault, sources):
    if fault.lane == "broker":
        waits = [longest_wait(source, fault.struck, fault.healed + 1)
                 for source in sources.values()]
        return fault.healed + max(waits) if waits and None not in waits else None
    names = [name for name in sources if fault.lane in ("consumer", "brokers") or
             name.startswith(fault.lane + "/")]
    times = [first_line(sources[name], fault.healed, fault.lane != "consumer") for name in names]
    return max(times) if times and None not in times else None


def alone(fault, end, others):
    """Whether nothing else was amiss between the fault and its recovery."""
    return not any(other is not fault and other.struck < end and other_end > fault.struck
                   for other, other_end in others)


def table(faults, sources):
    ends = [(fault, recovered(fault, sources)) for fault in faults]
    known = [(fault, end) for fault, end in ends if end]
    rows = collections.defaultdict(lambda: ([], []))
    for fault, end in known:
        every, single = rows[fault.lane, fault.kind]
        every.append(end - fault.healed)
        if alone(fault, end, known):
            single.append(end - fault.healed)
    lines = [f"{'recovery, seconds':42} {'alone':>6} {'median':>8} {'longest':>8} "
             f"{'in all':>7} {'longest':>8}"]
    for (lane, kind), (every, single) in sorted(rows.items()):
        median = f"{statistics.median(single):8.2f} {max(single):8.2f}" if single else \
            f"{'-':>8} {'-':>8}"
        lines.append(f"{lane + ': ' + kind:42} {len(single):6} {median} {len(every):7} "
                     f"{max(every):8.2f}")
    unknown = len(ends) - len(known)
    if unknown:
        lines.append(f"{unknown} faults with no event behind them")
    return "\n".join(lines)
