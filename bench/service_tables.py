"""The tables of bench/services.py, made from its figures alone: what comes from a run is neither
typed nor kept anywhere else."""
import statistics

import report

# measure: its title, and what a line of its table shows: (head, figure, how)
TABLES = {
    "adds": ("Durable additions over HTTP, brokers, stock and consumer on the same cores", [
        ("a second", "per_second", "{:,.0f}"), ("p50 ms", "p50", "{:.2f}"),
        ("p90", "p90", "{:.2f}"), ("p99", "p99", "{:.2f}"), ("p99.9", "p999", "{:.1f}"),
        ("longest", "max", "{:.0f}"), ("empty handler a second", "empty_per_second", "{:,.0f}"),
        ("share of it", "ratio", "{:.2f}"),
        ("CPU s per 1,000: services", "cpu_services", "{:.3f}"),
        ("cart", "cpu_cart", "{:.3f}"), ("consumer", "cpu_consumer", "{:.3f}"),
        ("brokers", "cpu_brokers", "{:.3f}"), ("customers", "cpu_generator", "{:.3f}"),
        ("others", "cpu_others", "{:.3f}"), ("stolen", "cpu_stolen", "{:.3f}"),
        ("MB: cart", "memory_cart", "{:.0f}"),
        ("consumer", "memory_consumer", "{:.0f}")]),
    "simulator": ("The simulators at their highest rate", [
        ("events a second", "per_second", "{:,.0f}"),
        ("published a second", "published", "{:,.0f}"),
        ("in the journal a second", "journaled", "{:,.0f}"),
        ("CPU s per 1,000: service", "cpu_service", "{:.3f}"),
        ("consumer", "cpu_consumer", "{:.3f}"), ("brokers", "cpu_brokers", "{:.3f}"),
        ("MB", "memory", "{:.0f}")]),
    "relay": ("1,000,000 waiting rows", [
        ("rows a second", "per_second", "{:,.0f}"),
        ("seconds until the first", "first", "{:.2f}"),
        ("in the journal a second", "journaled", "{:,.0f}"),
        ("CPU s per 1,000,000: cart", "cpu_cart", "{:.2f}"),
        ("consumer", "cpu_consumer", "{:.2f}"), ("brokers", "cpu_brokers", "{:.2f}"),
        ("MB: cart", "memory_cart", "{:.0f}"), ("consumer", "memory_consumer", "{:.0f}")]),
    "latency": ("From the HTTP answer to the journal line, ms (below 0: the line was first)", [
        ("p50", "line_p50", "{:.2f}"), ("p90", "line_p90", "{:.2f}"),
        ("p99", "line_p99", "{:.2f}"), ("p99.9", "line_p999", "{:.1f}"),
        ("longest", "line_max", "{:.0f}"),
        ("line first", "line_first", "{:.3f}"), ("answer p50", "answer_p50", "{:.2f}"),
        ("answer p99", "answer_p99", "{:.2f}"), ("services' cores", "cpu_services", "{:.2f}"),
        ("others", "cpu_others", "{:.2f}"), ("stolen", "cpu_stolen", "{:.2f}"),
        ("watching", "cpu_watch", "{:.3f}"), ("asking", "cpu_client", "{:.3f}"),
        ("sent late p99", "sent_late", "{:.2f}")]),
    "growth": ("A large shop, 32 connections", [
        ("additions a second", "per_second", "{:,.0f}"), ("p99 ms", "p99", "{:.2f}"),
        ("CPU s per 1,000: cart", "cpu_cart", "{:.3f}"),
        ("cart's start to ready, s", "ready", "{:.3f}"),
        ("until cart knows all SKUs, s", "learned", "{:.1f}"), ("cart, MB", "memory", "{:.0f}"),
        ("its store, MB", "bytes", "{:,.0f}")]),
    "journal": ("The consumer's start", [
        ("to ready, s", "ready", "{:.3f}"),
        ("until the journal is read, s", "journal_read", "{:.3f}"),
        ("lines read", "lines_read", "{:,.0f}"), ("rotated files", "files", "{:.0f}"),
        ("journal, MB", "bytes", "{:,.0f}")]),
    "idle": ("While nothing happens", [
        ("% of a core", "core", "{:.2f}"), ("wake-ups a second", "wakes", "{:.0f}"),
        ("MB", "memory", "{:.0f}")]),
}

