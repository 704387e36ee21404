"""Every error this package raises.

::

    CacheError
    ├── ConfigurationError      a setting is wrong; raised at start-up
    ├── LeftBehind              a response broke off, and so must the connection
    ├── UnsupportedValue        a value is of a type that nobody said how to store
    └── StoreError
        ├── StoreUnavailable            the store did not do what it was asked in time
        │   ├── CircuitOpen             it was not even asked, as it had not answered before
        │   ├── StoreTimeout            it did not answer within its deadline
        │   ├── StoreRefused            it answered that it will not
        │   ├── BacklogFull             as many writes wait to be persisted as may
        │   └── PurgeNotAcknowledged    other processes do not know of a purge yet
        └── CorruptRecord               the store answered with something that is not ours
            └── Forged                  it was not sealed with one of our keys
"""

from __future__ import annotations


class CacheError(Exception):
    """The base of all errors of this package."""


class ConfigurationError(CacheError, ValueError):
    """A setting cannot be used; the message names it, its value and what would do."""


class LeftBehind(CacheError):
    """The run that a response came from failed, or went on without this client.

    The client has been sent a part of it, so that nothing else can be sent.
    """


class UnsupportedValue(CacheError, TypeError):
    """A value cannot be stored; the message names its type, and where it stands."""


class StoreError(CacheError):
    """A store could not do what it was asked."""


class StoreUnavailable(StoreError):
    """The store could not be reached, or did not answer within its deadline."""


class CircuitOpen(StoreUnavailable):
    """The store was not asked, as it had failed several times in a row."""


class StoreTimeout(StoreUnavailable):
    """The store did not answer within its deadline."""


class StoreRefused(StoreUnavailable):
    """The store answered that it will not do this: it is full, say, or a replica."""


class BacklogFull(StoreUnavailable):
    """A write was not taken, as too many others wait to be persisted; nothing has changed."""


class PurgeNotAcknowledged(StoreUnavailable):
    """A purge could not be recorded within its deadline.

    This process serves nothing any more that the purge names. It repeats the purge until
    the store has it; until then other processes may not know of it.
    """


class CorruptRecord(StoreError):
    """What the store returned is not a record that was stored under that key."""


class Forged(CorruptRecord):
    """What the store returned was not sealed with one of this cache's keys, or not for there."""
