"""Runs of consumers as tables: for a topic and a number of events a line each contender."""
import statistics

import contenders
import report

# Whose median the others are divided by.
AGAINST = (("franz-go", "x franz-go"), ("kcat-long", "x kcat-long"), ("count", "of the limit"))
HEAD = ("contender", "events/s", "CPU s per million", "peak MB", "idle %",
        *(title for _, title in AGAINST), "complete")


def subject(row):
    """What a run is a run of."""
    return row["topic"], int(row["events"]), row["name"]


def rate(row):
    """Events a second; None of one that never was complete."""
    return int(row["events"]) / float(row["seconds"]) if row["seconds"] else None


def cpu(row):
    return float(row["cpu_seconds"]) / int(row["events"]) * 1e6


def peak(row):
    return int(row["peak_kb"]) / 1024


def one_run(row):
    """A line while it is measured."""
    speed = f"{rate(row):>11,.0f}/s" if row["seconds"] else f"{'-':>13}"
    return (f"{row['name']:<22} {speed}  {cpu(row):6.2f} CPU s per million  {peak(row):5.0f} MB"
            f"  {row['idle_percent']:>3}% idle  {row['note'] or 'complete'}")


def grouped(rows):
    """{(topic, events): {name: its runs}}, contenders in the order of their table."""
    groups = {}
    for row in rows:
        topic, events, name = subject(row)
        groups.setdefault((topic, events), {}).setdefault(name, []).append(row)
    order = list(contenders.BY_NAME)
    return {key: {name: named[name] for name in sorted(named, key=order.index)}
            for key, named in groups.items()}


def medians(named):
    """The rate of each contender, of its complete runs."""
    found = {name: [rate(row) for row in runs if row["complete"] == "yes"]
             for name, runs in named.items()}
    return {name: statistics.median(rates) for name, rates in found.items() if rates}


def cells(named):
    middle = medians(named)
    for name, runs in named.items():
        good = [row for row in runs if row["complete"] == "yes"]
        whole = "yes" if len(good) == len(runs) else f"{len(good)} of {len(runs)}"
        ratios = [f"{middle[name] / middle[other]:.2f}" if name in middle and other in middle else "-"
                  for other, _ in AGAINST]
        yield (name, report.spread([rate(row) for row in good]) if good else "-",
               report.spread([cpu(row) for row in good], "{:.2f}") if good else "-",
               report.spread([peak(row) for row in good]) if good else "-",
               f"{statistics.median(int(row['idle_percent']) for row in good):.0f}" if good else "-",
               *ratios, whole)


def title(topic, events, named):
    rounds = max(len(runs) for runs in named.values())
    return f"{topic}, {events:,} events, {rounds} round{'s' if rounds > 1 else ''}"


def text(rows):
    """For the terminal."""
    return "\n\n".join(
        f"{title(*key, named)}; median (smallest..largest)\n"
        + report.text_table(HEAD, list(cells(named))) for key, named in grouped(rows).items())


def document(rows, contexts, directory):
    """For docs/BENCHMARKS.md."""
    parts = []
    for (topic, events), named in grouped(rows).items():
        parts += [f"### {title(topic, events, named)}",
                  report.markdown_table(HEAD, list(cells(named))),
                  f"![{topic}, {events:,} events]({directory.name}/consumers-{topic}-{events}.svg)"]
        parts += sorted({f"{row['name']}, round {row['round']}, was not complete: {row['note']}."
                         for runs in named.values() for row in runs if row["complete"] != "yes"})
    known = {row["name"] for row in rows}
    parts.append("\n".join(f"- `{each.name}`: {each.about}" for each in contenders.ALL
                           if each.name in known))
    return "\n\n".join([*parts, report.told(contexts)])
