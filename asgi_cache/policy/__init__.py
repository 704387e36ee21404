"""What RFC 9111 says, and nothing else: no I/O, no clock; ``now`` is always an argument.

The modules follow the RFC's own chapters. ``storing`` decides what may be kept, ``keeping``
makes the record that is kept, ``reuse`` decides what may be served, and ``validation``,
``ranges`` and ``invalidation`` do the rest.
"""
