"""The walks over Keras's graph, and Keras's private attributes behind them."""

import ast
import gc
import sys
from pathlib import Path

import keras
import pytest
from keras import layers, ops
from keras.src.saving import saving_lib, serialization_lib

import kerasnets
from kerasnets import graph
from kerasnets.errors import KerasnetsError

PACKAGE = Path(kerasnets.__file__).parent
# the only ones that touch what Keras keeps to itself
HOMES = {"graph.py", "saving.py", "training/shim.py"}
# what LiteRT's interpreter keeps to itself: operators, signatures, a tensor
LITERT = ("_get_ops_details", "_get_full_signature_list", "_get_tensor_details")


def network():
    """Two branches of one shared convolution, a sum and a nested model."""
    image = keras.Input((6, 6, 3), name="image")
    shared = layers.Conv2D(4, 3, padding="same", name="shared")
    left = shared(image)
    right = shared(layers.Rescaling(0.5, name="halved")(image))
    x = layers.Add(name="sum")([left, right])
    inner_image = keras.Input((6, 6, 4), name="inner_image")
    inner = keras.Model(
        inner_image, layers.ReLU(name="relu")(inner_image * 2.0), name="inner"
    )
    return keras.Model(image, ops.mean(inner(x), axis=(1, 2)), name="outer")


def test_calls_come_in_running_order():
    model = network()
    listed = graph.calls(model)
    names = [call.operation.name for call in listed]
    assert names[0] == "image"
    assert names.count("shared") == 2
    assert names.index("halved") < names.index("sum") < names.index("inner")
    made = set()
    for call in listed:
        assert {id(tensor) for tensor in call.inputs} <= made
        made |= {id(tensor) for tensor in call.outputs}
    assert {id(tensor) for tensor in model.outputs} <= made
    mean = listed[-1]
    assert [tuple(x.shape) for x in mean.inputs] == [(None, 6, 6, 4)]
    assert mean.operation.axis == (1, 2)


def test_consumers_are_those_that_read_a_tensor():
    model = network()
    names = [call.operation.name for call in graph.consumers(model, model.inputs[0])]
    assert sorted(names) == ["halved", "shared"]
    assert not graph.consumers(model, model.outputs[0])


def test_arguments_stand_with_the_call():
    image = keras.Input((4,))
    model = keras.Model(image, (image * 2.0 + 1.0) @ keras.ops.ones((4, 2)))
    (times,) = graph.consumers(model, model.inputs[0])
    assert times.args[0] is model.inputs[0]
    assert times.args[1] == 2.0
    (plus,) = graph.consumers(model, times.outputs[0])
    assert plus.args == (times.outputs[0], 1.0)


def test_maker_is_one_step_back():
    image = keras.Input((4, 6))
    parts = ops.split(image, 2, axis=-1)
    last = graph.maker(parts[1])
    assert graph.output_index(parts[1]) == 1
    assert last.inputs == (image,)
    assert last.outputs[1] is parts[1]
    assert graph.maker(image).inputs == ()


def test_a_sequential_model_has_a_graph_once_it_is_built():
    model = keras.Sequential([layers.Dense(2, name="dense")])
    assert graph.graph_of(model) is None
    with pytest.raises(KerasnetsError, match="not a functional model"):
        graph.calls(model)
    model.build((None, 3))
    assert [call.operation.name for call in graph.calls(model)][-1] == "dense"


def test_all_layers_are_those_inside_layers_too():
    image = keras.Input((5, 3))
    wrapped = layers.TimeDistributed(layers.Dense(2, name="dense"), name="each")
    model = keras.Model(image, wrapped(image))
    names = {layer.name for layer in graph.all_layers(model)}
    assert {"each", "dense"} <= names
    assert set(graph.leaf_layers(model)) == {"each"}


def replayed(model, value, **options):
    """The outputs, and (path, mode) of each call."""
    seen = []

    def call(operation, path, args, kwargs, training):
        seen.append(("/".join(path), training, kwargs))
        return operation(*args, **kwargs)

    return graph.replay(model, value, call, **options), seen


def test_replay_computes_what_the_model_computes():
    model = network()
    value = keras.random.uniform((2, 6, 6, 3), seed=1)
    outputs, seen = replayed(model, value)
    assert ops.max(ops.abs(outputs - model(value))) == 0
    paths = [path for path, *_ in seen]
    assert paths.count("shared") == 2
    assert "inner/relu" in paths


def test_replay_hands_down_the_mode_of_the_outermost_model():
    def wrap(inner, name, **mode):
        image = keras.Input((4,))
        return keras.Model(image, inner(image, **mode), name=name)

    drop = wrap(layers.Dropout(0.5, name="drop"), "a")
    frozen = wrap(wrap(drop, "b", training=True), "c")
    twice = wrap(wrap(drop, "b", training=True), "c", training=False)
    value = ops.ones((2, 4))
    assert [mode for _, mode, _ in replayed(frozen, value)[1]] == [True]
    # as Keras has it: a mode said outside holds inside
    for model, asked in ((twice, None), (frozen, False)):
        outer = keras.Model(*_call_in_mode(model, asked))
        _, seen = replayed(outer, value)
        assert [mode for _, mode, _ in seen] == [False]
        assert ops.max(ops.abs(outer(value) - value)) == 0


