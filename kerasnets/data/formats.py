"""What a file is, by its first bytes."""

import functools

# Bytes at the head of a file that tell what it is.
HEAD = 64

# Kinds that are read, with Pillow's names for them. Pillow reads more, but some of it
# (EPS) by starting other programs.
READ = {
    "JPEG": "JPEG",
    "PNG": "PNG",
    "BMP": "BMP",
    "GIF": "GIF",
    "WebP": "WEBP",
    "HEIC": "HEIF",
    "AVIF": "AVIF",
}
VIDEO = "video"

_STARTS = {
    b"\xff\xd8\xff": "JPEG",  # an MPO, two pictures of a camera, is one too
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"II*\0": "TIFF",  # so are most raw files of cameras
    b"MM\0*": "TIFF",
    b"8BPS": "Photoshop",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\x1aE\xdf\xa3": VIDEO,  # Matroska, WebM
}
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIC_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}
# Sizes of the header behind that of a BMP file, whose own magic number is two letters.
_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}


def kind_of(head: bytes) -> str:
    """What a file is: a key of ``READ``, another kind of picture, "video" or "".

    Args:
        head: The first ``HEAD`` bytes of the file.
    """
    if head[4:8] == b"ftyp":
        return _kind_of_boxes(head)
    if head[:4] == b"RIFF":
        return {b"WEBP": "WebP", b"AVI ": VIDEO}.get(head[8:12], "")
    if head[:2] == b"BM":
        size = int.from_bytes(head[14:18], "little")
        return "BMP" if size in _BMP_HEADERS else ""
    return next((kind for start, kind in _STARTS.items() if head.startswith(start)), "")


def missing_reader(kind: str) -> str:
    """What reading a kind of ``READ`` needs that is not here; "" where it is read."""
    if kind == "HEIC" and not _has_heif():
        return "needs pip install 'kerasnets[heic]'"
    if kind == "AVIF" and not _has_avif():
        return "needs a Pillow that was built with AVIF"
    return ""


def kinds_read() -> str:
    """The kinds of pictures that are read here, for an error: "JPEG, PNG, ..."."""
    return ", ".join(kind for kind in READ if not missing_reader(kind))


def _kind_of_boxes(head: bytes) -> str:
    """The kind of a file of ISO's boxes: its major brand, then those it goes with."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[i : i + 4] for i in range(16, end, 4))]
    if brands[0] in _HEIC_BRANDS | _AVIF_BRANDS:
        return "AVIF" if _AVIF_BRANDS & set(brands) else "HEIC"
    return "camera raw" if brands[0] == b"crx " else VIDEO


@functools.cache
def _has_heif() -> bool:
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


@functools.cache
def _has_avif() -> bool:
    from PIL import features

    return bool(features.check("avif"))
