"""The command line: each command parses, calls one function and prints.

``app`` holds what all commands share, ``options`` the options of several, the others a
group of commands each.
"""

from kerasnets.cli import comparing, files, judging, learning, phone, tuning, zoo
from kerasnets.cli.app import application, main

__all__ = ["main"]

# in the order of the help
for _name, _command in {
    "phone": phone.phone,
    "predict": files.predict,
    "list": zoo.list_networks,
    "summary": zoo.summary,
    "plot": zoo.plot,
    "train": learning.train,
    "distill": learning.distill,
    "compare": comparing.compare,
    "finetune": learning.finetune,
    "grow": learning.grow,
    "tune": tuning.tune,
    "neighbours": learning.neighbours,
    "evaluate": judging.evaluate,
    "compress": files.compress,
    "export": files.export,
    "verify": files.verify,
    "bench": files.bench,
}.items():
    application.command(_name)(_command)