# measure, case, figure, what has to hold
TARGETS = [
    ("adds", "32 connections", "per_second", ">=", 12000),
    ("adds", "32 connections", "p99", "<", 10),
    ("adds", "256 connections", "per_second", ">=", 15000),
    ("adds", "32 connections", "ratio", ">=", 0.5),
    ("adds", "256 connections", "ratio", ">=", 0.5),
    ("adds", "32 connections", "cpu_services", "<=", 0.12),
    ("adds", "256 connections", "cpu_services", "<=", 0.12),
    ("relay", "brokers warm", "per_second", ">=", 300000),
    *(("latency", f"{rate} a second", figure, "<", limit) for rate in ("100", "1,000")
      for figure, limit in (("line_p50", 2.5), ("line_p99", 15))),
    *(("idle", name, figure, "<", limit) for name in ("cart", "stock", "metrics-consumer")
      for figure, limit in (("core", 0.5), ("wakes", 50))),
]
HOLDS = {">=": lambda value, limit: value >= limit, "<": lambda value, limit: value < limit,
         "<=": lambda value, limit: value <= limit}


def values(rows, run, case, figure):
    return [float(row["value"]) for row in rows
            if (row["run"], row["case"], row["figure"]) == (run, case, figure)]


def table(run, rows):
    """(head, lines): a line a case, columns that no case has left out."""
    cases = list(dict.fromkeys(row["case"] for row in rows if row["run"] == run))
    columns = [column for column in TABLES[run][1]
               if any(values(rows, run, case, column[1]) for case in cases)]
    lines = []
    for case in cases:
        cells = [values(rows, run, case, figure) for _, figure, _ in columns]
        lines.append([case, *(report.spread(found, how) if found else "-"
                              for found, (_, _, how) in zip(cells, columns))])
    return ["", *(head for head, _, _ in columns)], lines


def targets(rows, run=None):
    head = ["", "figure", "has to be", "median", ""]
    lines = []
    for measure, case, figure, how, limit in TARGETS:
        found = values(rows, measure, case, figure)
        if found and run in (None, measure):
            median = statistics.median(found)
            lines.append([f"{measure}, {case}", figure, f"{how} {limit:,}", f"{median:,.4g}",
                          "reached" if HOLDS[how](median, limit) else "MISSED"])
    return head, lines


def narrow(run, rows):
    """The same with a line a figure, where there are more of those than cases."""
    head, lines = table(run, rows)
    if len(head) > len(lines) + 1:
        head, *lines = [list(line) for line in zip(head, *lines)]
    return head, lines


def text(run, rows):
    """For a terminal."""
    parts = [f"\n{TABLES[run][0]}; median (lowest..highest)",
             report.text_table(*narrow(run, rows))]
    head, lines = targets(rows, run)
    if lines:
        parts.append(report.text_table(head, lines))
    return "\n".join(parts)


def section(rows, contexts):
    parts = ["## Services", "Median (lowest..highest) of the rounds. `p99` and the like are of "
             "answers; customers that ask as fast as they can wait for their answers, and wrk adds "
             "the answers that would have been due while one was late; at a constant rate time "
             "begins when a request was due."]
    for run in TABLES:
        if any(row["run"] == run for row in rows):
            parts += [f"### {TABLES[run][0]}", report.markdown_table(*narrow(run, rows))]
    head, lines = targets(rows)
    if lines:
        parts += ["### What was to be reached", report.markdown_table(head, lines)]
    return "\n\n".join([*parts, report.told(contexts)])
