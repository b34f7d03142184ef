"""Training curves as nobody kept them on purpose."""

DAMAGED = {
    "half written": b'[{"step":1,"loss":9.0,"elapsed_s":1.0},{"step":2,"lo',
    "not JSON": b"no json",
    "not text": b"\xff\xfe",
    "a point without a loss": b'[{"step":1}]',
    "no list": b'{"a":1}',
    "gone": "0" * 64,
    "no name of a blob": "../curve",
}
"""What a curve's blob holds instead, or what stands in a result in place of its name."""
ABSURD = b"""[{"step":1,"loss":9.0,"elapsed_s":1.0},{"step":2,"loss":NaN,"elapsed_s":2.0},
{"step":3,"loss":8.0,"elapsed_s":1e300},{"step":4,"loss":-Infinity,"elapsed_s":4.0},
{"step":99999999999999999999999,"loss":8.0,"elapsed_s":5.0}]"""
"""A curve whose first point alone can be drawn."""
