"""Find plug-ins: one folder of the package first, then entry points of installed packages.

A kind of plug-in (channel, dialect, store, ...) has a folder in which each module holds one object
under one fixed constant; the file's name is the public name. Other distributions add to a kind
through an entry-point group; there the entry's name is the public name. A duplicate, a nameless one
or one of a wrong type raises PluginError, and so does an unknown name, naming the known ones.

Modules are imported when their plug-in is first asked for, so that listing names stays cheap.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pkgutil import iter_modules
from typing import Any, Generic, TypeVar

from augenblick.errors import PluginError, unknown_name

T = TypeVar("T")
NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Registry(Generic[T]):
    """One kind of plug-in; created once, as a module's constant, by the package that uses it.

    kind      the word for it in messages: "channel"
    package   the folder that is searched, dotted: "augenblick.channels"
    constant  the name under which each module holds its object: "CHANNEL"
    base      what the object has to be: an instance of this class, or a subclass of it
    group     the entry-point group of third parties: "augenblick.channels"
    """

    kind: str
    package: str
    constant: str
    base: type[T]
    group: str

    @cached_property
    def _sources(self) -> dict[str, str | EntryPoint]:
        """Public name to module name (ours) or entry point (others'); no plug-in is imported."""
        package = import_module(self.package)
        sources: dict[str, str | EntryPoint] = {
            module.name: f"{self.package}.{module.name}"
            for module in iter_modules(package.__path__)
            if not module.name.startswith("_")
        }
        for entry in entry_points(group=self.group):
            if not NAME.fullmatch(entry.name):
                raise PluginError(
                    f"{self.kind} {entry.value} has the name {entry.name!r}; "
                    "a name has lower-case letters, digits and underscores"
                )
            if entry.name in sources:
                raise PluginError(
                    f"{self.kind} {entry.name!r} is there twice: "
                    f"{_place(sources[entry.name])} and {_place(entry)}"
                )
            sources[entry.name] = entry
        return sources

    @cached_property
    def _loaded(self) -> dict[str, Any]:
        return {}

    def names(self) -> list[str]:
        """All public names, sorted; imports none of the plug-ins."""
        return sorted(self._sources)

    def get(self, name: str) -> T:
        """The plug-in of that name. Raises PluginError: unknown, broken, nameless, wrong type."""
        if name not in self._sources:
            raise PluginError(unknown_name(self.kind, name, self._sources))
        if name not in self._loaded:
            self._loaded[name] = self._load(name, self._sources[name])
        plugin: T = self._loaded[name]
        return plugin

    def all(self) -> dict[str, T]:
        """Every plug-in by name, all of them imported and checked."""
        return {name: self.get(name) for name in self.names()}

    def _load(self, name: str, source: str | EntryPoint) -> Any:
        where = f"{self.kind} {name!r} ({_place(source)})"
        try:
            found = import_module(source) if isinstance(source, str) else source.load()
        except Exception as error:
            raise PluginError(f"{where} cannot be imported: {error}") from error
        if isinstance(source, str):
            if not hasattr(found, self.constant):
                raise PluginError(f"{where} holds no {self.constant}")
            found = getattr(found, self.constant)
        is_a = (
            issubclass(found, self.base)
            if isinstance(found, type)
            else isinstance(found, self.base)
        )
        if not is_a:
            raise PluginError(f"{where} is no {self.base.__name__}: {found!r}")
        return found


def _place(source: str | EntryPoint) -> str:
    if isinstance(source, str):
        return source
    distribution = source.dist.name if source.dist else "an installed package"
    return f"{source.value} of {distribution}"
