def prepare():
    raise RuntimeError("the table is missing")


prepare()
