"""Plots as SVG: one line for each row. Linear: a bar from zero. Logarithmic, where a length means nothing: a dot, and a tick
for the second figure. A table with `against` is drawn as points, one figure against another."""

import math
from xml.sax.saxutils import escape

# A letter is as wide as a bold one of the widest usual font.
WIDTH, RIGHT, TOP, ROW, LETTER = 860, 120, 62, 26, 7.6
OURS, OTHERS, TEXT, FAINT, GRID = "#c2571a", "#7d93ab", "#1f2933", "#5f6b78", "#dfe4ea"


def number(value):
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def draw(table):
    """The plot's text; None where nothing is to be drawn."""
    rows = [row for row in table.rows if table.plot and row.skipped is None and row.figures.get(table.plot[0])]
    if not rows:
        return None
    if table.against:
        return points(table, rows)
    main, second = (*table.plot, None)[:2]
    values = [row.figures[key] for row in rows for key in table.plot if row.figures.get(key)]
    left = 24 + LETTER * max(len(row.name) for row in rows)
    room = WIDTH - left - RIGHT
    scale, ticks = (logarithmic if table.logarithmic else linear)(values, room)
    bottom = TOP + ROW * len(rows)
    height = bottom + 34
    legend = f"dot: {table.columns[main]}" if table.logarithmic else table.columns[main]
    legend += (f", tick: {table.columns[second]}" if second else "") + (", logarithmic" if table.logarithmic else "")
    parts = frame(height, table.title, legend)
    for value in ticks:
        x = left + scale(value)
        parts.append(f'<line x1="{x:.1f}" y1="{TOP - 4}" x2="{x:.1f}" y2="{bottom}" stroke="{GRID}"/>')
        parts.append(text(x, bottom + 18, number(value), anchor="middle", fill=FAINT, size=12))
    for index, row in enumerate(rows):
        middle = TOP + ROW * index + 12.5
        ours = row.name.startswith("Martlet")
        colour = OURS if ours else OTHERS
        x, label = left + scale(row.figures[main]), number(row.figures[main])
        end = x
        parts.append(text(left - 10, middle + 4, row.name, anchor="end", weight="600" if ours else "400"))
        if second and row.figures.get(second):
            end = left + scale(row.figures[second])
            label += f" … {number(row.figures[second])}"
            parts.append(f'<line x1="{x:.1f}" y1="{middle}" x2="{end:.1f}" y2="{middle}" stroke="{colour}" stroke-width="2"/>')
            parts.append(f'<line x1="{end:.1f}" y1="{middle - 6}" x2="{end:.1f}" y2="{middle + 6}" stroke="{colour}" stroke-width="2"/>')
        if table.logarithmic:
            parts.append(f'<circle cx="{x:.1f}" cy="{middle}" r="6" fill="{colour}"/>')
        else:
            parts.append(f'<rect x="{left:.1f}" y="{middle - 8.5}" width="{max(1.5, x - left):.1f}" height="17" rx="2" fill="{colour}"/>')
        parts.append(text(max(end, x) + 12, middle + 4, label, fill=FAINT, size=12))
    return "\n".join([*parts, "</svg>"]) + "\n"


def frame(height, title, legend):
    return [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
            'font-family="system-ui, Helvetica, Arial, sans-serif" font-size="13">',
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>', text(16, 26, title, size=16, weight="600"), text(16, 46, legend, fill=FAINT)]


def points(table, rows):
    """Both scales logarithmic; rows are of one kind when their names have the same first word."""
    main, left, bottom = table.plot[0], 70, TOP + 300
    rows = [row for row in rows if row.figures.get(table.against)]
    across, x_ticks = logarithmic([row.figures[table.against] for row in rows], WIDTH - left - 300)
    upward, y_ticks = logarithmic([row.figures[main] for row in rows], bottom - TOP - 20)
    parts = frame(bottom + 34, table.title, f"upward: {table.columns[main]}, to the right: {table.columns[table.against]}, both logarithmic")
    for value in x_ticks:
        x = left + across(value)
        parts.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}" stroke="{GRID}"/>')
        parts.append(text(x, bottom + 18, number(value), anchor="middle", fill=FAINT, size=12))
    for value in y_ticks:
        y = bottom - upward(value)
        parts.append(f'<line x1="{left}" y1="{y:.1f}" x2="{WIDTH - 30}" y2="{y:.1f}" stroke="{GRID}"/>')
        parts.append(text(left - 10, y + 4, number(value), anchor="end", fill=FAINT, size=12))
    for kind in dict.fromkeys(row.name.split()[0] for row in rows):
        places = [(left + across(row.figures[table.against]), bottom - upward(row.figures[main]), row) for row in rows if row.name.split()[0] == kind]
        colour = OURS if kind.startswith("Martlet") else OTHERS
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in places)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, y, row in places:
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="{colour}"/>')
            label = f"{row.name}: {number(row.figures[main])}, {number(row.figures[table.against])}"
            parts.append(text(x + 10, y - 8, label, size=12, weight="600" if colour == OURS else "400"))
    return "\n".join([*parts, "</svg>"]) + "\n"


def text(x, y, content, *, anchor="start", fill=TEXT, size=13, weight="400"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" font-size="{size}" font-weight="{weight}">{escape(content)}</text>'


def linear(values, room):
    top = max(values)
    power = 10 ** math.floor(math.log10(top))
    step = next(step for step in (power / 5, power / 2, power, power * 2) if top / step <= 6)
    return (lambda value: room * value / top), [step * count for count in range(int(top / step) + 1)]


def logarithmic(values, room):
    low, high = math.log10(min(values)) - 0.1, math.log10(max(values))
    low = min(low, high - 0.5)

    def scale(value):
        return room * (math.log10(value) - low) / (high - low)
    factors = (1, 2, 5) if high - low < 2.5 else (1,)
    found = [factor * 10.0 ** power for power in range(math.floor(low), math.ceil(high) + 1) for factor in factors]
    return scale, [value for value in found if low <= math.log10(value) <= high]
