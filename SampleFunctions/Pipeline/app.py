"""Two steps, each a function: `standardise` brings columns to one scale, `train` fits a linear model to them.

Both give the same answer to the same event. So a step that is made again, after a fault or a crash, changes nothing.
"""

import os

# Threads that a library starts at import would go to waste in a function that has one processor's share.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy  # noqa: E402


def standardise(event, context):
    """`{"run": …, "columns": […], "rows": [[…], …]}`, the last column being what is to be predicted."""
    rows = numpy.array(event["rows"], dtype=float)
    if rows.ndim != 2 or rows.shape[1] != len(event["columns"]) or rows.shape[0] <= rows.shape[1]:
        raise ValueError(f"{len(event['columns'])} columns need more than as many rows of that many numbers; there is an array of {rows.shape}")
    x, y = rows[:, :-1], rows[:, -1]
    mean, scale = x.mean(axis=0), x.std(axis=0)
    # A column that never changes says nothing.
    scale[scale == 0] = 1
    print(f"run {event['run']}: {len(rows)} rows standardised")
    return {"run": event["run"], "columns": event["columns"], "x": rounded((x - mean) / scale), "y": rounded(y),
            "mean": rounded(mean), "scale": rounded(scale)}


def train(event, context):
    """What the step before gave: alone, in the record that a destination gets, or in the event of a rule."""
    data = event.get("detail", event)
    data = data.get("responsePayload", data)
    x, y = numpy.array(data["x"]), numpy.array(data["y"])
    weights, *_ = numpy.linalg.lstsq(numpy.column_stack([x, numpy.ones(len(x))]), y, rcond=None)
    rest = y - x @ weights[:-1] - weights[-1]
    spread = ((y - y.mean()) ** 2).sum()
    # Back to the scale of the data, so that who uses the model need not know how it was made.
    slopes = weights[:-1] / numpy.array(data["scale"])
    print(f"run {data['run']}: trained on {len(x)} rows")
    return {"run": data["run"], "weights": dict(zip(data["columns"], rounded(slopes, 3))),
            "bias": rounded(weights[-1] - slopes @ numpy.array(data["mean"]), 3),
            "r2": rounded(1 - (rest @ rest) / spread if spread else 1.0, 3)}


def rounded(values, places=6):
    return numpy.round(values, places).tolist()


handler = standardise
