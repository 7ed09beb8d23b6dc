"""Long lists in one line."""

MAX_LISTED = 20


def join_first(items: list[str], limit: int = MAX_LISTED) -> str:
    """The first items, and how many more there are; "none" where there are none."""
    shown = ", ".join(items[:limit]) or "none"
    return shown + (f" and {len(items) - limit} more" if len(items) > limit else "")
