"""The places that ``weights=`` of a builder may name."""

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasnets import untrusted
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import Preprocessing
from kerasnets.pretrained import imagenet
from kerasnets.pretrained.carry import assign, from_keras, from_torch, head_of
from kerasnets.pretrained.counterpart import (
    AUXILIARY,
    HEAD,
    Counterpart,
    is_keras_applications_file,
)

_HUB = "timm:"
_KERAS = (".keras", ".weights.h5")
_APPLICATIONS = (".h5",)
_TORCH = (".safetensors", ".pth", ".pt")
# layers of ours that a network without top or without auxiliary classifiers lacks
_TOP_LAYERS = (HEAD, "fc", "f6", AUXILIARY)


def load_weights(
    model: keras.Model,
    weights: str | Path,
    *,
    keras_counterpart: Counterpart | None,
    torch_counterpart: Counterpart | None,
    arguments: Mapping[str, Any],
    colours: str = "RGB",
) -> Preprocessing | None:
    """Give a network the weights that its builder was asked for.

    A classifier for another number of classes is left as it is, a first kernel for
    images of other channels fitted; a warning says so: see ``carry.assign``.

    Args:
        model: As our builder made it; changed in place.
        weights: "imagenet", "timm:NAME" or a path.
        keras_counterpart: The network in keras.applications.
        torch_counterpart: The network in torchvision or timm.
        arguments: With which that in keras.applications is the same network.
        colours: Order of the channels of which the weights learned, "RGB" or "BGR".

    Returns:
        The preprocessing that the weights say they want, or None.

    Raises:
        KerasnetsError: There are no such weights, or they do not fit.
    """
    text = str(weights)
    if text == "imagenet":
        return _load_imagenet(model, keras_counterpart, arguments)
    if text.startswith(_HUB):
        path, stated = _fetch(text.removeprefix(_HUB))
        _load_torch(model, path, torch_counterpart, text)
        return stated
    accepted = (*_KERAS, *_APPLICATIONS, *_TORCH)
    if not Path(text).is_file() or not text.endswith(accepted):
        raise KerasnetsError(
            f"weights {text!r}: give None, 'imagenet', 'timm:NAME' or the path of an "
            f"existing {', '.join(accepted)} file"
        )
    if is_keras_applications_file(text):
        return _load_applications(model, Path(text), keras_counterpart, arguments)
    if text.endswith(_TORCH):
        return _load_torch(model, Path(text), torch_counterpart, text)
    extras = () if head_of(model) else _TOP_LAYERS
    tensors = _read_keras(Path(text), model)
    assign(model, tensors, "{}/{}".format, extras=extras, where=text, colours=colours)
    return None


def _load_imagenet(
    model, counterpart: Counterpart | None, arguments: Mapping[str, Any]
) -> None:
    """The weights of the Keras team: from its cache, else fetched by Keras."""
    if counterpart is None:
        raise KerasnetsError(
            f"weights 'imagenet': keras.applications has no {model.name}; give a path "
            "or 'timm:NAME'"
        )
    # also for other classes: there may be hidden layers before the classifier
    include_top = head_of(model) is not None
    where = "the weights 'imagenet'"
    file = imagenet.cached(counterpart.builder, arguments, include_top=include_top)
    if file is not None:
        file.check()
        source = imagenet.read(counterpart.builder, file.path, arguments)
    else:
        source = imagenet.fetch(counterpart.builder, arguments, include_top=include_top)
    _carry(model, source, counterpart, where)


def _load_applications(
    model, path: Path, counterpart: Counterpart | None, arguments: Mapping[str, Any]
) -> None:
    """The weights of a file that keras.applications fetched."""
    if counterpart is None:
        raise KerasnetsError(
            f"weights '{path}': keras.applications, whose files end in .h5, has no "
            f"{model.name}; a .weights.h5 file of it is accepted"
        )
    source = imagenet.read(counterpart.builder, path, arguments)
    _carry(model, source, counterpart, str(path))


