"""Write docs/networks.md: the prose below and the tables of the zoo.

From the project's folder: python docs/networks.py
"""

import inspect
import itertools
from collections.abc import Iterator
from pathlib import Path

from kerasnets import applications, units
from kerasnets.analysis import zoo
from kerasnets.applications.builder import Builder
from kerasnets.applications.signature import DEFAULTS

PAGE = Path(__file__).with_suffix(".md")

HEAD = """\
# The networks

<!-- written by docs/networks.py from kerasnets/applications/figures.csv -->

```python
import kerasnets

model = kerasnets.applications.MobileNet(alpha=0.5, classes=10)
model = kerasnets.applications.build("resnet50", stochastic_depth=0.1)
```

After `input_shape`, arguments are given by name. All builders take `include_top`,
`weights`, `input_tensor`, `pooling`, `classes`, `classifier_activation` and `name`, as
those of keras.applications do; but `weights` is `None` when it is not given. What a
builder takes beside them stands above its table.
`help(kerasnets.applications.ResNet50)` explains every argument, and each family's file
says where the code departs from the paper, and where a paper's figures contradict its
own tables.

Parameters (batch-norm statistics included) and multiply-adds (of convolutions and dense
layers) are exact, and tests hold the built networks against them. "Printed" is what
papers say. `kerasnets list` prints the same, chosen and in order (`--family resnet
--sort madds`, `--json`); `kerasnets summary mobilenet --alpha 0.5` shows a network
layer by layer, `kerasnets plot googlenet` draws it block by block.

## Weights

`weights="imagenet"` takes those of keras.applications, `"timm:resnet18.a1_in1k"` a
model of the Hugging Face hub (`pip install 'kerasnets[pretrained]'`); or it is the path
of a `.keras`, `.weights.h5`, `.safetensors` or `.pth` file, or of an `.h5` file as
keras.applications fetches it. The column "elsewhere" says which networks other
libraries have: with their weights the outputs are theirs.

The files of keras.applications go with images of any side:
`MobileNet((96, 96, 3), alpha=0.25, weights="mobilenet_2_5_128_tf.h5")`.
`kerasnets list --pretrained` shows those that are cached, and
`kerasnets.pretrained.imagenet_files("mobilenet")` lists all with where they belong.

For images of other channels the first kernel is summed (grey) or repeated and rescaled
(four and more); classifiers for other classes start anew. One warning,
`kerasnets.errors.KerasnetsWarning`, says what did not fit.

Each network knows what its pixels must look like:

```python
model = kerasnets.applications.VGG16(weights="imagenet")
prepare = kerasnets.applications.preprocessing(model)  # here BGR minus the mean
scores = model.predict(prepare(pixels))  # RGB, 0 to 255
anywhere = kerasnets.applications.to_fully_convolutional(model)  # images of any size
```

## Auxiliary classifiers, and a class for every pixel

Auxiliary classifiers (`GoogLeNet(auxiliary=True)`, `InceptionV3(auxiliary=True)`,
`DSN(auxiliary=True)`) are further outputs; `kerasnets.training.train` gives their
losses weight 0.3, evaluation and export leave them out, and
`applications.without_auxiliary(model)` drops them.

`unet_with_encoder` makes a network that classifies pixels of any classifier whose maps
halve from stage to stage, with its weights:

```python
encoder = kerasnets.applications.MobileNet((224, 224, 3), include_top=False)
segmenter = kerasnets.applications.unet_with_encoder(encoder, classes=3)
```
"""

COLUMNS = (
    *("network", "parameters", "multiply-adds", "printed", "top-1", "top-5"),
    *("protocol", "elsewhere"),
)


def page() -> str:
    """Return the whole page."""
    builders = applications.BUILDERS.values()
    families = itertools.groupby(builders, key=lambda b: b.network.family)
    return HEAD + "".join(
        f"\n## {family}\n\n{_family(list(members))}" for family, members in families
    )


def _family(builders: list[Builder]) -> str:
    sources = dict.fromkeys(builder.network.source for builder in builders)
    own = dict.fromkeys(itertools.chain.from_iterable(map(_own, builders)))
    takes = ", ".join(f"`{argument}`" for argument in own)
    rows = [COLUMNS, ("---",) * len(COLUMNS), *map(_row, builders)]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    given = f"Own arguments: {takes}.\n" if own else ""
    return f"{'; '.join(sources)}.\n{given}\n{table}"


def _own(builder: Builder) -> Iterator[str]:
    for parameter in inspect.signature(builder).parameters.values():
        if parameter.name not in ("input_shape", *DEFAULTS):
            yield f"{parameter.name}={parameter.default!r}"


def _row(builder: Builder) -> tuple[str, ...]:
    network, published = builder.network, builder.network.published
    printed = [
        f"{units.format_count(round(count))} {what}"
        for what, count in (("params", published.params), ("madds", published.madds))
        if count is not None
    ]
    elsewhere = network.figures.elsewhere.items()
    return (
        network.name,
        f"{network.params:,}",
        f"{network.madds:,}",
        ", ".join(printed),
        "" if published.top1 is None else f"{published.top1:g} %",
        "" if published.top5 is None else f"{published.top5:g} %",
        zoo.provenance(network),
        ", ".join(f"{library} {name}" for library, name in elsewhere),
    )


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