def _call_in_mode(model, mode):
    image = keras.Input((4,))
    return image, model(image, **({} if mode is None else {"training": mode}))


def test_replay_takes_inputs_by_name():
    ends = [keras.Input((3,), name=name) for name in ("a", "b")]
    inner = keras.Model(ends, layers.Subtract()(ends), name="inner")
    given = {name: keras.Input((3,), name=name) for name in ("b", "a")}
    model = keras.Model(given, inner(given))
    value = {"a": ops.full((1, 3), 5.0), "b": ops.full((1, 3), 2.0)}
    outputs, _ = replayed(model, value)
    assert ops.all(outputs == 3.0)


def test_settings_of_the_process_come_back():
    limit, enabled = sys.getrecursionlimit(), gc.isenabled()
    with graph.deep_graphs(), graph.gc_paused():
        assert sys.getrecursionlimit() >= 50_000
        assert not gc.isenabled()
    assert (sys.getrecursionlimit(), gc.isenabled()) == (limit, enabled)


# what Keras keeps to itself, each with what we take it for


def test_keras_history_leads_to_the_operation_and_its_call():
    image = keras.Input((4,), name="image")
    dense = layers.Dense(2)
    first, second = dense(image), dense(image * 1.0)
    history = second._keras_history
    assert history.operation is dense
    assert (history.node_index, history.tensor_index) == (1, 0)
    assert [node.output_tensors for node in dense._inbound_nodes] == [[first], [second]]
    assert image._keras_history.operation.name == "image"


def test_nodes_by_depth_begin_at_the_inputs():
    depths = network()._nodes_by_depth
    first, *_, last = sorted(depths, reverse=True)
    assert [node.is_input for node in depths[first]] == [True]
    (node,) = depths[last]
    assert node.operation.axis == (1, 2)
    assert len(node.input_tensors) == 1
    shown = node.arguments
    assert (*shown.args, *shown.kwargs.values())[0] is node.input_tensors[0]
    filled, _ = shown.fill_in({id(node.input_tensors[0]): "x"})
    assert filled[0] == "x"


def test_run_through_graph_calls_what_it_is_given():
    model = network()
    names = []

    def stand_in(operation):
        names.append(operation.name)
        return operation

    value = ops.ones((1, 6, 6, 3))
    outputs = model._run_through_graph(value, operation_fn=stand_in)
    assert ops.max(ops.abs(outputs - model(value))) == 0
    assert names.count("shared") == 2
    assert "image" not in names


def test_functional_is_the_graph_of_a_built_sequential():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    assert isinstance(model._functional, keras.Function)
    assert keras.Sequential([layers.Dense(2)])._functional is None


def test_flatten_layers_are_all_below():
    model = network()
    names = [layer.name for layer in model._flatten_layers(include_self=False)]
    assert {"shared", "inner", "relu"} <= set(names)
    assert "outer" not in names
    assert "outer" in [x.name for x in model._flatten_layers()]


def test_layers_are_what_a_layer_is_made_of():
    dense = layers.Dense(2)
    assert layers.TimeDistributed(dense)._layers == [dense]
    assert dense._layers == []


def test_call_has_training_arg_tells_who_takes_the_mode():
    assert layers.Dropout(0.5)._call_has_training_arg
    assert not layers.Flatten()._call_has_training_arg


def test_saving_reads_an_open_file_in_safe_mode(tmp_path):
    assert callable(saving_lib.load_model)
    with serialization_lib.SafeModeScope(True):
        assert serialization_lib.in_safe_mode() is True


def private_names():
    """What Keras's objects of a graph keep to themselves."""
    model = network()
    sequential = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    dense = sequential.layers[0]
    (node,) = dense._inbound_nodes
    known = (
        model,
        sequential,
        dense,
        node,
        dense.kernel,
        dense.output,
        keras.Operation,
    )
    names = {name for one in known for name in dir(one)}
    return {name for name in names if name[0] == "_" and name[:2] != "__"}


def touched(path):
    """Private attributes of others than ``self``, and imports of Keras's inside."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Attribute):
            if not (isinstance(node.value, ast.Name) and node.value.id == "self"):
                yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value  # of getattr
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield "keras.src" if node.module.startswith("keras.src") else ""
        elif isinstance(node, ast.Import):
            yield from (
                "keras.src" for x in node.names if x.name.startswith("keras.src")
            )


def test_keras_has_three_confidants():
    private = private_names() | {"keras.src"}
    assert {"_keras_history", "_inbound_nodes", "_nodes_by_depth"} <= private
    found = {
        (str(path.relative_to(PACKAGE)), name)
        for path in sorted(PACKAGE.rglob("*.py"))
        if str(path.relative_to(PACKAGE)) not in HOMES and "tf_keras" not in names(path)
        for name in touched(path)
        if name in private
    }
    assert not found
    assert all(set(touched(PACKAGE / home)) & private for home in HOMES)


def test_litert_has_one_confidant():
    found = {
        str(path.relative_to(PACKAGE))
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in LITERT
    }
    assert found == {"export/runtime/interpreter.py"}


def test_litert_s_interpreter_has_these_names():
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    for name in LITERT:
        assert callable(getattr(interpreter.Interpreter, name))


def names(path):
    """The libraries that a file imports: private names of tf_keras are no Keras's."""
    return {
        alias.name
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Import)
        for alias in node.names
    }
