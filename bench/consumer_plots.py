"""Runs of consumers as pictures: SVG, the same bytes for the same figures."""
import statistics

import consumer_tables

PANELS = (("events/s", consumer_tables.rate, "{:,.0f}"),
          ("CPU s per million events", consumer_tables.cpu, "{:.2f}"),
          ("peak MB", consumer_tables.peak, "{:,.0f}"))
OURS = "metrics-consumer"
COLOURS = {"ours": "#1f6f8b", "limit": "#bbbbbb", "peer": "#d9a441"}
ROW_INCHES = 0.32


def all_topics(rows, directory):
    try:
        import matplotlib
    except ImportError:
        print("no plots: Debian's python3-matplotlib is not installed")
        return
    matplotlib.use("svg")
    # Without these the file would have ids drawn by chance, and the time.
    matplotlib.rcParams.update({"svg.hashsalt": "hw9", "svg.fonttype": "none", "font.size": 9})
    for (topic, events), named in consumer_tables.grouped(rows).items():
        _one(named, f"{topic}, {events:,} events", directory / f"consumers-{topic}-{events}.svg")


def _one(named, title, path):
    from matplotlib import pyplot, ticker
    whole = {name: [row for row in runs if row["complete"] == "yes"]
             for name, runs in reversed(named.items())}
    whole = {name: runs for name, runs in whole.items() if runs}
    figure, panels = pyplot.subplots(1, len(PANELS), sharey=True,
                                     figsize=(11, 1.2 + ROW_INCHES * len(whole)))
    for panel, (label, value, show) in zip(panels, PANELS):
        figures = [[value(row) for row in runs] for runs in whole.values()]
        middle = [statistics.median(each) for each in figures]
        spread = [[at - min(each) for at, each in zip(middle, figures)],
                  [max(each) - at for at, each in zip(middle, figures)]]
        panel.barh(list(whole), middle, xerr=spread, color=[_colour(name) for name in whole],
                   error_kw={"elinewidth": 1, "capsize": 2})
        for at, (each, runs) in enumerate(zip(middle, figures)):
            panel.annotate(show.format(each), (max(runs), at), (4, 0), textcoords="offset points",
                           va="center", fontsize=8)
        panel.set_title(label, fontsize=9)
        panel.margins(x=0.25)
        panel.xaxis.set_major_formatter("{x:,.10g}")
        panel.xaxis.set_major_locator(ticker.MaxNLocator(4))
        panel.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{title}: median, smallest and largest", fontsize=10)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _colour(name):
    return COLOURS["ours" if name.startswith(OURS) else "limit" if name.startswith("count") else "peer"]
