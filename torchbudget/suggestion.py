"""What was probably meant by a word that is none of those that are known."""

import difflib
from collections.abc import Iterable


def suggest(word: str, known: Iterable[str]) -> str:
    """ " (did you mean NAME?)" for the known word closest to `word`; "" where none is close."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
