"""One training on several devices of a machine, or in several processes.

TensorFlow's strategies do it, below Keras's ``fit``: each replica has a copy of all
variables and its rows of each batch, and their gradients are added up. What is drawn,
read and decided is the same as on one device.
"""

import contextlib
import functools
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kerasnets.data import Feed, SharedFeed
from kerasnets.errors import KerasnetsError, reason
from kerasnets.graph import all_layers, deep_graphs

# in the order of their ranks
_ROLES = ("chief", "worker")
_SEED = "seed_generator_state"


@dataclass(frozen=True)
class Devices:
    """Where a training runs; one device by default, see ``find_devices``.

    Attributes:
        strategy: TensorFlow's; None for one device.
        rank: Number of this process, from 0.
        processes: How many train together.
    """

    strategy: Any = None
    rank: int = 0
    processes: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes what all come to."""
        return self.rank == 0

    @property
    def replicas(self) -> int:
        """How many parts each batch has."""
        return 1 if self.strategy is None else self.strategy.num_replicas_in_sync

    def check(self, batch_size: int, accumulate: int) -> None:
        """Raise where a recipe cannot be trained so."""
        if batch_size % self.replicas:
            least = batch_size // self.replicas * self.replicas
            near = [str(n) for n in (least, least + self.replicas) if n]
            raise KerasnetsError(
                f"batches of {batch_size} on {self.replicas} devices: each takes as "
                f"many images; {' or '.join(near)} are accepted"
            )
        if self.replicas > 1 and accumulate > 1:
            raise KerasnetsError(
                f"accumulate is {accumulate} on {self.replicas} devices; 1 is accepted"
            )

    def scope(self) -> contextlib.AbstractContextManager:
        """Let each replica have a copy of the variables that are made inside."""
        if self.strategy is None:
            return contextlib.nullcontext()
        return self.strategy.scope()

    def mirrored(self, model: keras.Model) -> keras.Model:
        """Return a copy of a model with variables on each device.

        Its batch norms take the statistics of the whole batch. The model itself on one
        device.
        """
        if self.strategy is None:
            return model
        with self.scope(), deep_graphs():
            copy = keras.models.clone_model(model)
        copy_variables(model, copy)
        for layer in all_layers(copy):
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True
        return copy

    def prepare(self, learner: Any) -> None:
        """Make a compiled model ready for ``fit`` on these devices."""
        if self.strategy is not None:
            from kerasnets.training.shim import put_fit_right

            put_fit_right(learner)
        elif keras.backend.backend() == "tensorflow":
            from kerasnets.training.shim import leave_gradients

            leave_gradients(learner.optimizer)

    def dataset(self, feed: Feed, first: int, last: int) -> Any:
        """Return this process's part of the batches of the steps, as ``fit`` takes it.

        Raises:
            KerasnetsError: The feed gives no parts of its batches.
        """
        if self.strategy is None:
            return feed.dataset(first, last)
        if self.processes > 1:
            if not isinstance(feed, SharedFeed):
                raise KerasnetsError(
                    f"a {type(feed).__name__} gives whole batches alone: in several "
                    "processes a feed needs ``share``"
                )
            feed = feed.share(self.rank, self.processes)
        batches: Any = feed.dataset(first, last)
        here = self.replicas // self.processes
        if here > 1:
            batches = batches.map(lambda *x: _parts(x, here)).unbatch().prefetch(here)
        return self.strategy.distribute_datasets_from_function(lambda _: batches)

    def begin_alike(self, variables: Sequence[Any], done: int) -> int:
        """Set variables in all processes to those of the first, and return its number.

        Each replica draws its own random numbers from then on.

        Args:
            variables: Always in the same order.
            done: A number that goes with them.
        """
        if self.processes > 1:
            values = [np.asarray(variable) for variable in variables]
            mine = b"".join([np.int64(done).tobytes(), *(x.tobytes() for x in values)])
            shared = self._of_first(mine)
            done = int(np.frombuffer(shared[:8], "int64")[0])
            if not self.is_first:
                _set(variables, values, shared[8:])
        if self.strategy is not None:
            self._vary([x for x in variables if x.name == _SEED])
        return done

    def batch_of(self, images: int, most: int) -> int:
        """Return the size of a batch of few images: all, as far as that divides."""
        return min(most, images - images % self.replicas)

    def tell(self, said: str) -> None:
        """Let the other processes, which ``hear``, know something."""
        if self.processes > 1:
            self._say(said)

    def hear(self) -> str:
        """Return what the first process tells, when it does."""
        return self._say("")

    def _say(self, said: str) -> str:
        content = said.encode()
        with self.together():
            length = int(self.number_of_first(len(content)))
            if not length:  # of which TensorFlow's collective makes a crash
                return ""
            return self._of_first(content.ljust(length, b"\0")).decode()

    def number_of_first(self, number: float) -> float:
        """Return what the first process has; all must ask."""
        if self.processes == 1:
            return number
        shared = self._of_first(np.float64(number).tobytes())
        return float(np.frombuffer(shared, "float64")[0])

    def any(self, flag: bool) -> bool:
        """Return whether it is so in any process; all must ask."""
        if self.processes == 1:
            return flag
        return bool(self._sum(np.array([flag], "int64"), of_first=False)[0])

    def _of_first(self, content: bytes) -> bytes:
        """What the first process has, of as many bytes."""
        padded = content + bytes(-len(content) % 8)
        numbers = self._sum(np.frombuffer(padded, "int64"), of_first=True)
        return numbers.tobytes()[: len(content)]

    def _sum(self, numbers: np.ndarray, *, of_first: bool) -> np.ndarray:
        """Of whole numbers, over all replicas or of the first alone."""
        import tensorflow as tf

        sums = self._summed(tf.constant(numbers), tf.constant(of_first))
        return self.strategy.experimental_local_results(sums)[0].numpy()

    @functools.cached_property
    def _summed(self) -> Any:
        """What ``_sum`` does, compiled."""
        import tensorflow as tf

        def each(numbers, of_first):
            replica = tf.distribute.get_replica_context()
            counts = ~of_first | tf.equal(replica.replica_id_in_sync_group, 0)
            return replica.all_reduce("SUM", numbers * tf.cast(counts, numbers.dtype))

        return tf.function(lambda *numbers: self.strategy.run(each, args=numbers))

    def _vary(self, seeds: Sequence[Any]) -> None:
        """Add the number of the replica to the seeds of each."""
        import tensorflow as tf

        def each():
            number = tf.distribute.get_replica_context().replica_id_in_sync_group
            for seed in seeds:
                seed.assign(seed + tf.cast(tf.stack([number, 0]), seed.value.dtype))

        if seeds:
            tf.function(lambda: self.strategy.run(each))()

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Tell it in one line where another process ends, inside.

        Raises:
            KerasnetsError: One has.
        """
        if self.processes == 1:
            yield
            return
        import tensorflow as tf

        lost = tf.errors.UnavailableError, tf.errors.AbortedError
        try:
            yield
        except (*lost, tf.errors.InternalError, tf.errors.CancelledError) as error:
            raise KerasnetsError(
                f"another of the {self.processes} processes has ended or cannot be "
                "reached: start all of them again, and the training goes on from its "
                "newest state"
            ) from error


