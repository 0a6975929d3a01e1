"""``winchester action list``: the changes by operators."""

from __future__ import annotations

from typing import Final

from winchester_core.cli import listing
from winchester_core.storage.operation_records import ActionFilter

ACTIONS: Final = listing.Records(
    "actions",
    ActionFilter,
    paths="id performed_at name role address action number target",
)


class ActionList(listing.PagedLister):
    """List the actions of operators, by id.

    Each action of the API and of the pages of the console is recorded for 90 days. The columns are
    the id, the time (the database server's), the operator's name, role and address, the action, the
    number of objects that it changed, and which object, or the filter of several objects. Commands
    of this program are not recorded.
    """

    examples = (
        "winchester action list -c winchester.yaml --younger-than 1d",
        "winchester action list -c winchester.yaml --name anna -f json",
    )
    records = ACTIONS
    filters = (
        listing.Filter("--name NAME", "only actions of the operator with this name"),
        listing.Filter("--action ACTION", "only this action, such as stream.reset"),
        *listing.recorded_filters("performed"),
    )
    arguments = filters
