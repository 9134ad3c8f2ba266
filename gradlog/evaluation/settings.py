"""What two strategies of one kind differ in."""

from dataclasses import fields, is_dataclass
from typing import Any


def changed_fields(before: Any, after: Any) -> dict[str, Any]:
    """The values of ``after``, by dotted field names, where two nested dataclasses differ.

    The first name of each is left out where it is only the way to an estimator: 'solver.rtol', not
    'likelihood.solver.rtol'.
    """
    if not is_dataclass(before) or type(before) is not type(after):
        return {"": after} if before != after else {}
    found = {}
    for field in fields(before):
        inner = changed_fields(getattr(before, field.name), getattr(after, field.name))
        prefix = "" if field.name == "likelihood" else field.name
        found |= {".".join(filter(None, (prefix, name))): value for name, value in inner.items()}
    return found
