"""A search in several processes: Keras Tuner's chief names the trials, workers do them.

What is trained lies in the folder of the run, which all see; over the wire go names of
candidates and scores. Keras Tuner's own chief never ends when a worker dies within a
trial: here a worker tells that it is alive by a file, and the trial of one that is
silent goes to another. The port is unauthenticated.
"""

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import keras_tuner

from kerasnets.errors import KerasnetsError
from kerasnets.files import write_text
from kerasnets.progress import Progress, silent
from kerasnets.tuning.oracles import DIGEST, SCORE, keras_tuner_told, make_oracle
from kerasnets.tuning.space import Candidate, Objective
from kerasnets.tuning.trials import (
    Evaluate,
    Trial,
    kept_trial,
    progress_note,
    ranked,
    score,
    tried,
)

# whose protocol this speaks, and whose chief it puts right
_KERAS_TUNER = ("1.4",)
# seconds between two looks, and two signs of life
_LOOK, _BEAT = 0.5, 2.0
# folder of Keras Tuner's own state
_STATE = "keras_tuner"
# seconds that workers have to hear that all is done
_GOODBYE = 10.0


@dataclass(frozen=True)
class Address:
    """Where a chief listens.

    Attributes:
        host: Name or number.
        port: From 1 to 65535.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Return the address that is written "HOST:PORT".

    Raises:
        KerasnetsError: It is none.
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise KerasnetsError(f"{text!r} is no address: HOST:PORT is accepted")
    return Address(host, int(port))


def serve(
    candidates: Sequence[Candidate],
    folder: Path,
    address: Address,
    *,
    oracle: str,
    trials: int,
    seed: int,
    objective: Objective = "accuracy",
    settings: dict | None = None,
    silence: float = 60.0,
    watch: Callable[[], None] = lambda: None,
    say: Callable[[str], None] = lambda _: None,
    progress: Progress = silent,
) -> list[Trial]:
    """Have workers try up to ``trials`` candidates; return them, the best first.

    Trials that are kept in the folder are not done again, so a chief that is killed
    goes on where it was, with the workers that wait for it.

    Args:
        candidates: As for ``search``.
        folder: As for ``search``; all workers see it.
        address: Where to listen.
        oracle: As for ``search``.
        trials: As for ``search``.
        seed: As for ``search``.
        objective: As for ``search``.
        settings: As for ``search``.
        silence: Seconds without a sign of life of a worker after which its trial is
            another's.
        watch: Called every half second; what it raises ends the search.
        say: Told in words what a person should know: that a trial was given up.
        progress: Told after each trial.

    Raises:
        KerasnetsError: Nothing can listen there, another chief does for instance.
    """
    _check_keras_tuner()
    from keras_tuner.src import protos
    from keras_tuner.src.distribute.oracle_chief import OracleServicer

    # what it knew before stands in the results of the trials
    shutil.rmtree(folder / _STATE, ignore_errors=True)
    chosen: Any = make_oracle(oracle, candidates, trials, seed, objective)
    chosen._set_project_dir(str(folder), _STATE)
    chosen.verbose = 0
    results = _Results(chosen, candidates, folder, settings)
    heard = _Signs(folder, silence)
    server = grpc.server(
        # one at a time; and no second chief may listen at the same port
        ThreadPoolExecutor(1),
        options=[("grpc.so_reuseport", 0)],
    )
    protos.get_service_grpc().add_OracleServicer_to_server(
        OracleServicer(chosen), server
    )
    _listen(server, address)
    try:
        while len(results.trials) < chosen.limit:
            time.sleep(_LOOK)
            watch()
            for name in heard.silent(list(chosen.ongoing_trials)):
                given_up = chosen.give_up(name)
                if given_up is not None:
                    say(
                        f"{name} has been silent for {silence:g} s: "
                        f"{results.candidates[given_up]} is for another worker"
                    )
            if results.look(silence):
                trials_now = list(results.trials.values())
                progress(len(trials_now), chosen.limit, progress_note(trials_now))
        _say_goodbye(chosen)
    finally:
        server.stop(grace=1.0).wait()
    return ranked(list(results.trials.values()), objective)


def _check_keras_tuner() -> None:
    version = keras_tuner.__version__
    if not version.startswith(_KERAS_TUNER):
        raise KerasnetsError(
            f"searches in several processes were tested with keras-tuner "
            f"{' and '.join(_KERAS_TUNER)}, here is {version}"
        )


def _listen(server: Any, address: Address) -> None:
    try:
        bound = server.add_insecure_port(str(address))
    except RuntimeError:
        bound = 0
    if not bound:
        raise KerasnetsError(
            f"nothing can listen at {address}: another chief does, or it is no address "
            "of this machine"
        )
    server.start()


class _Results:
    """The results of the trials that have ended, as workers leave them in the folder.

    Attributes:
        candidates: By their digests.
        trials: Likewise, in the order in which they ended.
    """

    def __init__(
        self,
        oracle: Any,
        candidates: Sequence[Candidate],
        folder: Path,
        settings: dict | None,
    ):
        self._oracle, self._folder, self._settings = oracle, folder, settings
        self.candidates = {each.digest: each for each in candidates}
        self.trials: dict[str, Trial] = {}
        self._missing: dict[str, float] = {}

    def look(self, patience: float) -> bool:
        """Read what is new; whether anything is.

        Raises:
            KerasnetsError: What a worker wrote is not here, for so many seconds.
        """
        before = len(self.trials)
        for number in list(self._oracle.end_order):
            digest = self._oracle.trials[number].hyperparameters.values[DIGEST]
            if digest in self.trials:
                continue
            kept = kept_trial(self.candidates[digest], self._folder, self._settings)
            if kept is not None:
                self.trials[digest] = kept
                continue
            # folders of a network may be late
            since = self._missing.setdefault(digest, time.monotonic())
            if time.monotonic() - since > patience:
                raise KerasnetsError(
                    f"a worker has done {self.candidates[digest]}, and its result is "
                    f"not in {self._folder}: do all processes see that folder?"
                )
        return len(self.trials) > before


def _say_goodbye(oracle: Any) -> None:
    """Wait until all workers have asked once more, and heard that all is done."""
    until = time.monotonic() + _GOODBYE
    while oracle.tuner_ids and time.monotonic() < until:
        time.sleep(_LOOK)


class _Signs:
    """Signs of life of workers; what counts is that they change, not their clocks."""

    def __init__(self, folder: Path, silence: float):
        self._folder, self._silence = folder, silence
        self._seen: dict[str, tuple[str, float]] = {}

    def silent(self, names: Sequence[str]) -> list[str]:
        """Return those of whom nothing was heard for too long."""
        now = time.monotonic()
        for name in names:
            sign = _read(_sign_of(self._folder, name))
            if name not in self._seen or self._seen[name][0] != sign:
                self._seen[name] = sign, now
        gone = [x for x in names if now - self._seen[x][1] > self._silence]
        for name in gone:
            del self._seen[name]
        return gone


def _sign_of(folder: Path, name: str) -> Path:
    return folder / "workers" / name


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError:
        return ""


@contextlib.contextmanager
def alive(folder: Path, name: str) -> Iterator[None]:
    """Give signs of life of a worker, inside."""
    path, ended = _sign_of(folder, name), threading.Event()
    path.parent.mkdir(parents=True, exist_ok=True)

    def beat() -> None:
        number = 0
        while not ended.wait(_BEAT):
            number += 1
            # a full disk is told by what matters more
            with contextlib.suppress(OSError):
                write_text(path, f"{os.getpid()} {number}")

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def work(
    candidates: Sequence[Candidate],
    evaluate: Evaluate,
    folder: Path,
    address: Address,
    name: str,
    *,
    objective: Objective = "accuracy",
    settings: dict | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> int:
    """Do the trials that a chief names, until it says that all is done.

    A chief that ends is waited for; it comes back at the same address.

    Args:
        candidates: As of the chief.
        evaluate: As for ``search``.
        folder: As of the chief.
        address: Where the chief listens.
        name: Of this worker: another one's is another's. One that is started again
            under its name goes on with its trial.
        objective: As of the chief.
        settings: As of the chief.
        say: Told each trial in words.

    Returns:
        How many trials it did.

    Raises:
        KerasnetsError: The chief ends, and does not come back within an hour.
    """
    _check_keras_tuner()
    from keras_tuner.src.distribute.oracle_client import OracleClient

    values = name, address.host, str(address.port)
    with keras_tuner_told(*values):
        client = OracleClient(make_oracle("grid", candidates, 1, 0, objective))
    by_digest = {each.digest: each for each in candidates}
    done = 0
    with alive(folder, name):
        while True:
            try:
                trial = client.create_trial(name)
            except grpc.RpcError as error:  # which comes after an hour
                raise KerasnetsError(
                    f"the chief at {address} ended, and has not come back"
                ) from error
            if trial.status == "STOPPED":
                return done
            if trial.status == "IDLE":
                time.sleep(_LOOK)
                continue
            candidate = by_digest[trial.hyperparameters.values[DIGEST]]
            found = kept_trial(candidate, folder, settings)
            if found is None:
                found = tried(candidate, evaluate, folder, settings)
                say(f"{candidate}: {found.failure or f'{found.val_accuracy:.1%}'}")
                done += 1
            # a chief that was started again does not know it: it will ask for it
            with contextlib.suppress(grpc.RpcError):
                _tell(client, trial, score(found, objective))


def _tell(client: Any, trial: Any, value: float) -> None:
    """Tell the chief what a trial came to, if it is still the one that it named."""
    known = client.get_trial(trial.trial_id).hyperparameters.values
    if known[DIGEST] != trial.hyperparameters.values[DIGEST]:
        return
    client.update_trial(trial.trial_id, {SCORE: value})
    trial.status = "COMPLETED"
    client.end_trial(trial)


def wait_for_chief(address: Address, seconds: float) -> None:
    """Wait until a chief listens.

    Raises:
        KerasnetsError: None does within so many seconds.
    """
    with grpc.insecure_channel(str(address)) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=seconds)
        except grpc.FutureTimeoutError as error:
            raise KerasnetsError(
                f"no chief at {address} within {seconds:g} s: is it running, and can "
                "this machine reach that port?"
            ) from error
