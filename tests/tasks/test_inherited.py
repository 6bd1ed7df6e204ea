"""What a version was made for: the spec of now, or that of the version whose base and head it goes on with."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from learning.changes import MADE_FOR
from tasks.register_version import inherited

OF_VERSION_1 = {"objective": "as it was"}


@pytest.mark.parametrize(
    ("plan", "made_for"),
    [
        ({"kind": "FineTune"}, OF_VERSION_1),
        ({"kind": "online"}, OF_VERSION_1),
        ({"kind": "Pretrain", "warm_start": True}, OF_VERSION_1),
        ({"kind": "Pretrain"}, None),
    ],
)
def test_who_goes_on_with_a_version_inherits_what_it_was_made_for(plan: dict[str, Any], made_for: object) -> None:
    """Builders that were edited since have not built it; only new weights come from them."""
    champion = SimpleNamespace(plan={MADE_FOR: OF_VERSION_1})
    context: Any = SimpleNamespace(
        spec=SimpleNamespace(name="tiny"), registry=SimpleNamespace(version=lambda *_: champion)
    )
    learned: Any = SimpleNamespace(parent=1, trained=SimpleNamespace(plan=plan))
    assert inherited(context, learned) == made_for
