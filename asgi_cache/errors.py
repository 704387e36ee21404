"""Every error this package raises.

::

    CacheError
    ├── ConfigurationError      a setting is wrong; raised at start-up
    └── StoreError
        ├── StoreUnavailable    the store did not answer in time, or refused
        └── CorruptRecord       the store answered with something that is not ours
"""

from __future__ import annotations


class CacheError(Exception):
    """The base of all errors of this package."""


class ConfigurationError(CacheError, ValueError):
    """A setting cannot be used; the message names it, its value and what would do."""


class StoreError(CacheError):
    """A store could not do what it was asked."""


class StoreUnavailable(StoreError):
    """The store could not be reached, or did not answer within its deadline."""


class CorruptRecord(StoreError):
    """What the store returned is not a record that was stored under that key."""
