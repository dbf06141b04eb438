"""Reading JSON that a provider wrote: each value is asked for by name and kind, and what is missing or of
another kind ends the poll with an error that says where it stands, `droplets[3].id`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from tracker_driver.errors import UnexpectedAnswer, quote

V = TypeVar("V")


class Fields:
    """A JSON value and the place where it stands. Most of it is for objects: `fields.text("name")`."""

    __slots__ = ("value", "_parent", "_step")

    def __init__(self, value: object, parent: Fields | None = None, step: str = "") -> None:
        self.value = value
        self._parent = parent
        self._step = step

    @property
    def place(self) -> str:
        """Where it stands: `droplets[3]`. The answer itself is empty."""
        place = (self._parent.place if self._parent else "") + self._step
        return place.removeprefix(".")

    def text(self, name: str) -> str:
        return self._required(name, str)

    def optional_text(self, name: str) -> str | None:
        """The text of that name; None where there is none, or null stands there."""
        return self._optional(name, str)

    def integer(self, name: str) -> int:
        return self._required(name, int)

    def optional_integer(self, name: str) -> int | None:
        return self._optional(name, int)

    def optional_boolean(self, name: str) -> bool | None:
        return self._optional(name, bool)

    def boolean(self, name: str) -> bool:
        return self._required(name, bool)

    def object(self, name: str) -> Fields:
        return Fields(self._required(name, dict), self, f".{name}")

    def optional_object(self, name: str) -> Fields:
        """The object of that name; an empty one where there is none, or null stands there."""
        value = self._optional(name, dict)
        return Fields({} if value is None else value, self, f".{name}")

    def objects(self, name: str | None = None) -> Iterator[Fields]:
        """The objects of the list of that name; without a name, of the list that this is."""
        listed = self if name is None else Fields(self._required(name, list), self, f".{name}")
        if type(listed.value) is not list:
            raise _unexpected(listed.place, listed.value, list)
        return listed._each()

    def optional_objects(self, name: str) -> Iterator[Fields]:
        """The same; none where there is no such list, or null stands there."""
        value = self._optional(name, list)
        return Fields([] if value is None else value, self, f".{name}")._each()

    def optional_texts(self, name: str) -> list[str]:
        """The texts of the list of that name; none where there is no such list, or null stands there."""
        texts = self._optional(name, list) or []
        for index, text in enumerate(texts):
            if type(text) is not str:
                raise _unexpected(f"{self._at(name)}[{index}]", text, str)
        return texts

    def optional_pairs(self, name: str) -> list[tuple[str, str]]:
        """The names and texts of the object of that name, such as labels, in the order of their names; none where
        there is no such object, or null stands there."""
        pairs = self.optional_object(name)
        return [(key, pairs.text(key)) for key in sorted(pairs._object())]

    def _each(self) -> Iterator[Fields]:
        for index, item in enumerate(self.value):  # type: ignore[arg-type, var-annotated]
            if type(item) is not dict:
                raise _unexpected(f"{self.place}[{index}]", item, dict)
            yield Fields(item, self, f"[{index}]")

    def _optional(self, name: str, kind: type[V]) -> V | None:
        found = self._object().get(name)
        if found is None:
            return None
        # JSON's true is no number, whatever Python thinks of it.
        if type(found) is not kind:
            raise _unexpected(self._at(name), found, kind)
        return found

    def _object(self) -> dict[str, Any]:
        if type(self.value) is not dict:
            raise _unexpected(self.place, self.value, dict)
        return self.value

    def _required(self, name: str, kind: type[V]) -> V:
        found = self._optional(name, kind)
        if found is None:
            raise UnexpectedAnswer(f"the answer has no `{self._at(name)}`, where {_KINDS[kind]} was expected")
        return found

    def _at(self, name: str) -> str:
        return f"{self.place}.{name}".removeprefix(".")


def _unexpected(place: str, found: object, kind: type) -> UnexpectedAnswer:
    what = _KINDS.get(type(found), "null")
    return UnexpectedAnswer(
        f"{f'`{place}` in the answer' if place else 'the answer'} is {what} where {_KINDS[kind]} was expected, "
        f"in `{quote(repr(found))}`"
    )


_KINDS = {
    str: "a text",
    int: "a whole number",
    float: "a fraction",
    bool: "true or false",
    dict: "an object",
    list: "a list",
}
