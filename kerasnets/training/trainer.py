"""The one training loop: Keras's ``fit``, made to stop and go on."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import keras
import numpy as np

from kerasnets.applications import loss_weights
from kerasnets.data import Feed
from kerasnets.errors import KerasnetsError
from kerasnets.progress import Progress, silent
from kerasnets.training.average import Average
from kerasnets.training.checkpoint import Checkpoint
from kerasnets.training.devices import Devices, copy_variables
from kerasnets.training.diagnosis import first_overflow
from kerasnets.training.interruption import Asked, heeding_sigterm
from kerasnets.training.learner import Learner, Teach
from kerasnets.training.logits import answering_logits
from kerasnets.training.native import native_kernels
from kerasnets.training.objective import Objective
from kerasnets.training.optimizers import Paced, make_optimizer
from kerasnets.training.outcome import DivergedError, StuckError, Training
from kerasnets.training.recipe import LayerRate, Recipe
from kerasnets.training.statistics import kept_statistics

# what batch norms normalise by while a network learns: statistics of the batch, or the
# moving ones, which then stay as they are
BatchNorm = Literal["batch", "inference"]
# called after each epoch with its number, counted from 1, and how it went; gives the
# accuracy on the validation images, where it is known
EachEpoch = Callable[[int, Training], float | None]

# SIGTERM: 128 + 15, as shells tell it
TERMINATED = 143
# seconds between two looks at how a training goes
_LOOK = 0.5
# steps between them in several processes: all must look behind the same step, and their
# clocks differ
_LOOK_STEPS = 10
# a network that is at chance after this share of the epochs, and so many, stays there
_STUCK_SHARE, _STUCK_EPOCHS, _STUCK_STEPS = 0.2, 5, 500


def train(
    model: keras.Model,
    feed: Feed,
    recipe: Recipe,
    *,
    teach: Teach | None = None,
    objective: Objective | None = None,
    rates: Mapping[str, LayerRate] | None = None,
    batch_norm: BatchNorm = "batch",
    checkpoint: Checkpoint | None = None,
    each_epoch: EachEpoch | None = None,
    stop_at_chance: bool = False,
    devices: Devices | None = None,
    progress: Progress = silent,
) -> Training:
    """Train a classifier that returns logits on labelled images, in place.

    A training that was stopped at any step and is started again with the same arguments
    and a model built from the same seed goes on at the step of the newest state in
    ``checkpoint`` and ends with the same weights as one that was not. A finished one is
    not done again. Asked to end by SIGTERM the process keeps its state and exits with
    status 143.

    In several processes all call this with the same arguments, and end with the same
    weights; the first alone reads and writes the checkpoint and is told each epoch.

    Args:
        model: From images to logits (batch, classes), or one logit for two classes;
            those of auxiliary classifiers learn the same with their weight in the loss.
            A sigmoid or a softmax at its end is left out while it learns.
        feed: Training images and their labels; where those have one for each pixel,
            the logits are (batch, height, width, classes).
        recipe: Epochs, learning rate, optimizer and loss.
        teach: Gives further targets of a batch of images: {"soft": logits} of a
            teacher, for instance. It is not trained.
        objective: The loss. Default: the recipe's, of each output with its weight; a
            network that learns hints says which of its outputs they belong to.
        rates: How fast layers learn, by their names (``nested_model/layer`` in nested
            ones); those that are not named learn at the recipe's rate.
        batch_norm: What batch norms normalise by: "batch", the statistics of each
            batch, or "inference", the moving ones, which stay as they are; scale and
            offset learn in either case.
        checkpoint: Where the state of the training is kept; it holds the final state
            in the end.
        each_epoch: Called after each epoch with its number, counted from 1, and how it
            went; the model may be judged there, and the accuracy be given back that the
            schedule "plateau" follows. Where a training goes on, those behind the
            checkpoint are not told again.
        stop_at_chance: End a training that learns nothing in its first epochs.
        devices: Where it is trained; None for one device.
        progress: Told the steps that are done, with epoch, images a second, loss and
            accuracy; twice a second at most, and after each epoch.

    Returns:
        Loss and accuracy of the last epoch; ``check`` it where it matters that the
        network has learned.

    Raises:
        KerasnetsError: ``rates`` names no layer of the model, ``batch_norm`` is
            unknown, the recipe needs what is not given, its batches do not divide by
            the devices, the checkpoint cannot be written, or another process has ended.
        DivergedError: The loss is no finite number, and the recipe does not go back or
            has; or nothing is learned.
    """
    check_batch_norm(batch_norm)
    _check_given(recipe, checkpoint, each_epoch)
    devices = devices or Devices()
    devices.check(recipe.batch_size, recipe.accumulate)
    objective = objective or Objective(recipe, tuple(loss_weights(model)))
    steps = recipe.epochs * feed.steps_per_epoch
    with devices.together():
        network = devices.mirrored(model)
        with devices.scope():
            learner = Learner(network, objective, teach, steps)
            optimizer = make_optimizer(recipe, network, steps, rates)
            learner.compile(optimizer=optimizer)
            learner.optimizer.build(network.trainable_variables)
        devices.prepare(learner)
        run = _Run(
            model,
            learner,
            feed,
            recipe,
            Paced(optimizer),
            devices,
            average=Average(learner.optimizer, network.trainable_variables)
            if recipe.ema
            else None,
            checkpoint=checkpoint,
            each_epoch=each_epoch,
            stop_at_chance=stop_at_chance,
            progress=progress,
        )
        keeping = (
            kept_statistics if batch_norm == "inference" else contextlib.nullcontext
        )
        with keeping(network), native_kernels(network), answering_logits(network):
            run.to_the_end()
        if run.average is not None:
            run.average.put()
        copy_variables(network, model)
        return learner.result()


def _check_given(
    recipe: Recipe, checkpoint: Checkpoint | None, each_epoch: EachEpoch | None
) -> None:
    if recipe.rollback and checkpoint is None:
        raise KerasnetsError("a recipe with rollback needs a checkpoint to go back to")
    if recipe.schedule == "plateau" and each_epoch is None:
        raise KerasnetsError(
            'a recipe with the schedule "plateau" needs each_epoch, which judges by '
            "the validation images"
        )


def check_batch_norm(name: str) -> None:
    """Raise where ``train`` knows no such way of batch normalisation."""
    if name not in get_args(BatchNorm):
        raise KerasnetsError(
            f"batch_norm {name!r} is unknown: {', '.join(get_args(BatchNorm))}"
        )


class _Broke(Exception):  # noqa: N818  (no error: ``_Run`` deals with it)
    """The loss of a step is no finite number."""

    def __init__(self, step: int, loss: float):
        super().__init__(step)
        self.step, self.loss = step, loss


@dataclass
class _Run:
    """A training from where it stands to its end."""

    model: keras.Model
    learner: Learner
    feed: Feed
    recipe: Recipe
    pace: Paced
    devices: Devices
    average: Average | None
    checkpoint: Checkpoint | None
    each_epoch: EachEpoch | None
    stop_at_chance: bool
    progress: Progress

    @property
    def steps(self) -> int:
        """Of an epoch."""
        return self.feed.steps_per_epoch

    @property
    def state(self) -> list[Any]:
        """All that training changes."""
        learner = self.learner
        return [
            *learner.network.variables,
            *learner.optimizer.variables,
            *learner.figures,
        ]

    def to_the_end(self) -> None:
        """Train, and go back where the recipe says so."""
        done = self.restore(self.checkpoint)
        if not done:
            self.keep(0, now=True)
        while True:
            try:
                with heeding_sigterm() as asked:
                    self.fit(done, self.recipe.epochs * self.steps, asked)
            except _Broke as broke:
                done = self._went_wrong(broke)
            except StuckError:
                if not self._may_go_back():
                    raise
                done = self._back_to("start")
            else:
                return

    def fit(self, first: int, last: int, asked: Asked | None) -> None:
        """Train from a step to before another, of the same epoch or the end of one.

        Without ``asked`` nothing is kept, told or judged.
        """
        while first < last:
            # what is left of an epoch has another length than those after it
            count = min(-first % self.steps, last - first)
            count = count or self.steps * ((last - first) // self.steps) or last - first
            epoch = first // self.steps
            callbacks: list[keras.callbacks.Callback] = []
            if first % self.steps:
                callbacks.append(_Resumed(self.learner))
            if asked is not None:
                callbacks.append(_Watch(self, first, asked))
            self.learner.fit(
                self.devices.dataset(self.feed, first, first + count),
                initial_epoch=epoch,
                epochs=epoch + max(1, count // self.steps),
                steps_per_epoch=min(count, self.steps),
                callbacks=callbacks,
                verbose=0,  # pyright: ignore[reportArgumentType]  (annotated as str)
                shuffle=False,
            )
            first += count

    def restore(self, kept: Checkpoint | None, *, older: bool = False) -> int:
        """Set the state in all processes to what is kept; how many steps it has had."""
        done = 0
        if kept is not None and self.devices.is_first:
            done = kept.restore(self.state, older=older)
        return self.devices.begin_alike(self.state, done)

    def keep(self, done: int, *, now: bool = False) -> None:
        """Write the state into the checkpoint, if there is one and it is time."""
        if self.checkpoint is None or not self.devices.is_first:
            return
        self.checkpoint.save(done, self.state, now=now)
        if self.recipe.rollback and done % self.steps == 0:
            self._kept("epoch").save(done, self.state, now=True)
            if not done:
                self._kept("start").save(0, self.state, now=True)

    def _kept(self, name: str) -> Checkpoint:
        assert self.checkpoint is not None
        return self.checkpoint.beside(name)

    def _may_go_back(self) -> bool:
        return self.recipe.rollback and not self.pace.now.rollbacks

    def _back_to(self, name: str) -> int:
        """Go back to a state, with half the rate."""
        # weights that overflow at the start of an epoch were too large before it
        done = self.restore(self._kept(name), older=name == "epoch")
        now = self.pace.now
        self.pace.become(now._replace(factor=now.factor / 2, rollbacks=1.0))
        self.keep(done, now=True)
        return done

    def _went_wrong(self, broke: _Broke) -> int:
        """Go back, or tell where it began."""
        if self._may_go_back():
            return self._back_to("epoch")
        where = f"step {broke.step + 1}"
        if self.checkpoint is not None:
            where += f", first of {self._first_overflow(broke.step)}"
        epoch = broke.step // self.steps + 1
        raise DivergedError(broke.loss, epoch, self.recipe, where)

    def _first_overflow(self, step: int) -> str:
        """Train up to before a step once more, and look."""
        self.fit(self.restore(self.checkpoint), step, None)
        images, _ = next(iter(self.feed.dataset(step, step + 1)))
        copy_variables(self.learner.network, self.model)
        return first_overflow(self.model, images)

    def check_finite(self, epoch: int) -> None:
        """Raise ``_Broke`` where a step of the epoch has no finite loss."""
        first = self.learner.broke_at
        if first is not None:
            raise _Broke(epoch * self.steps + first, self.learner.result().loss)


class _Resumed(keras.callbacks.Callback):
    """Gives an epoch that goes on the figures that it had: ``fit`` begins with none."""

    def __init__(self, learner: Learner):
        super().__init__()
        self._figures = learner.figures
        self._values = [np.array(x) for x in self._figures]

    def on_epoch_begin(self, epoch, logs=None):
        del epoch, logs
        for variable, value in zip(self._figures, self._values, strict=True):
            variable.assign(value)


class _Watch(keras.callbacks.Callback):
    """Looks at a training, keeps its state and tells how far it is."""

    def __init__(self, run: _Run, first: int, asked: Asked):
        super().__init__()
        self.run, self.asked = run, asked
        self.done, self.epoch = first, first // run.steps
        self._looked = time.monotonic()
        self._images = run.learner.images if first % run.steps else 0

    def on_epoch_begin(self, epoch, logs=None):
        del logs
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        del batch, logs
        self.done += 1
        if self.done % self.run.steps == 0:
            return  # the epoch ends, and is kept when it has been judged
        if not self._is_time():
            return
        self._ask_others()
        with self._synchronised():
            self.run.check_finite(self.epoch)
            self._tell(self.run.learner.result())
            self.run.keep(self.done, now=self.asked.to_end)
        self._end_where_asked()

    def _is_time(self) -> bool:
        run = self.run
        if run.devices.processes > 1:
            return self.done % _LOOK_STEPS == 0
        due = run.checkpoint is not None and run.checkpoint.is_due
        return due or time.monotonic() - self._looked >= _LOOK or self.asked.to_end

    def _ask_others(self) -> None:
        """End where any of the processes is to end."""
        self.asked.to_end = self.run.devices.any(self.asked.to_end)

    def on_epoch_end(self, epoch, logs=None):
        del logs
        run = self.run
        self._ask_others()
        with self._synchronised():
            run.check_finite(epoch)
            now = run.learner.result()
            if run.stop_at_chance and now.at_chance:
                self._check_stuck(epoch + 1, now)
            self._judge(epoch + 1, now)
            is_last = epoch + 1 == run.recipe.epochs
            run.keep(self.done, now=is_last or self.asked.to_end)
            self._tell(now)
        self._images = 0  # the next begins
        self._end_where_asked()

    def _check_stuck(self, epoch: int, now: Training) -> None:
        least = max(_STUCK_EPOCHS, _STUCK_SHARE * self.run.recipe.epochs)
        if epoch >= least and self.done >= _STUCK_STEPS:
            raise StuckError(now, epoch, self.run.recipe)

    def _judge(self, epoch: int, now: Training) -> None:
        run = self.run
        if run.each_epoch is None:
            return
        accuracy: float | None = 0.0
        if run.devices.is_first:
            averaged = contextlib.nullcontext()
            if run.average is not None:
                averaged = run.average.in_place()
            with averaged:
                copy_variables(run.learner.network, run.model)
                accuracy = run.each_epoch(epoch, now)
        if run.recipe.schedule == "plateau":
            if accuracy is None:
                raise KerasnetsError(
                    'the schedule "plateau" needs the accuracy on the validation images'
                    ", which each_epoch did not give"
                )
            accuracy = run.devices.number_of_first(accuracy)
            run.pace.become(run.pace.now.after(accuracy, run.recipe))

    def _tell(self, now: Training) -> None:
        seconds = max(1e-9, time.monotonic() - self._looked)
        images = self.run.learner.images
        note = (
            f"epoch {self.epoch + 1}/{self.run.recipe.epochs}  "
            f"{(images - self._images) / seconds:,.0f} images/s  "
            f"loss {now.loss:.3f} accuracy {now.accuracy:.3f}"
        )
        if now.at_chance:
            note += " (as by chance)"
        self._looked, self._images = time.monotonic(), images
        self.run.progress(self.done, self.run.recipe.epochs * self.run.steps, note)

    @contextlib.contextmanager
    def _synchronised(self) -> Iterator[None]:
        """Let variables be read and set: on JAX ``fit`` keeps them elsewhere."""
        sync = getattr(self.model, "jax_state_sync", None)
        if sync is not None:
            sync()
        yield

    def _end_where_asked(self) -> None:
        if self.asked.to_end:
            self.run.devices.any(True)  # not before the first has kept the state
            raise SystemExit(TERMINATED)
