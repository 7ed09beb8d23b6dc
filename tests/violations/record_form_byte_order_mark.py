"""Caught by results: a byte order mark before the record."""


def tamper(folder):
    path = folder / "results.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
