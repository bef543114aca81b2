"""The figures as bars, one panel each; shorter is better."""

from .programs import NAMES
from .summary import cell

COLOURS = {"tlsbridge": "#1f6fb4", "floor": "#c8c8c8"}
OTHERS = "#8a8a8a"


def _pyplot():
    import matplotlib  # Only who wants a plot needs it.
    matplotlib.use("svg")
    matplotlib.rcParams["svg.fonttype"] = "none"  # Text that can be searched, and a small file.
    import matplotlib.pyplot as pyplot
    return pyplot


def draw_curves(path, panels):
    """`panels` is {title: {name: {x: y or None}}}; both axes begin at what is there, x is logarithmic."""
    canvas, axes = _pyplot().subplots(1, len(panels), figsize=(5.2 * len(panels), 3.4), squeeze=False)
    for panel, (title, curves) in zip(axes[0], panels.items()):
        for name, points in curves.items():
            known = [(x, y) for x, y in points.items() if y is not None]
            panel.plot([x for x, _ in known], [y for _, y in known], marker="o", label=name)
        panel.set_xscale("log")
        panel.set_ylim(bottom=0)
        panel.set_title(title, fontsize=9, loc="left")
        panel.legend(fontsize=7)
        panel.tick_params(labelsize=8)
    canvas.tight_layout()
    canvas.savefig(path)


def draw(path, figures, summary, caption):
    pyplot = _pyplot()
    columns = min(3, len(figures))
    rows = -(-len(figures) // columns)
    canvas, axes = pyplot.subplots(rows, columns, figsize=(5.2 * columns, 2.4 * rows), squeeze=False)
    panels = [panel for row in axes for panel in row]
    for panel, figure in zip(panels, figures):
        _panel(panel, figure, summary[figure.name])
    for panel in panels[len(figures):]:
        panel.set_visible(False)
    canvas.text(0.01, 0.005, caption, fontsize=7, color="#555555")
    canvas.tight_layout(rect=(0, 0.02, 1, 1))
    canvas.savefig(path)


def _panel(panel, figure, entry):
    key = figure.columns[0].key
    names = [name for name in reversed(NAMES) if key in entry["programs"].get(name, {})]
    values = [entry["programs"][name][key] for name in names]
    bars = panel.barh(names, values, color=[COLOURS.get(name, OTHERS) for name in names])
    panel.bar_label(bars, labels=[cell(value) for value in values], padding=2, fontsize=8)
    panel.margins(x=0.18)
    panel.set_title(f"{figure.name} [{figure.columns[0].heading}]", fontsize=9, loc="left")
    panel.tick_params(labelsize=8)
    panel.xaxis.set_visible(False)
    for edge in ("top", "right", "bottom"):
        panel.spines[edge].set_visible(False)
