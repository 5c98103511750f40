"""What may run here at all.

Who may start a workflow must not read the host (decisions.md, "Connections and safety").
"""

from __future__ import annotations

from collections.abc import Mapping

from temporalio.exceptions import ApplicationError

from airbyte_workers.jobs.failures import MAX_MESSAGE_IN_HISTORY, cut
from airbyte_workers.mappers.configs import problems
from airbyte_workers.mappers.specs import MapperSpec
from airbyte_workers.models import Connector, Order, StreamChoice, SyncInput
from airbyte_workers.names import CONTAINER_LAUNCHERS, INVALID_INPUT, Role
from airbyte_workers.protocol.catalog import InvalidCatalog, check_choices, read_configured
from airbyte_workers.protocol.catalog_choices import choices_in
from airbyte_workers.protocol.config_secrets import reference_problems
from airbyte_workers.protocol.streams import shown, stream_key
from airbyte_workers.settings import Settings


def refuse_forbidden(asked: SyncInput | Order, settings: Settings) -> None:
    """Raise InvalidInput, naming every field that may not be used here, before anything is written or started."""
    wrong: list[str] = []
    wanted = asked.launcher or settings.launcher
    for place, connector in _places(asked).items():
        wrong += _command_problems(place, connector, wanted, settings)
        wrong += reference_problems(connector.config, f"{place}config")
    wrong += _stream_problems(asked) if isinstance(asked, SyncInput) else []
    if (
        not settings.allow_local_commands
        and settings.launcher in CONTAINER_LAUNCHERS
        and wanted not in CONTAINER_LAUNCHERS
    ):
        wrong.append("launcher: this stack runs connectors in containers alone (LAUNCHER, ALLOW_LOCAL_COMMANDS)")
    if asked.local_root is not None and not settings.allow_local_commands:
        wrong.append("local_root: paths of the host may not be chosen on this stack (ALLOW_LOCAL_COMMANDS)")
    if wrong:
        raise invalid("; ".join(wrong))


def invalid(message: str) -> ApplicationError:
    """An input that cannot be carried out, whoever tries again."""
    return ApplicationError(cut(message, MAX_MESSAGE_IN_HISTORY), type=INVALID_INPUT, non_retryable=True)


def _places(asked: SyncInput | Order) -> Mapping[str, Connector]:
    """Every connector that was typed, by how its fields begin."""
    if isinstance(asked, Order):
        return {"": asked.connector}
    typed = {Role.SOURCE: asked.source, Role.DESTINATION: asked.destination}
    return {f"{role}.": connector for role, connector in typed.items() if connector is not None}


def _stream_problems(asked: SyncInput) -> list[str]:
    """What nobody must be asked for to be known as wrong."""
    try:
        if asked.catalog is not None:
            read_configured(asked.catalog)
        chosen = choices_in(asked.catalog) if asked.catalog is not None else asked.streams or ()
        check_choices(chosen)
    except InvalidCatalog as error:
        return [str(error)]
    return [problem for each in chosen for problem in _mapper_problems(each)]


def _mapper_problems(choice: StreamChoice) -> list[str]:
    place = f"stream {shown(stream_key(choice.name, choice.namespace))}"
    wrong = [
        f"{place}: {problem}" for problem in problems([MapperSpec(each.name, each.config) for each in choice.mappers])
    ]
    for number, mapper in enumerate(choice.mappers):
        wrong += reference_problems(mapper.config, f"{place}, mapper {number + 1}: config")
    return wrong


def _command_problems(place: str, connector: Connector, wanted: str, settings: Settings) -> list[str]:
    if connector.command is None:
        return []
    problems = []
    if not settings.allow_local_commands:
        problems.append(f"{place}command: commands may not run on this stack (ALLOW_LOCAL_COMMANDS); use image")
    if wanted in CONTAINER_LAUNCHERS:
        problems.append(f"{place}command: a command cannot run in a container (launcher {wanted}); use image")
    return problems
