"""Live protocols: how bytes on a wire become whole frames, frames become rows, and devices get their answers.

What is recorded of a live protocol is what came: a delivery is an Arrow stream of frames (``frames.FRAMES``), decoded by
the format of the protocol's name, whether it came over a socket a second ago or lies in a file since years.
"""
