"""Magnitude pruning with TF-MOT: the smallest weights become zero."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow_model_optimization as tfmot
import tf_keras

from kerasnets.compression.kernels import (
    chosen_layers,
    kernel_of,
    kernels,
    sparsity,
    weights_to_keep,
)
from kerasnets.compression.settings import PruneSettings
from kerasnets.compression.steps.step import Step
from kerasnets.errors import KerasnetsError
from kerasnets.traits import names

# whose kernels have the input channels where TF-MOT's 2:4 pattern looks for them
_OF_FOUR = names(
    lambda row: (
        bool(row.kernels)
        and row.rank in (0, 2)
        and not row.depthwise
        and not row.transposed
    )
)


class Prune(Step[PruneSettings]):
    """The smallest weights of the kernels become zero."""

    def check(self) -> None:
        """Refuse a network that cannot be pruned so."""
        final_sparsities(self.net, self.model, self.settings)

    def wrap(self, updates: int) -> tuple[tf_keras.Model, Callable[[], None]]:
        """Wrap the layers to prune; masks are brought up to date after each epoch."""
        settings = self.settings
        final = final_sparsities(self.net, self.model, settings)
        when = settings.update_steps(updates)

        def wrapped(layer):
            if layer.name not in final:
                return layer
            return tfmot.sparsity.keras.prune_low_magnitude(
                layer,
                pruning_schedule=_schedule(settings, final[layer.name], when),
                block_size=settings.block_size,
                sparsity_m_by_n=(2, 4) if settings.pattern == "2:4" else None,
            )

        pruned = tf_keras.models.clone_model(self.net, clone_function=wrapped)
        masks = tfmot.sparsity.keras.UpdatePruningStep()
        masks.set_model(pruned)
        masks.on_train_begin()
        return pruned, lambda: masks.on_epoch_end(batch=-1)

    def unwrap(self, wrapped: tf_keras.Model) -> tf_keras.Model:
        """Give the network without wrappers; its zeros are exact."""
        return tfmot.sparsity.keras.strip_pruning(wrapped)

    def check_result(self, result: keras.Model) -> None:
        """Refuse a step that missed its zeros.

        How many zeros a 2:4 pattern brings depends on the kernels.
        """
        reached, asked = sparsity(result), self.settings.sparsity
        promised = self.settings.exact and self.settings.pattern == "unstructured"
        if reached < asked and promised:
            raise KerasnetsError(
                f"pruning reached sparsity {reached:.4f}, {asked} was asked for: "
                "weights of equal size are kept or pruned together"
            )


def pruned_layers(
    net: tf_keras.Model, settings: PruneSettings
) -> Mapping[str, tf_keras.layers.Layer]:
    """Choose the layers that get zeros, by name."""
    if settings.policy is None:
        return chosen_layers(
            net,
            names=settings.layers,
            spare_ends=settings.spare_ends,
            **({"classes": _OF_FOUR} if settings.pattern == "2:4" else {}),
        )
    policy = tfmot.sparsity.keras.PruneForLatencyOnXNNPack()
    try:
        policy.ensure_model_supports_pruning(net)
    except ValueError as error:
        raise KerasnetsError(
            f"XNNPACK's sparse kernels do not run {net.name!r}: "
            f"{str(error).rstrip('.')}; a network such as "
            "kerasnets.applications.MobileNet(padding='symmetric') is accepted"
        ) from error
    able = chosen_layers(
        net, names=settings.layers, spare_ends=settings.spare_ends, classes=("Conv2D",)
    )
    return {name: layer for name, layer in able.items() if policy.allow_pruning(layer)}


def final_sparsities(
    net: tf_keras.Model, model: keras.Model, settings: PruneSettings
) -> dict[str, float]:
    """Give the share of zeros of each layer so that ``model`` gets the sparsity.

    Kernels that stay dense count too: the others get the more zeros.
    """
    chosen = pruned_layers(net, settings)
    if settings.pattern == "2:4":
        return dict.fromkeys(chosen, 0.5)
    _check_blocks(chosen, settings.block_size)
    sizes = {name: kernel_of(layer).size for name, layer in chosen.items()}
    own = dict(settings.layer_sparsity)
    if unknown := own.keys() - sizes.keys():
        raise KerasnetsError(
            f"layer_sparsity names {', '.join(sorted(unknown))}; layers to prune: "
            f"{', '.join(sizes)}"
        )
    shared = {name: size for name, size in sizes.items() if name not in own}
    keep = weights_to_keep(
        list(shared.values()),
        sum(kernel.size for kernel in kernels(model)),
        settings.sparsity,
        zeros=sum(int(share * sizes[name]) for name, share in own.items()),
    )
    block = settings.block_size[0] * settings.block_size[1]
    if min(keep, default=block) < block:
        raise KerasnetsError(
            f"sparsity {settings.sparsity} leaves less than one block of "
            f"{settings.block_size} in a kernel; a lower one is accepted"
        )
    shares = {
        name: 1 - (kept - kept % block) / size
        for (name, size), kept in zip(shared.items(), keep, strict=True)
    }
    return {**own, **shares}


def _schedule(settings: PruneSettings, final: float, updates: range) -> Any:
    """TF-MOT's schedule of one layer."""
    timing = {
        "begin_step": updates[0],
        "end_step": updates[-1],
        "frequency": updates.step,
    }
    if settings.schedule == "constant":
        return tfmot.sparsity.keras.ConstantSparsity(final, **timing)
    return tfmot.sparsity.keras.PolynomialDecay(
        initial_sparsity=min(settings.initial_sparsity, final),
        final_sparsity=final,
        **timing,
    )


def _check_blocks(chosen: Mapping[str, Any], block: tuple[int, int]) -> None:
    """Refuse blocks of other kernels than matrices that they tile."""
    if block == (1, 1):
        return
    for name, layer in chosen.items():
        shape = kernel_of(layer).shape
        if len(shape) != 2:
            raise KerasnetsError(
                f"block_size {block} takes dense kernels alone; {name!r} "
                f"({type(layer).__name__}) has a kernel {shape}: name dense layers in "
                "layers, or take block_size (1, 1)"
            )
        if shape[0] % block[0] or shape[1] % block[1]:
            raise KerasnetsError(
                f"block_size {block} does not tile the kernel {shape} of {name!r}; "
                "whole blocks are accepted"
            )
