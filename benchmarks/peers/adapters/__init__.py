"""One module for each peer: how its documentation says it is used, and its options.

Each has a docstring that says how the peer was set up, a function ``build`` that puts a handler
behind it, and ``OPTIONS``: for which probes the peer has something beyond that, documented or
plainly public, and its name. Such a probe is made twice, without and with. ``NOT_APPLICABLE``
says of a probe why it is not made at all. The option may also be a store other than the first
that `candidates` names; its URL is in ``REDIS_URL``.
"""
