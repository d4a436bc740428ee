"""Another language reads our samples and we read its: run by ./check.

`python.py write` makes python.msgpack anew; without arguments it checks that
rust.msgpack, which the test in codec.rs writes byte for byte, reads back as
the same sample."""

import pathlib
import sys

import msgpack

HERE = pathlib.Path(__file__).parent
SAMPLE = {
    "v": 1, "up": 123456789, "down": 9876543210, "dt": 5000, "ts": 1795436400123,
    "agent": "b2c4", "seq": 42, "boot": "7f1e",
    "up_total": 1000000000000, "down_total": 2000000000000, "cap": 125000000,
    "cpu": 12.5, "mem": 50.25, "gap": True,
    "ifs": [{"name": "eth0", "role": "physical", "up": 123456789, "down": 9876543210,
             "up_total": 1000000000000, "down_total": 2000000000000, "counted": True}],
}

if sys.argv[1:] == ["write"]:
    (HERE / "python.msgpack").write_bytes(msgpack.packb(SAMPLE))
else:
    read = msgpack.unpackb((HERE / "rust.msgpack").read_bytes())
    assert read == SAMPLE, read
    print("python reads what rust writes")
