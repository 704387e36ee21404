"""What RFC 9111 says, and nothing else: no I/O, no clock; ``now`` is always an argument.

The modules follow the RFC's own chapters. ``storing`` decides what may be kept,
``reuse`` what may be served, ``validation``, ``ranges`` and ``invalidation`` the rest.
"""
