"""Images that a table lists: a line with path and label each."""

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from kerasnets.data.formats import kinds_read
from kerasnets.data.sources.image_files import PARTS, ImageFile, look_at, source_of
from kerasnets.data.sources.source import BAD_IMAGE, LeftOut, Source
from kerasnets.errors import KerasnetsError, reason

_PATH, _LABEL, _SPLIT = "path", "label", "split"


def open_csv(spec: str, file: Path) -> Source:
    """The images that a CSV file lists.

    Its first line names the columns: ``path`` (relative to the file, or from the root),
    ``label`` (the class) and maybe ``split`` (train, validation or test); others are
    not looked at. Classes whose names are all whole numbers are ordered as such.

    Args:
        spec: How the user names it.
        file: UTF-8, fields separated by commas, as spreadsheets write it.

    Raises:
        KerasnetsError: The file cannot be read, lacks a column or a field, lists a path
            twice or fewer than two classes.
    """
    if not file.is_file():
        raise KerasnetsError(f"{spec}: there is no such file")
    images: list[ImageFile] = []
    left_out: list[LeftOut] = []
    lines: dict[str, int] = {}
    for number, row in _rows(spec, file):
        path, label = row[_PATH], row[_LABEL]
        if path in lines:
            raise KerasnetsError(
                f"{spec}, line {number}: {path} is in line {lines[path]} too"
            )
        lines[path] = number
        found = look_at(file.parent / path, path, label, _part(spec, number, row))
        if isinstance(found, LeftOut) and not (found.fault or found.is_picture):
            # what is listed was meant to be an image
            fault = f"{file.parent / path}: {found.kind}, no image"
            found = replace(found, kind=BAD_IMAGE, fault=fault)
        if isinstance(found, LeftOut):
            left_out.append(found)
        else:
            images.append(found)
    names = {image.class_name for image in images}
    if len(names) < 2:
        bad = next((f": {each.fault}" for each in left_out if each.fault), "")
        raise KerasnetsError(
            f"{spec}: {len(names)} classes with images ({kinds_read()}) are listed; "
            f"two or more are needed{bad}"
        )
    numbers = all(name.isdecimal() for name in names)
    ordered = sorted(names, key=lambda name: (int(name), name) if numbers else name)
    source = source_of(spec, file.parent, ordered, images, left_out)
    listed = hashlib.sha256(file.read_bytes()).hexdigest()
    return replace(source, fingerprint=f"{source.fingerprint}-{listed}")


def _rows(spec: str, file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Each line below the first, with its number."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened)
            columns = reader.fieldnames or ()
            if not {_PATH, _LABEL} <= set(columns):
                raise KerasnetsError(
                    f"{spec}: its first line names the columns "
                    f"{', '.join(columns) or '(none)'}; path and label are needed, "
                    "split is used"
                )
            for row in reader:
                for column in (_PATH, _LABEL):
                    if not row[column]:
                        raise KerasnetsError(
                            f"{spec}, line {reader.line_num}: no {column}"
                        )
                yield reader.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise KerasnetsError(f"{spec} cannot be read: {reason(error)}") from error


def _part(spec: str, number: int, row: dict[str, str]) -> str:
    """The part of the set that a line says its image is of."""
    if _SPLIT not in row:
        return ""
    said = (row[_SPLIT] or "").strip().lower()
    if said not in PARTS:
        raise KerasnetsError(
            f"{spec}, line {number}: the split {row[_SPLIT]!r}; train, validation and "
            "test are accepted"
        )
    return PARTS[said]
