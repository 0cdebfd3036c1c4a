"""The only place that names every destination.

A new destination is one module here, its stand-in in the sandbox, and its contract tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from syncs.credentials import Credentials
from syncs.destinations import attentive, facebook, facebook_graph, klaviyo
from syncs.destinations.attentive_people import AttentivePeople
from syncs.destinations.base import Destination
from syncs.destinations.facebook_graph import Graph
from syncs.destinations.facebook_people import FacebookPeople
from syncs.destinations.klaviyo_people import KlaviyoPeople
from syncs.destinations.people import Erases
from syncs.records import Limit, Shape
from syncs.spec import AnySpec, AudienceSpec, EventSpec
from syncs.transport import Transport

HOSTS: Mapping[str, str] = {
    "klaviyo": klaviyo.HOST,
    "attentive": attentive.HOST,
    "facebook": facebook_graph.HOST,
}
HEADERS: Mapping[str, Callable[[str], dict[str, str]]] = {
    "klaviyo": klaviyo.headers,
    "attentive": attentive.headers,
    "facebook": facebook_graph.headers,
}
LIMITS: Mapping[str, Mapping[str, Sequence[Limit]]] = {
    "klaviyo": klaviyo.LIMITS,
    "attentive": attentive.LIMITS,
    "facebook": facebook_graph.LIMITS,
}


def shape_of(spec: AnySpec, country: str) -> Shape:
    """How the destination of a spec wants its rows; needs neither network nor credential."""
    if isinstance(spec, AudienceSpec):
        return facebook.shape(spec, country)
    if isinstance(spec, EventSpec):
        if spec.destination == "klaviyo_event":
            return klaviyo.event_shape(spec, country)
        return attentive.event_shape(spec, country)
    if spec.destination == "klaviyo_profile":
        return klaviyo.profile_shape(spec, country)
    return attentive.attribute_shape(spec, country)


def destination_of(
    spec: AnySpec, country: str, transport: Transport, credentials: Credentials, run_id: str
) -> Destination:
    """The destination of a spec, ready to send."""
    if isinstance(spec, AudienceSpec):
        return facebook.FacebookAudience(
            spec,
            country,
            transport,
            account_id=credentials.account_id,
            token=credentials.token,
            app_secret=credentials.app_secret,
            run_id=run_id,
        )
    if isinstance(spec, EventSpec):
        if spec.destination == "klaviyo_event":
            return klaviyo.KlaviyoEvents(spec, country, transport)
        return attentive.AttentiveEvents(spec, country, transport)
    if spec.destination == "klaviyo_profile":
        return klaviyo.KlaviyoProfiles(spec, country, transport)
    return attentive.AttentiveAttributes(spec, country, transport)


def people_of(account: str, transport: Transport, credentials: Credentials, run_id: str) -> Erases:
    """The people of a destination account, ready to be asked about; needs no spec.

    Klaviyo's and Attentive's are :class:`~syncs.destinations.people.ReadsBack`, too, Facebook's are
    :class:`~syncs.destinations.people.DescribesObjects`.

    Args:
        account: ``klaviyo``, ``attentive`` or ``facebook``.
        transport: of that account.
        credentials: of that account.
        run_id: unique for ever.
    """
    if account == "klaviyo":
        return KlaviyoPeople(transport)
    if account == "attentive":
        return AttentivePeople(transport)
    graph = Graph(
        transport,
        account_id=credentials.account_id,
        token=credentials.token,
        app_secret=credentials.app_secret,
    )
    return FacebookPeople(graph, run_id=run_id)
