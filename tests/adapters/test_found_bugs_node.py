"""What ``as_node`` does otherwise than it says; a test moves to ``test_node.py`` when it holds."""

from __future__ import annotations

from typing import Any

import pytest

from lcel_adapters import as_node


@pytest.mark.parametrize("mapping", [{"topic": 1}, {"topic": None}, {"topic": ["a", "b"]}], ids=str)
def test_a_mapping_to_other_things_than_keys_is_refused(mapping: Any) -> None:
    """The values of an input mapping are state keys; anything else is refused at once, not when the node runs."""
    with pytest.raises(TypeError, match="input="):
        as_node(str.upper, input=mapping)
