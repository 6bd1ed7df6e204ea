"""The Prefect automation by which people are told of runs: over the block that they name, and only if they name one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cli.printing import say

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import BlockDocument
    from prefect.events.schemas.automations import AutomationCore

NAME = "evergreen: notify"
TAG = "evergreen"  # of flow runs that it tells of
# What a run is called in Prefect once it ended, where somebody wants to know at once. A rollback needs attention.
STATES = "Promoted", "AwaitingApproval", "Stuck", "NeedsAttention", "Failed", "Crashed"
SUBJECT = "{{ flow_run.name }}"
BODY = "{{ flow_run.name }}\n\n{{ flow_run.state.message }}\n\n{{ flow_run | ui_url }}"
PAYLOAD = (
    '{"run": {{ flow_run.name | tojson }}, "state": {{ flow_run.state.name | tojson }}, '
    '"reason": {{ flow_run.state.message | tojson }}, "page": {{ flow_run | ui_url | tojson }}}'
)
WEBHOOK = "webhook"  # the type of block that is called, and does not notify


def keep_notifying(client: SyncPrefectClient, named: str) -> bool:
    """Make the automation what the setting says: there for a block, gone without one; whether it is there.

    One that a person paused stays paused.

    Args:
        client: of the server.
        named: the block, as TYPE/NAME: "slack-webhook/ops"; "" for none.
    """
    before = client.read_automations_by_name(NAME)
    block = find_block(client, named) if named else None
    if named and block is None:
        say(
            f"nobody is notified: the server has no block {named!r}, as EVERGREEN_NOTIFY names it; `prefect block ls` "
            "lists those that there are, and a new one is made in the UI, under Blocks",
            err=True,
        )
    if block is None:
        for found in before:
            client.delete_automation(found.id)
        return False
    wanted = automation(block)
    for found in before[:1]:
        client.update_automation(found.id, wanted.model_copy(update={"enabled": found.enabled}))
    if not before:
        client.create_automation(wanted)
    return True


def find_block(client: SyncPrefectClient, named: str) -> BlockDocument | None:
    """A block of the server, None if there is none of this type and name."""
    from prefect.exceptions import ObjectNotFound

    kind, _, name = named.partition("/")
    try:
        return client.read_block_document_by_name(name, kind, include_secrets=False)
    except ObjectNotFound:
        return None


def automation(block: BlockDocument) -> AutomationCore:
    """Tell a block of every run of ours that ends in one of the states."""
    from prefect.events import ResourceSpecification
    from prefect.events.actions import CallWebhook, SendNotification
    from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

    kind = block.block_type.slug if block.block_type else ""
    named: dict[str, Any] = {"block_document_id": block.id}
    told = (
        CallWebhook(**named, payload=PAYLOAD)
        if kind == WEBHOOK
        else SendNotification(**named, subject=SUBJECT, body=BODY)
    )
    return AutomationCore(
        name=NAME,
        description="Of Evergreen, for EVERGREEN_NOTIFY: made anew whenever the deployments are registered.",
        enabled=True,
        trigger=EventTrigger(
            expect={f"prefect.flow-run.{state}" for state in STATES},
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            match_related=ResourceSpecification(
                {"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{TAG}"}
            ),
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[told],
    )
