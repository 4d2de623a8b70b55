"""From which weights a run starts: random ones, or those that know ImageNet."""

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from kerasnets.errors import KerasnetsError, KerasnetsWarning
from kerasnets.jobs.defaults import Start
from kerasnets.jobs.phone.pretrained_settings import TEACHER_MADDS
from kerasnets.pretrained import OFFLINE, ImageNetFile, imagenet_files
from kerasnets.tuning import (
    PHONE_NETWORKS,
    Budget,
    files_to_fetch,
    pretrained_files,
)

# below this side photographs show too little for networks that learned from 128 pixels
# and more
LEAST_SIDE = 64


@dataclass(frozen=True)
class Chosen:
    """Where a run starts.

    Attributes:
        files: ImageNet weights that it may take; none where it starts from scratch.
        reason: What is taken or why not, a sentence.
    """

    files: tuple[ImageNetFile, ...]
    reason: str


def choose_start(
    start: Start,
    *,
    photographs: bool,
    resolution: int | None,
    student: str | None,
    budget: Budget,
    scratch_only: Sequence[str] = (),
) -> Chosen:
    """Decide from which weights a run starts.

    Where none are cached those that are worth it are fetched, and a warning names them
    first.

    Args:
        start: "imagenet", "scratch", or "auto": ImageNet weights for photographs of 64
            pixels or more, where they are cached or can be fetched.
        photographs: Whether the images are files of pictures.
        resolution: Side of the images that was asked for; None for any.
        student: Network that was asked for; None for any small one.
        budget: Of the network for the phone.
        scratch_only: What was asked for that only a run from scratch knows.

    Raises:
        KerasnetsError: ``start`` is unknown, or ImageNet weights are asked for and not
            to be had.
    """
    if start not in get_args(Start):
        raise KerasnetsError(
            f"start {start!r} is unknown: {', '.join(get_args(Start))} are accepted"
        )
    if start == "scratch":
        return Chosen((), "from random weights, as asked")
    why_not = ""
    networks = PHONE_NETWORKS if student is None else (student,)
    files = tuple(pretrained_files(networks))
    if scratch_only:
        why_not = f"{' and '.join(scratch_only)} belong to a run from scratch"
    elif start == "auto" and not photographs:
        why_not = "the images are no files of photographs"
    elif resolution is not None and resolution < LEAST_SIDE:
        why_not = f"images of {resolution} pixels are smaller than {LEAST_SIDE}"
    elif not files:
        files, why_not = _fetched(networks, budget)
    if not why_not:
        names = ", ".join(file.path.name for file in files)
        return Chosen(files, f"from ImageNet weights: {names}")
    if start == "imagenet":
        raise KerasnetsError(f"--start imagenet: {why_not}")
    return Chosen((), f"from random weights: {why_not}")


def _fetched(
    networks: Sequence[str], budget: Budget
) -> tuple[tuple[ImageNetFile, ...], str]:
    """Files that were not here before, and why there are none."""
    known = [file for network in networks for file in imagenet_files(network)]
    if not known:
        return (), f"keras.applications has no weights of {' or '.join(networks)}"
    wanted = files_to_fetch(networks, budget, teacher_madds=TEACHER_MADDS)
    if not wanted:
        return (), (
            f"no network with ImageNet weights fits {budget.max_madds:,} multiply-adds "
            f"and {budget.max_bytes:,} bytes"
        )
    names = ", ".join(file.path.name for file in wanted)
    belong = f"{names} belong in {wanted[0].path.parent}"
    if os.environ.get(OFFLINE):
        return (), f"no ImageNet weights are here: {belong}, and {OFFLINE} is set"
    warnings.warn(
        f"ImageNet weights {belong}: fetching them", KerasnetsWarning, stacklevel=2
    )
    try:
        for file in wanted:
            file.fetch()
    except KerasnetsError as error:
        if not wanted[0].is_cached:
            return (), f"no ImageNet weights are here: {belong}; {error}"
    return tuple(pretrained_files(networks)), ""
