"""All settings of a run, from the few that one usually chooses."""

from dataclasses import dataclass
from pathlib import Path

from kerasnets.data import open_source
from kerasnets.errors import KerasnetsError
from kerasnets.files import sha256
from kerasnets.jobs import defaults
from kerasnets.jobs.checks import check_whole
from kerasnets.jobs.images import of_photographs
from kerasnets.jobs.phone.pretrained_settings import PretrainedSettings
from kerasnets.jobs.phone.settings import Settings, choose_scratch
from kerasnets.jobs.phone.start import Chosen, choose_start
from kerasnets.tuning import SIDES, Budget


@dataclass(frozen=True)
class Choice:
    """What a run does, and where it starts.

    Attributes:
        settings: All settings.
        start: From which weights, and why, a sentence.
    """

    settings: Settings | PretrainedSettings
    start: str


def choose(
    *,
    data: str = defaults.DATA,
    teacher: str | None = None,
    student: str | None = None,
    max_madds: int | None = None,
    max_bytes: int = defaults.MAX_BYTES,
    max_latency: float | None = None,
    on_phone: bool = False,
    max_loss: float = defaults.MAX_LOSS,
    start: defaults.Start = "auto",
    trials: int | None = None,
    search_file: Path | None = None,
    resolution: int | None = None,
    precision: str = defaults.PRECISION,
    seed: int = 0,
    skip_bad_images: bool = False,
    mirror: bool = True,
) -> Choice:
    """Choose the settings of a run, and say where it starts.

    Args:
        data: What ``open_source`` takes.
        teacher: Name of any classifier of the zoo, from scratch; None for ResNet-20.
        student: Name of the network for the phone; None for MobileNet from scratch, and
            for any small network whose ImageNet weights are here.
        max_madds: The most multiply-adds for one image; None for 2M from scratch and
            15M from ImageNet weights.
        max_bytes: The most bytes of the int8 file.
        max_latency: The most milliseconds for one image on one thread, from ImageNet
            weights.
        on_phone: Measure them on the phone that adb finds, not on this machine.
        max_loss: Points of accuracy on the validation images that pruning and
            quantisation may cost together, from ImageNet weights.
        start: "imagenet", "scratch", or "auto": from ImageNet weights for photographs
            of 64 pixels or more, where they are cached or can be fetched.
        trials: The most networks to try, from scratch; None for the number in the
            search file.
        search_file: TOML file of the search, from scratch; None for that of the digits.
        resolution: Side in pixels at which the images are kept; None for 40 (digits),
            32 (npz, idx, cifar) or 96 (tfds, folder, csv) from scratch, and for what
            the networks take from ImageNet weights.
        precision: auto, float32, mixed_float16 or mixed_bfloat16, from scratch.
        seed: Repeats a run bit for bit.
        skip_bad_images: Leave out files that cannot be decoded.
        mirror: Mirror half of the training photos (folder, csv), unless a look at them
            tells that this confuses classes, as with arrows.

    Raises:
        KerasnetsError: The data, a network, a number or the search file cannot be used,
            or ImageNet weights are asked for and not to be had.
    """
    check_whole("max_madds", max_madds)
    check_whole("max_bytes", max_bytes)
    if max_latency is not None and not max_latency > 0:
        raise KerasnetsError(f"max_latency {max_latency} ms: above 0 is accepted")
    if on_phone and max_latency is None:
        raise KerasnetsError("--on-phone goes with --max-latency")
    if not 0 <= max_loss <= 100:
        raise KerasnetsError(f"max_loss {max_loss}: 0 to 100 points are accepted")
    of_scratch = {"--teacher": teacher, "--trials": trials, "--search": search_file}
    chosen = choose_start(
        start,
        photographs=of_photographs(open_source(data).spec),
        resolution=resolution,
        student=student,
        budget=Budget(max_madds or defaults.MAX_MADDS_PRETRAINED, max_bytes),
        scratch_only=[name for name, value in of_scratch.items() if value is not None],
    )
    if chosen.files:
        settings = _pretrained(
            chosen,
            data=data,
            max_madds=max_madds or defaults.MAX_MADDS_PRETRAINED,
            max_bytes=max_bytes,
            max_latency=max_latency,
            on_phone=on_phone,
            max_loss=max_loss,
            resolution=resolution,
            seed=check_whole("seed", seed, 0),
            skip_bad_images=skip_bad_images,
        ).mirrored(mirror)
        return Choice(settings, chosen.reason)
    if max_latency is not None:
        raise KerasnetsError(
            f"--max-latency goes with a start from ImageNet weights; this run starts "
            f"{chosen.reason}"
        )
    settings = choose_scratch(
        data=data,
        teacher=teacher or defaults.TEACHER,
        student=student or defaults.STUDENT,
        max_madds=max_madds or defaults.MAX_MADDS,
        max_bytes=max_bytes,
        trials=trials,
        search_file=search_file,
        resolution=resolution,
        precision=precision,
        seed=seed,
        skip_bad_images=skip_bad_images,
        mirror=mirror,
    )
    return Choice(settings, chosen.reason)


def _pretrained(
    chosen: Chosen, *, resolution: int | None, **values
) -> PretrainedSettings:
    """Images are kept at the largest side that a network takes, or as asked for."""
    side = max(SIDES) if resolution is None else check_whole("resolution", resolution)
    return PretrainedSettings(
        networks=tuple(dict.fromkeys(file.network for file in chosen.files)),
        weights=tuple((file.path.name, sha256(file.path)) for file in chosen.files),
        resolution=side,
        **values,
    )
