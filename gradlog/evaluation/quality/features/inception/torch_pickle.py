"""The pickles of PyTorch, read by a machine that knows only what weights need.

Python's own unpickler allocates what an opcode claims, and hashes any key: 128 bytes take gigabytes
there, and 550 bytes hang it. Here nothing is larger than the file, and a key is a string.
"""

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

_MOST_OPCODES = 100_000  # the weights of Inception take 15,000
_CONSTANTS: Mapping[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = frozenset(
    (
        *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
        *("BINUNICODE", "SHORT_BINUNICODE", "BINSTRING", "SHORT_BINSTRING"),
    )
)
_SHORT_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


@dataclass
class PickleReader:
    """Reads the pickles of one file.

    Attributes:
      find_function: returns what stands for a function or a type, by module and name.
      load_persistent: returns what stands for a persistent id.
    """

    find_function: Callable[[str, str], Any]
    load_persistent: Callable[[Any], Any]
    _stack: list[Any] = field(default_factory=list)
    _marks: list[int] = field(default_factory=list)  # places in the stack
    _memo: dict[int, Any] = field(default_factory=dict)

    def read(self, file: IO[bytes]) -> Any:
        """Return the value of the next pickle; the file then stands behind it.

        Raises:
          ValueError: it has too many opcodes, or one that weights do not need.
          Exception: it is damaged.
        """
        for each in (self._stack, self._marks, self._memo):
            each.clear()
        for number, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            if number == _MOST_OPCODES:
                raise ValueError(f"its pickle has more than {_MOST_OPCODES} opcodes")
            if opcode.name == "STOP":
                break
            self._do(opcode.name, argument)
        return self._stack.pop()

    def _do(self, name: str, argument: Any) -> None:
        stack = self._stack
        match name:
            case "PROTO" | "FRAME":
                pass
            case _ if name in _LITERALS:
                stack.append(argument)
            case _ if name in _CONSTANTS:
                stack.append(_CONSTANTS[name])
            case _ if name in _SHORT_TUPLES:
                stack.append(tuple(self._pop(len(stack) - _SHORT_TUPLES[name])))
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "MARK":
                self._marks.append(len(stack))
            case "TUPLE":
                stack.append(tuple(self._pop(self._marks.pop())))
            case "APPEND":
                _as(list, stack[-2]).append(stack.pop())
            case "APPENDS":
                items = self._pop(self._marks.pop())
                _as(list, stack[-1]).extend(items)
            case "SETITEM":
                self._set_items(self._pop(len(stack) - 2))
            case "SETITEMS":
                self._set_items(self._pop(self._marks.pop()))
            case "BUILD":  # attributes of a dictionary, such as the versions of modules
                stack.pop()
            case "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = stack[-1]
            case "MEMOIZE":
                self._memo[len(self._memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(self._memo[argument])
            case "GLOBAL":
                stack.append(self.find_function(*argument.split(" ")))
            case "STACK_GLOBAL":
                module, function = self._pop(len(stack) - 2)
                stack.append(self.find_function(_as(str, module), _as(str, function)))
            case "REDUCE":
                function, arguments = self._pop(len(stack) - 2)
                stack.append(function(*_as(tuple, arguments)))
            case "BINPERSID":
                stack.append(self.load_persistent(stack.pop()))
            case _:
                raise ValueError(f"its pickle has the opcode {name}: it holds more than weights")

    def _pop(self, place: int) -> list[Any]:
        """Take from the stack all that lies at this place and above."""
        if place < 0:
            raise ValueError("its pickle takes more than it has")
        items = self._stack[place:]
        del self._stack[place:]
        return items

    def _set_items(self, items: list[Any]) -> None:
        target = _as(dict, self._stack[-1])
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[_as(str, key)] = value


def _as(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise ValueError(
            f"its pickle has a {type(value).__name__} in the place of a {kind.__name__}"
        )
    return value
