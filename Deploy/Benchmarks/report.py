"""What a run leaves: a table on the terminal, JSON, and a plot for each table."""

import dataclasses
import json

import plots


def text_of(value, key):
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if key == "n" or value == int(value):
        return f"{value:.0f}"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}"


def lines_of(table):
    """Title, aligned columns, notes; a ratio says how many times the baseline's figure."""
    compare = table.compare if table.baseline else ()
    spread = any(row.spread is not None for row in table.rows)
    rows = [["", *table.columns.values(), *(f"{table.columns[key].removesuffix(' ms')} / base" for key in compare), *(["spread"] if spread else [])]]
    for row in table.rows:
        name = row.name + (" (base)" if row.name == table.baseline else "")
        if row.skipped is not None:
            rows.append([name])
            continue
        figures = [text_of(row.figures.get(key), key) for key in table.columns]
        rows.append([name, *figures, *(f"{row.ratios[key]:.2f}x" if key in row.ratios else "-" for key in compare)])
        if spread:
            rows[-1].append("-" if row.spread is None else f"{row.spread:.0%}")
    widths = [max(len(row[i]) for row in rows if len(row) > i) for i in range(len(rows[0]))]
    lines = ["  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]) for row in rows]
    for number, row in enumerate(table.rows, 1):
        if row.failures or row.skipped is not None:
            lines[number] += f"  {'FAILED' if row.failures else 'skipped'}: {row.skipped or row.failures}"
    return [table.title, "  ".join("-" * width for width in widths), *lines, *(f"  {note}" for note in table.notes)]


def as_json(run):
    """`run` maps "machine" and "options" to what they say and "suites" to tables by suite."""
    return {**run, "suites": {name: {"tables": [dataclasses.asdict(table) for table in suite["tables"]], **{k: v for k, v in suite.items() if k != "tables"}}
                              for name, suite in run["suites"].items()}}


def write(run, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "figures.json").write_text(json.dumps(as_json(run), indent=1, default=str) + "\n")
    lines = []
    for suite in run["suites"].values():
        for table in suite["tables"]:
            lines += [*lines_of(table), ""]
            drawn = plots.draw(table)
            if drawn:
                (folder / f"{table.name}.svg").write_text(drawn)
    (folder / "tables.txt").write_text("\n".join(lines))
