"""How is JSON written quickly? By an encoder in C that is prepared once instead of for each value."""

import json.encoder
from collections.abc import Callable
from json.encoder import JSONEncoder, encode_basestring, encode_basestring_ascii
from typing import Any


def writer(encoder: JSONEncoder) -> Callable[[Any], str]:
    """Return what writes values as ``encoder.encode`` does.

    ``encode`` prepares the encoder in C anew for each value, which takes longer than to use it.
    Values that contain themselves end in ``RecursionError``.
    """
    kind = type(encoder)
    prepare = getattr(json.encoder, "c_make_encoder", None)
    standard = (kind.encode, kind.iterencode) == (JSONEncoder.encode, JSONEncoder.iterencode)
    if prepare is None or not standard or encoder.indent is not None:
        return encoder.encode
    chunks = prepare(
        None,  # looks for no circles
        encoder.default,
        encode_basestring_ascii if encoder.ensure_ascii else encode_basestring,
        None,
        encoder.key_separator,
        encoder.item_separator,
        encoder.sort_keys,
        encoder.skipkeys,
        encoder.allow_nan,
    )
    return lambda value: "".join(chunks(value, 0))
