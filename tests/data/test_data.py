import subprocess
import sys


def test_decoding_an_image_imports_neither_tensorflow_nor_tfds():
    code = (
        "import sys; from kerasnets.data import decode_image, open_source, prepare; "
        "print([m for m in sys.modules if m.startswith(('tensorflow', 'keras.'))])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout == "[]\n"
