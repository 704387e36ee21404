"""The status codes that decide something (RFC 9110, section 15).

They are plain numbers: in ``http.HTTPStatus`` each is an attribute that takes a call to read.
"""

from __future__ import annotations

from typing import Final

OK: Final = 200
NO_CONTENT: Final = 204
PARTIAL_CONTENT: Final = 206
NOT_MODIFIED: Final = 304
BAD_REQUEST: Final = 400
PRECONDITION_FAILED: Final = 412
REQUESTED_RANGE_NOT_SATISFIABLE: Final = 416
EXPECTATION_FAILED: Final = 417
GATEWAY_TIMEOUT: Final = 504