def _carry(model, source, counterpart: Counterpart, where: str) -> None:
    extras = () if head_of(model) else counterpart.top
    from_keras(model, source, counterpart, extras=extras, where=where)


def _load_torch(model, path: Path, counterpart: Counterpart | None, where: str) -> None:
    if counterpart is None:
        raise KerasnetsError(
            f"weights {where!r}: {model.name} has no counterpart in torchvision or "
            "timm whose file could be read"
        )
    extras = counterpart.extras
    if head_of(model) is None:
        extras = (*extras, *counterpart.top)
    from_torch(model, _read_torch(path), counterpart, extras=extras, where=where)


def _read_keras(path: Path, model: keras.Model) -> dict[str, np.ndarray]:
    """The arrays of a Keras file as "layer/weight", without building its model."""
    import h5py

    if path.name.endswith(".keras"):
        with untrusted.open_file(path) as file:
            content = untrusted.read_archive(file, str(path))[untrusted.WEIGHTS]
    else:
        content = path.read_bytes()
    untrusted.check_weights(content, str(path))
    own = {layer.name: [v.name for v in layer.weights] for layer in model.layers}
    tensors = {}
    try:
        with h5py.File(io.BytesIO(content)) as file:
            for group in file["layers"].values():
                stored = group["vars"]
                name = stored.attrs["name"]
                for i in range(len(stored)):
                    names = own.get(name, [])
                    role = names[i] if i < len(names) else str(i)
                    tensors[f"{name}/{role}"] = np.asarray(stored[str(i)])
    except (OSError, KeyError, AttributeError, TypeError) as error:
        raise KerasnetsError(f"{path} holds no weights of a Keras model") from error
    return tensors


def _read_torch(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a state dict; nothing in the file is run."""
    if path.name.endswith(".safetensors"):
        safetensors = _library("safetensors.numpy", "a .safetensors file")
        try:
            return safetensors.load_file(path)
        except Exception as error:
            raise KerasnetsError(f"{path} is no safetensors file: {error}") from error
    torch = _library("torch", f"a {path.suffix} file")
    untrusted.check_archive(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        state = state.get("state_dict", state)
        for name, value in state.items():
            if value.numel() * value.element_size() > value.untyped_storage().nbytes():
                raise KerasnetsError(f"{path}: {name} declares more than it stores")
        return {
            name.removeprefix("module."): value.float().numpy()
            for name, value in state.items()
        }
    except KerasnetsError:
        raise
    except Exception as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise KerasnetsError(
            f"{path} is no state dict that can be read without running code: {reason}"
        ) from error


def _fetch(name: str) -> tuple[Path, Preprocessing]:
    """A model of the Hugging Face hub: its weights, and how it wants its pixels."""
    hub = _library("huggingface_hub", "a model of the hub")
    repository = f"timm/{name}"
    try:
        path = Path(hub.hf_hub_download(repository, "model.safetensors"))
        config = Path(hub.hf_hub_download(repository, "config.json"))
        url = hub.hf_hub_url(repository, "model.safetensors")
        expected = hub.get_hf_file_metadata(url).etag
    except Exception as error:
        reason = " ".join(str(error).split())
        raise KerasnetsError(f"weights 'timm:{name}': {reason}") from error
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise KerasnetsError(
            f"weights 'timm:{name}': the file has SHA-256 {found}, the hub says "
            f"{expected}; delete {path} and try again"
        )
    return path, _stated_by(json.loads(config.read_text("utf-8")))


def _stated_by(config: dict) -> Preprocessing:
    """The preprocessing in a timm model's configuration."""
    stated = config["pretrained_cfg"]
    return Preprocessing(
        mean=tuple(255.0 * x for x in stated["mean"]),
        std=tuple(255.0 * x for x in stated["std"]),
        size=stated["input_size"][-1],
        crop=stated["crop_pct"],
    )


def _library(name: str, what: str):
    """An optional library, or one line that says how to get it."""
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise KerasnetsError(
            f"{what} needs {package}: pip install 'kerasnets[pretrained]'"
            + (" torch" if package == "torch" else "")
        ) from error