def find_devices(asked: str | None = None) -> Devices:
    """Return the devices that were asked for, and other processes in ``TF_CONFIG``.

    To be called before TensorFlow computes anything.

    Args:
        asked: "all" devices of this machine or a number of them; None for one, or for
            all where ``TF_CONFIG`` names several processes.

    Raises:
        KerasnetsError: They are not there, or the backend is not TensorFlow.
    """
    rank, processes = _place(os.environ.get("TF_CONFIG", ""))
    count = _count(asked)
    if processes == 1 and count == 1:
        return Devices()
    if keras.backend.backend() != "tensorflow":
        raise KerasnetsError(
            f"several devices with the backend {keras.backend.backend()}: tensorflow "
            "is accepted"
        )
    from kerasnets.training.shim import check_keras

    check_keras()
    if processes > 1:
        return Devices(_across_processes(processes, count), rank, processes)
    return Devices(_across_devices(count))


def _count(asked: str | None) -> int | None:
    """How many devices of this machine; None for all."""
    if asked is None:
        return None if _place(os.environ.get("TF_CONFIG", ""))[1] > 1 else 1
    if asked == "all":
        return None
    if not asked.isdecimal() or not int(asked):
        raise KerasnetsError(f"devices {asked!r}: all or a number is accepted")
    return int(asked)


