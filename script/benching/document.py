"""The measured part of docs/PERFORMANCE.md, and its picture."""

from . import host, plot

DOCUMENT = host.ROOT / "docs/PERFORMANCE.md"
PICTURE = host.ROOT / "docs/performance.svg"
BEGIN, END = "<!-- written by script/bench: begin -->", "<!-- written by script/bench: end -->"


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def bullets(lines):
    return "\n".join(f"- {line}" for line in lines)


def growth(bench):
    known = sorted({count for points in bench.growth.values() for count in points})
    rows = [[what, *(plot.shown(points[count]) for count in known)] for what, points in bench.growth.items()]
    return table(["known containers", *(f"{count:,}" for count in known)], rows)


def parts(bench, picture):
    """All that was measured, as Markdown."""
    yield "### Machine and versions\n\n" + bullets([*host.about(bench), f"by hand: {bench.hand_name}"])
    if bench.rows:
        yield "### Against what it wraps\n\n" + table(
            ["what", "against", "Wharfinger", "the other", "ratio", "reach", "reached"],
            [row.cells() for row in bench.rows])
    notes = [note for row in bench.rows for note in row.notes]
    if notes:
        yield "Beside it:\n\n" + bullets(notes)
    if bench.absolutes:
        yield "### Figures of its own\n\n" + table(
            ["what", "figure", "aim", "reached"],
            [[figure.what, figure.value, figure.aim, figure.verdict] for figure in bench.absolutes])
    if bench.growth:
        yield "### Growth\n\n" + growth(bench)
        if picture:
            yield f"![How memory, start, list and idle processor time grow]({PICTURE.name})"


def markdown(bench, picture=False):
    return "\n\n".join(parts(bench, picture)) + "\n"


def check():
    """The document has to have the place that is written; better known before the run than after it."""
    text = DOCUMENT.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise SystemExit(f"bench: {DOCUMENT.relative_to(host.ROOT)} needs each of these lines once, in this order:\n"
                         f"  {BEGIN}\n  {END}")


def write(bench):
    check()
    before, rest = DOCUMENT.read_text().split(BEGIN)
    after = rest.split(END)[1]
    DOCUMENT.write_text(f"{before}{BEGIN}\n{markdown(bench, picture=True)}{END}{after}")
    PICTURE.write_text(plot.draw(bench))
