"""How Schemathesis writes a body that is MessagePack."""

import msgpack
import schemathesis


@schemathesis.serializer("application/msgpack")
def to_msgpack(_context, value):
    return value if isinstance(value, bytes) else msgpack.packb(value, default=str)
