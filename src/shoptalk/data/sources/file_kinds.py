"""Detection of formats that cannot be read, by the first bytes of a file, with a hint for each."""

import json
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_AS_CSV = "save the table as CSV (UTF-8) and name that file"
_WITH_PANDAS = "write it again, for example in Python with: DataFrame.to_parquet(FILE)"

#: First bytes, name of the format, description, hint.
_SIGNATURES = (
    (b"PAR1", "parquet", "a Parquet file", 'only data.source = "table" reads Parquet, and only without gzip or zstd'),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "xls", "an old Office file, such as an Excel workbook (xls)", _AS_CSV),
    (b"%PDF-", "pdf", "a PDF document", _AS_CSV),
    (b"BZh", "bzip2", "compressed with bzip2", "decompress it with bunzip2, or compress it with gzip or zstd"),
    (b"\xfd7zXZ\x00", "xz", "compressed with xz", "decompress it with unxz, or compress it with gzip or zstd"),
    (b"7z\xbc\xaf\x27\x1c", "7z", "a 7z archive", "unpack it and name the file inside"),
    (b"Rar!", "rar", "a RAR archive", "unpack it and name the file inside"),
    (b"\x1f\x8b", "gzip", "compressed twice", "decompress it once"),
    (b"\x28\xb5\x2f\xfd", "zstd", "compressed twice", "decompress it once"),
    (b"SQLite format 3\x00", "sqlite", "an SQLite database", "export the table as CSV and name that file"),
    (b"\x89HDF\r\n", "hdf5", "an HDF5 file", _WITH_PANDAS),
    (b"ARROW1", "arrow", "an Arrow (Feather) file", _WITH_PANDAS),
    (b"\xff\xff\xff\xff", "arrow", "an Arrow stream", _WITH_PANDAS),
    (b"ORC", "orc", "an ORC file", _WITH_PANDAS),
    (b"Obj\x01", "avro", "an Avro file", _WITH_PANDAS),
    (b"\x93NUMPY", "numpy", "a NumPy array", _WITH_PANDAS),
    (b"\x80\x02", "pickle", "a Python pickle", "pickles are never read, because they run code; " + _WITH_PANDAS),
    (b"\x80\x03", "pickle", "a Python pickle", "pickles are never read, because they run code; " + _WITH_PANDAS),
    (b"\x80\x04", "pickle", "a Python pickle", "pickles are never read, because they run code; " + _WITH_PANDAS),
    (b"\x80\x05", "pickle", "a Python pickle", "pickles are never read, because they run code; " + _WITH_PANDAS),
    (b"version https://git-lfs", "lfs", "a pointer of Git LFS and not the file itself", "fetch it with: git lfs pull"),
)
_MARKUP = re.compile(rb"<(!doctype|html|head|body|\?xml|table)\b", re.IGNORECASE)
_ARRAY = re.compile(r"\[\s*[{\[\]]")


@dataclass(frozen=True)
class FileKind:
    """A format that cannot be read as it is: its name, the message for the user, and a hint."""

    name: str
    message: str
    hint: str


def kind_of(head: bytes, path: Path) -> FileKind | None:
    """The format of a file by its first (decompressed) bytes, or None where it may be lines of text."""
    for signature, name, description, hint in _SIGNATURES:
        if head.startswith(signature):
            return FileKind(name, f"is {description}", hint)
    if head.startswith(b"PK\x03\x04"):
        return _zip_kind(path)
    if head[257:262] == b"ustar":
        return FileKind("tar", "is a tar archive", "unpack it and name the file inside")
    text = head.removeprefix(_BYTE_ORDER_MARK).lstrip()
    if _MARKUP.match(text):
        return FileKind("markup", "is a web page or XML", "download the data itself: this may be a page about it")
    return _json_kind(text.decode("utf-8", errors="replace"))


def _zip_kind(path: Path) -> FileKind:
    """The format of a zip archive, by the names inside."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        names = []
    if any(name.startswith("xl/") for name in names):
        return FileKind("xlsx", "is an Excel workbook (xlsx), whatever its name says", _AS_CSV)
    if "content.xml" in names:
        return FileKind("ods", "is an OpenDocument file, whatever its name says", _AS_CSV)
    inside = f" with {', '.join(names[:3])}" if names else ""
    return FileKind("zip", f"is a zip archive{inside}", "unpack it and name the file inside")


def _json_kind(text: str) -> FileKind | None:
    """The format of JSON that is not one object per line: an array, lists, or objects over several lines."""
    if _ARRAY.match(text):
        return FileKind(
            "json array",
            "is a JSON array, and one JSON object per line is expected",
            "make JSON lines of it, for example with: jq -c '.[]' OLD > NEW",
        )
    if not text.startswith(("{", "[")):
        return None
    first_line = text.partition("\n")[0].strip()
    try:
        value = json.loads(first_line)
    except (ValueError, RecursionError):
        return _indented_json_kind(text, first_line)
    if isinstance(value, list):
        return FileKind(
            "json lists",
            "has a JSON list in its first line, and one JSON object per line is expected",
            "name every value, for example with: jq -c '{user_id: .[0], item_id: .[1], timestamp: .[2]}' OLD > NEW",
        )
    return None


def _indented_json_kind(text: str, first_line: str) -> FileKind | None:
    """Indented JSON, whose first line is not JSON; None for other text."""
    try:
        value, end = json.JSONDecoder().raw_decode(text)
        indented = isinstance(value, dict) and "\n" in text[:end]
    except (ValueError, RecursionError):  # an object longer than the text, or not JSON
        indented = first_line == "{"
    if not indented:
        return None
    return FileKind(
        "indented json",
        "has JSON that goes over several lines, and one JSON object per line is expected",
        "make JSON lines of it, for example with: jq -c . OLD > NEW (of a list inside an object: jq -c '.name[]')",
    )
