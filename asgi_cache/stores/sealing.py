"""Seals: records that others can write to are believed, or can be read, only with a key.

A seal covers the key that a record is stored under and all that is in it: its head, with its
birth and when it ends, and its body. Whoever has no key can neither make a record nor change
one, nor put it in another's place; and an `Encryption` tells them nothing but its size. What a
seal does not cover is time: a record that was stored and has not ended can be put back, and it
can be removed.

::

    signed      4 which key   16 BLAKE2b                 the record
    encrypted   4 which key   16 salt      12 nonce      AES-256-GCM of the record, with its tag
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from hashlib import blake2b
from secrets import token_bytes
from typing import Any, Final, Protocol

from asgi_cache.errors import ConfigurationError, Forged

NAME_BYTES: Final = 4
SIGNATURE_BYTES: Final = 16
SALT_BYTES: Final = 16
NONCE_BYTES: Final = 12
AES_KEY_BYTES: Final = 32


class Seal(Protocol):
    """Seals records with the first of its keys, and opens what any of them has sealed."""

    overhead: int
    """Bytes before the record."""
    hides_the_record: bool
    """What is stored for the same record is different each time."""

    def close(self, key: bytes, record: bytes) -> bytes:
        """Return *record*, which is to be stored under *key*, with a seal on it."""
        ...

    def open(self, key: bytes, sealed: bytes) -> bytes:
        """Return the record in what was found under *key*.

        Raises:
            Forged: None of the keys was used on it, or not for this place.
        """
        ...


class Signature:
    """Keyed BLAKE2b (RFC 7693, section 2.9)."""

    overhead: int = NAME_BYTES + SIGNATURE_BYTES
    hides_the_record: bool = False

    def __init__(self, secrets: Sequence[str]) -> None:
        self._keys = _keys_by_name(secrets, b"signing")
        self._name = next(iter(self._keys))

    def close(self, key: bytes, record: bytes) -> bytes:
        """Return *record* behind its signature."""
        return self._name + _signature(self._keys[self._name], key, record) + record

    def open(self, key: bytes, sealed: bytes) -> bytes:
        """Return the record behind a signature that fits it and *key*."""
        name, signature, record = _divided(sealed, NAME_BYTES, SIGNATURE_BYTES)
        secret = _key_called(name, self._keys)
        if not hmac.compare_digest(_signature(secret, key, record), signature):
            raise Forged("the record was changed, or was stored under another key")
        return record


class Encryption:
    """AES-256-GCM (NIST SP 800-38D), with a key of its own for each record.

    Its nonces are too short to be drawn at random for as many records as a cache writes. So
    the key is derived from a salt that is drawn with the nonce.
    """

    overhead: int = NAME_BYTES + SALT_BYTES + NONCE_BYTES
    hides_the_record: bool = True

    def __init__(self, secrets: Sequence[str]) -> None:
        try:
            from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - it is optional
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415
        except ImportError:
            raise ConfigurationError(
                "encryption_keys: install cryptography for this: pip install asgi-cache[encryption]"
            ) from None
        self._cipher: Any = AESGCM
        self._invalid: type[Exception] = InvalidTag
        self._keys = _keys_by_name(secrets, b"encrypting")
        self._name = next(iter(self._keys))

    def close(self, key: bytes, record: bytes) -> bytes:
        """Return *record* encrypted."""
        salt, nonce = token_bytes(SALT_BYTES), token_bytes(NONCE_BYTES)
        cipher = self._cipher(_derived(self._keys[self._name], salt))
        return self._name + salt + nonce + bytes(cipher.encrypt(nonce, record, key))

    def open(self, key: bytes, sealed: bytes) -> bytes:
        """Return the record that was encrypted for *key*."""
        name, salt, rest = _divided(sealed, NAME_BYTES, SALT_BYTES)
        cipher = self._cipher(_derived(_key_called(name, self._keys), salt))
        try:
            return bytes(cipher.decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], key))
        except (self._invalid, ValueError):  # which is what it says of too short a nonce
            raise Forged("the record was changed, or was stored under another key") from None


def seal_with(signing: Sequence[str], encryption: Sequence[str]) -> Seal | None:
    """Return the seal that these keys are for; nothing if there are none.

    Raises:
        ConfigurationError: There are keys of both kinds, or what it takes is not installed.
    """
    if signing and encryption:
        raise ConfigurationError(
            "signing_keys: leave them out, as what is encrypted with encryption_keys is signed too"
        )
    if encryption:
        return Encryption(encryption)
    return Signature(signing) if signing else None


def _keys_by_name(secrets: Sequence[str], purpose: bytes) -> dict[bytes, bytes]:
    """Make keys of *secrets*, and the names that records have of them; neither tells a secret."""
    keys = [blake2b(secret.encode(), person=purpose).digest() for secret in secrets]
    return {blake2b(key, digest_size=NAME_BYTES, person=b"name").digest(): key for key in keys}


def _key_called(name: bytes, keys: dict[bytes, bytes]) -> bytes:
    if name not in keys:
        raise Forged("the record has no seal, or one of a key that is not known here")
    return keys[name]


def _divided(sealed: bytes, first: int, second: int) -> tuple[bytes, bytes, bytes]:
    return sealed[:first], sealed[first : first + second], sealed[first + second :]


def _signature(secret: bytes, key: bytes, record: bytes) -> bytes:
    state = blake2b(key, digest_size=SIGNATURE_BYTES, key=secret)  # keys are of one length
    state.update(record)
    return state.digest()


def _derived(secret: bytes, salt: bytes) -> bytes:
    return blake2b(salt, digest_size=AES_KEY_BYTES, key=secret).digest()
