"""The options of `train.py` that say what teaches: `--recipe.teacher NAME`, and its fields.

They are read apart from those of the rest of a recipe, for an entry is named, not written out.
"""

from dataclasses import replace

from torchbudget.declare.entry import Entry
from torchbudget.declare.zoofile import select_entries
from torchbudget.errors import UsageError
from utils.recipe import Recipe
from utils.teacher import Teacher

OPTION = "--recipe.teacher"
NONE = ("null", "none")
FIELDS = {"temperature": float, "share": float, "copies": int}
"""The fields that are numbers."""
HELP = (
    f"{OPTION} NAME lets an entry of the zoo teach, {OPTION} none lets nothing teach; "
    f"{OPTION}.seeds 0,1, {', '.join(f'.{name}' for name in FIELDS)} set its fields"
)


def take_teacher_options(argv: list[str]) -> tuple[list[str], dict[str, str]]:
    """The words without the options of a teacher, and the values of these by field.

    The teacher itself is under "entry". Raises `UsageError` for an option without its value.
    """
    rest: list[str] = []
    taken: dict[str, str] = {}
    words = iter(argv)
    for word in words:
        option, sign, value = word.partition("=")
        if option != OPTION and not option.startswith(f"{OPTION}."):
            rest.append(word)
            continue
        if not sign:
            value = next(words, "")
        if not value:
            raise UsageError(f"{option} needs a value; {HELP}")
        taken[option.removeprefix(OPTION).removeprefix(".") or "entry"] = value
    return rest, taken


def apply_teacher_options(recipe: Recipe, values: dict[str, str], zoo: dict[str, Entry]) -> Recipe:
    """`recipe` with its teacher as `values` say; raises `UsageError`."""
    if not values:
        return recipe
    fields = dict(values)
    teacher = recipe.teacher
    name = fields.pop("entry", "")
    if name in NONE:
        if fields:
            raise UsageError(f"{OPTION} {name} has no fields to set; {HELP}")
        return replace(recipe, teacher=None)
    changes: dict[str, object] = {}
    if name:
        (changes["entry"],) = select_entries(zoo, [name])
    for field, text in fields.items():
        changes[field] = read_field(field, text)
    if teacher is None and not name:
        raise UsageError(f"the recipe has no teacher; {HELP}")
    if teacher is None:
        return replace(recipe, teacher=Teacher(**changes))
    if name and name != teacher.entry.name:
        changes.setdefault("seeds", (0,))
    return replace(recipe, teacher=replace(teacher, **changes))


def describe_override(field: str, now: object) -> str:
    """A changed field of a recipe as "field=value"; of a teacher that is new, in a few words."""
    if field == "teacher" and isinstance(now, dict):
        seeds = ", ".join(map(str, now["seeds"]))
        numbers = ", ".join(f"{name} {now[name]:g}" for name in FIELDS)
        return f"teacher={now['entry']} (seeds {seeds}; {numbers})"
    return f"{field}={now}"


def read_field(field: str, text: str) -> object:
    """The value of a field of a teacher; raises `UsageError`."""
    try:
        if field == "seeds":
            return tuple(int(seed) for seed in text.split(","))
        if field in FIELDS:
            return FIELDS[field](text)
    except ValueError as error:
        raise UsageError(f"{OPTION}.{field}: {text!r} is no number") from error
    raise UsageError(f"a teacher has no field {field!r}; {HELP}")