def _place(text: str) -> tuple[int, int]:
    """Rank and number of processes that ``TF_CONFIG`` names."""
    if not text.strip():
        return 0, 1
    try:
        config = json.loads(text)
        cluster = dict(config.get("cluster", {}))
        others = sorted(role for role in cluster if role not in _ROLES)
        if others:
            raise ValueError(f"the role {others[0]!r}; chief and worker are accepted")
        names = [
            (role, index)
            for role in _ROLES
            for index, _ in enumerate(cluster.get(role, []))
        ]
        if len(names) < 2:
            return 0, 1
        task = config["task"]["type"], int(config["task"]["index"])
        if task not in names:
            raise ValueError(f"the task {task[0]} {task[1]} is not in its cluster")
    except KeyError as error:
        raise KerasnetsError(f"TF_CONFIG has no {error}") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise KerasnetsError(f"TF_CONFIG cannot be used: {reason(error)}") from error
    return names.index(task), len(names)


def _across_devices(count: int | None) -> Any:
    """A strategy for devices of this machine; None for one."""
    import tensorflow as tf

    there = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices()
    names = [device.name for device in there]
    if count is not None and count > len(names):
        raise KerasnetsError(
            f"{count} devices: this machine has {len(names)} ({', '.join(names)})"
        )
    names = names[:count]
    return tf.distribute.MirroredStrategy(names) if len(names) > 1 else None


def _across_processes(processes: int, count: int | None) -> Any:
    """A strategy for the processes of ``TF_CONFIG``; it waits for all of them."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if count is not None and count > max(1, len(gpus)):
        raise KerasnetsError(
            f"{count} devices a process: this machine has {len(gpus)} GPUs"
        )
    try:
        if gpus:
            tf.config.set_visible_devices(gpus[:count], "GPU")
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (RuntimeError, ValueError, tf.errors.OpError) as error:
        raise KerasnetsError(
            f"the {processes} processes of TF_CONFIG do not come together: "
            f"{reason(error)}"
        ) from error


def sums_over_replicas(values: Sequence[Any]) -> Sequence[Any]:
    """Return the sums of tensors over all replicas, in each of them."""
    if _replicas_now() == 1:
        return values
    import tensorflow as tf

    tensors = [tf.convert_to_tensor(value) for value in values]
    sizes = [tf.size(tensor) for tensor in tensors]
    # as one: each costs a message
    flat = tf.concat([tf.reshape(tf.cast(x, "float64"), [-1]) for x in tensors], 0)
    sums = tf.split(tf.distribute.get_replica_context().all_reduce("SUM", flat), sizes)
    return [
        tf.cast(tf.reshape(total, tf.shape(like)), like.dtype)
        for total, like in zip(sums, tensors, strict=True)
    ]


def share_of_replica(value: Any) -> Any:
    """Return the part of a tensor whose sum over all replicas is their mean."""
    return value / _replicas_now() if _replicas_now() > 1 else value


def _replicas_now() -> int:
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


def copy_variables(source: keras.Model, target: keras.Model) -> None:
    """Set the variables of a model to those of one like it."""
    if source is not target:
        for ours, theirs in zip(target.variables, source.variables, strict=True):
            ours.assign(np.asarray(theirs))


def _parts(batch: Any, count: int) -> Any:
    """A batch as so many: (count, rows, ...)."""
    import tensorflow as tf

    def split(tensor):
        return tf.reshape(tensor, (count, -1, *tensor.shape[1:]))

    return tf.nest.map_structure(split, batch)


def _set(variables: Sequence[Any], values: Sequence[np.ndarray], raw: bytes) -> None:
    """Set variables to bytes of arrays like their values."""
    begin = 0
    for variable, like in zip(variables, values, strict=True):
        flat = np.frombuffer(raw[begin : begin + like.nbytes], like.dtype)
        variable.assign(flat.reshape(like.shape))
        begin += like.nbytes
