"""The city's own key: what makes its keyed hashes of personal data different from every other city's."""

from __future__ import annotations

import os
from pathlib import Path

from cityheart.kernel.errors import Invalid
from cityheart.kernel.ids import dice, unguessable

__all__ = ["FILE", "city_key"]

FILE = "city.key"
_BYTES = 32


def city_key(home: Path, seed: int | None = None) -> bytes:
    """The key in the city's folder, made on first use and readable by its owner alone; with a ``seed`` it is derived.

    Whoever has the key can try out telephone numbers against the hashes: keep it out of copies that leave the city.
    Raises :class:`Invalid` when the file is too short to be a key.
    """
    file = home / FILE
    if not file.exists():
        made = unguessable(_BYTES) if seed is None else dice(str(seed), "city key").randbytes(_BYTES)
        part = home / f"{FILE}.{unguessable(6).hex()}"
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.write(made)
            out.flush()
            os.fsync(out.fileno())
        try:
            os.link(part, file)  # whoever is first has made it
        except FileExistsError:
            pass
        finally:
            part.unlink()
    key = file.read_bytes()
    if len(key) < _BYTES:
        raise Invalid(f"{file} is no key", remedy="put the city's key back from a copy")
    return key
