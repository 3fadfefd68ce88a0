"""Microsoft's own client library talks to the fake Graph: what the fake takes and gives is what the library, which is made
from the published metadata, sends and understands. FAKE_URL says where that is."""

import asyncio
import datetime
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

from kiota_abstractions.authentication import AuthenticationProvider
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.models.body_type import BodyType
from msgraph.generated.models.date_time_time_zone import DateTimeTimeZone
from msgraph.generated.models.day_of_week import DayOfWeek
from msgraph.generated.models.event import Event
from msgraph.generated.models.event_type import EventType
from msgraph.generated.models.free_busy_status import FreeBusyStatus
from msgraph.generated.models.importance import Importance
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.online_meeting_provider_type import OnlineMeetingProviderType
from msgraph.generated.models.patterned_recurrence import PatternedRecurrence
from msgraph.generated.models.recurrence_pattern import RecurrencePattern
from msgraph.generated.models.recurrence_pattern_type import RecurrencePatternType
from msgraph.generated.models.recurrence_range import RecurrenceRange
from msgraph.generated.models.recurrence_range_type import RecurrenceRangeType
from msgraph.generated.models.subscription import Subscription
from msgraph.generated.users.item.calendar_view.delta.delta_request_builder import DeltaRequestBuilder
from msgraph.generated.users.item.events.item.event_item_request_builder import EventItemRequestBuilder
from msgraph.generated.users.item.events.item.instances.instances_request_builder import InstancesRequestBuilder

CHECKS = []
IMMUTABLE = 'IdType="ImmutableId"'


def check(function):
    CHECKS.append(function)
    return function


class Token(AuthenticationProvider):
    async def authenticate_request(self, request, additional_authentication_context=None):
        request.headers.add("Authorization", "Bearer EwBfidelity")


def client():
    adapter = GraphRequestAdapter(Token())
    # Before the client is made, which takes it over.
    adapter.base_url = os.environ["FAKE_URL"] + "/v1.0"
    return GraphServiceClient(request_adapter=adapter)


def at(text, zone="W. Europe Standard Time"):
    return DateTimeTimeZone(date_time=text, time_zone=zone)


def meeting(subject, **more):
    event = Event(subject=subject, start=at("2026-11-30T09:00:00"), end=at("2026-11-30T10:00:00"))
    for name, value in more.items():
        setattr(event, name, value)
    return event


def weekly(subject):
    """Five Mondays at nine in Berlin."""
    pattern = RecurrencePattern(
        type=RecurrencePatternType.Weekly,
        interval=1,
        days_of_week=[DayOfWeek.Monday],
        first_day_of_week=DayOfWeek.Monday,
    )
    range_ = RecurrenceRange(
        type=RecurrenceRangeType.Numbered,
        start_date=datetime.date(2026, 11, 30),
        number_of_occurrences=5,
        recurrence_time_zone="W. Europe Standard Time",
    )
    return meeting(subject, recurrence=PatternedRecurrence(pattern=pattern, range=range_))


def headers(**values):
    configuration = RequestConfiguration()
    configuration.headers.add("Prefer", IMMUTABLE)
    for name, value in values.items():
        configuration.headers.add(name.replace("_", "-"), value)
    return configuration


async def fails(awaitable, status, code):
    try:
        await awaitable
    except ODataError as error:
        assert error.response_status_code == status, error.response_status_code
        assert error.error.code == code, error.error.code
        return error
    raise AssertionError(f"no {status} {code}")


async def rounds(graph, link=None):
    """A round of delta to its end: the values, and the link to go on with."""
    builder = graph.me.calendar_view.delta
    query = DeltaRequestBuilder.DeltaRequestBuilderGetQueryParameters(
        start_date_time="2026-11-01T00:00:00Z", end_date_time="2027-03-01T00:00:00Z"
    )
    configuration = RequestConfiguration(query_parameters=query)
    configuration.headers.add("Prefer", IMMUTABLE + ", odata.maxpagesize=2")
    plain = RequestConfiguration()
    plain.headers.add("Prefer", IMMUTABLE + ", odata.maxpagesize=2")
    page = await (builder.with_url(link).get(plain) if link else builder.get(configuration))
    values = list(page.value)
    while page.odata_next_link:
        page = await builder.with_url(page.odata_next_link).get(plain)
        values += page.value
    assert page.odata_delta_link.startswith(os.environ["FAKE_URL"])
    return values, page.odata_delta_link


@check
async def calendars_are_listed(graph):
    listed = (await graph.me.calendars.get()).value
    assert [calendar.name for calendar in listed] == ["Calendar", "Team"], listed
    assert listed[0].can_edit and listed[0].is_default_calendar and listed[0].owner.address == "ada@example.com"
    own = await graph.me.calendar.get()
    assert own.id == listed[0].id
    team = await graph.me.calendars.by_calendar_id(listed[1].id).get()
    assert team.name == "Team"


@check
async def a_shared_calendar_is_that_of_its_mailbox(graph):
    room = graph.users.by_user_id("room@example.com")
    assert (await room.calendar.get()).can_edit
    made = await room.events.post(meeting("In the room"))
    assert (await room.events.by_event_id(made.id).get()).subject == "In the room"
    await room.events.by_event_id(made.id).delete()
    await fails(room.calendars.get(), 403, "ErrorAccessDenied")


@check
async def an_event_is_made_once_for_its_transaction_id(graph):
    event = meeting(
        "Budget",
        transaction_id="5f2c27ab",
        importance=Importance.High,
        show_as=FreeBusyStatus.Oof,
        body=ItemBody(content_type=BodyType.Text, content="a < b\nc"),
        categories=["Red category"],
    )
    made, again = await graph.me.events.post(event), await graph.me.events.post(event)
    assert made.id == again.id and made.transaction_id == "5f2c27ab"
    assert made.type == EventType.SingleInstance and made.importance == Importance.High
    assert made.show_as == FreeBusyStatus.Oof and made.categories == ["Red category"]
    assert made.start.date_time.startswith("2026-11-30T08:00:00") and made.start.time_zone == "UTC"
    assert made.original_start_time_zone == "W. Europe Standard Time"
    assert made.body.content_type == BodyType.Html and "a &lt; b<br>" in made.body.content
    as_text = await graph.me.events.by_event_id(made.id).get(
        headers(Prefer='outlook.body-content-type="text", outlook.timezone="Tokyo Standard Time"')
    )
    assert as_text.body.content.split() == ["a", "<", "b", "c"], as_text.body.content
    assert as_text.start.date_time.startswith("2026-11-30T17:00:00"), as_text.start
    await graph.me.events.by_event_id(made.id).delete()


@check
async def a_version_that_is_not_the_last_is_refused(graph):
    made = await graph.me.events.post(meeting("Budget"))
    item = graph.me.events.by_event_id(made.id)
    etag = made.additional_data["@odata.etag"]
    assert etag == f'W/"{made.change_key}"'
    changed = await item.patch(Event(subject="Budget 2"), headers(If_Match=etag))
    assert changed.subject == "Budget 2" and changed.change_key != made.change_key
    assert changed.last_modified_date_time > made.last_modified_date_time
    await fails(item.patch(Event(subject="x"), headers(If_Match=etag)), 412, "ErrorIrresolvableConflict")
    await fails(item.delete(headers(If_Match=etag)), 412, "ErrorIrresolvableConflict")
    await item.delete(headers(If_Match=changed.additional_data["@odata.etag"]))
    await fails(item.get(), 404, "ErrorItemNotFound")
    await fails(item.delete(), 404, "ErrorItemNotFound")


@check
async def an_online_meeting_is_one_as_long_as_its_body_says_how_to_join(graph):
    made = await graph.me.events.post(
        meeting("Call", is_online_meeting=True, online_meeting_provider=OnlineMeetingProviderType.TeamsForBusiness)
    )
    assert made.is_online_meeting and made.online_meeting.join_url.startswith("https://teams.microsoft.com/")
    assert made.online_meeting.join_url in made.body.content
    item = graph.me.events.by_event_id(made.id)
    changed = await item.patch(Event(body=ItemBody(content_type=BodyType.Text, content="Agenda")))
    assert not changed.is_online_meeting and changed.online_meeting is None
    await item.delete()


@check
async def a_series_has_instances_exceptions_and_deleted_occurrences(graph):
    master = await graph.me.events.post(weekly("Stand-up"))
    assert master.type == EventType.SeriesMaster
    assert master.recurrence.pattern.days_of_week == [DayOfWeek.Monday]
    assert master.recurrence.range.number_of_occurrences == 5
    item = graph.me.events.by_event_id(master.id)
    query = InstancesRequestBuilder.InstancesRequestBuilderGetQueryParameters(
        start_date_time="2026-11-01T00:00:00Z", end_date_time="2027-03-01T00:00:00Z", top=50
    )
    instances = (await item.instances.get(RequestConfiguration(query_parameters=query))).value
    assert [one.type for one in instances] == [EventType.Occurrence] * 5
    assert all(one.series_master_id == master.id for one in instances)
    assert len({one.i_cal_u_id for one in instances}) == 5
    second, third = (graph.me.events.by_event_id(instances[index].id) for index in (1, 2))
    moved = Event(subject="Later", start=at("2026-12-08T15:00:00"), end=at("2026-12-08T16:00:00"))
    assert (await second.patch(moved)).type == EventType.Exception
    over = Event(start=at("2026-12-14T09:00:00"), end=at("2026-12-14T10:00:00"))
    await fails(second.patch(over), 400, "ErrorOccurrenceCrossingBoundary")
    await third.delete()
    query = EventItemRequestBuilder.EventItemRequestBuilderGetQueryParameters(
        select=["subject", "cancelledOccurrences", "exceptionOccurrences"], expand=["exceptionOccurrences"]
    )
    whole = await item.get(RequestConfiguration(query_parameters=query))
    assert whole.cancelled_occurrences == [f"OID.{master.id}.2026-12-14"], whole.cancelled_occurrences
    assert [one.subject for one in whole.exception_occurrences] == ["Later"]
    assert whole.exception_occurrences[0].original_start.isoformat() == "2026-12-07T08:00:00+00:00"
    await item.delete()


@check
async def delta_speaks_of_what_has_changed_and_not_of_deleted_occurrences(graph):
    values, link = await rounds(graph)
    assert values == []
    single = await graph.me.events.post(meeting("Single"))
    master = await graph.me.events.post(weekly("Stand-up"))
    values, link = await rounds(graph, link)
    kinds = [value.type for value in values]
    assert kinds.count(EventType.Occurrence) == 5 and kinds.count(EventType.SeriesMaster) == 1, kinds
    stub = next(value for value in values if value.type == EventType.Occurrence)
    assert stub.subject is None and stub.i_cal_u_id is None and stub.series_master_id == master.id
    await graph.me.events.by_event_id(stub.id).delete()
    values, link = await rounds(graph, link)
    assert stub.id not in {value.id for value in values} and len(values) == 5, values
    assert all("@removed" not in value.additional_data for value in values)
    away = Event(start=at("2028-11-30T09:00:00"), end=at("2028-11-30T10:00:00"))
    await graph.me.events.by_event_id(single.id).patch(away)
    await graph.me.events.by_event_id(master.id).delete()
    values, link = await rounds(graph, link)
    removed = {value.id: value.additional_data["@removed"]["reason"] for value in values}
    assert removed[single.id] == "changed" and removed[master.id] == "deleted", removed
    assert (await graph.me.events.by_event_id(single.id).get()).subject == "Single"
    assert (await rounds(graph, link))[0] == []
    await graph.me.events.by_event_id(single.id).delete()


@check
async def delta_takes_no_further_parameters_and_no_longer_spans(graph):
    parameters = DeltaRequestBuilder.DeltaRequestBuilderGetQueryParameters
    wrong = parameters(start_date_time="2026-11-01", end_date_time="2027-01-01", select=["subject"])
    await fails(graph.me.calendar_view.delta.get(RequestConfiguration(query_parameters=wrong)), 400, "ErrorInvalidUrlQuery")
    long = parameters(start_date_time="2026-01-01T00:00:00Z", end_date_time="2031-01-01T00:00:00Z")
    await fails(graph.me.calendar_view.delta.get(RequestConfiguration(query_parameters=long)), 400, "ErrorInvalidRequest")
    lost = os.environ["FAKE_URL"] + "/v1.0/me/calendarView/delta?$deltatoken=999999"
    await fails(graph.me.calendar_view.delta.with_url(lost).get(), 410, "syncStateNotFound")


class Listener(BaseHTTPRequestHandler):
    """Where notifications arrive: answers the handshake as Microsoft wants it, and keeps the rest."""

    received = []

    def do_POST(self):
        token = parse_qs(urlsplit(self.path).query).get("validationToken")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        answer = token[0].encode() if token else b""
        if not token:
            self.received.append(body)
        self.send_response(200 if token else 202)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@check
async def a_subscription_is_made_renewed_told_and_ended(graph):
    server = HTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/hook"
    now = datetime.datetime.now(datetime.timezone.utc)

    def wished(**more):
        subscription = Subscription(
            change_type="created,updated,deleted",
            notification_url=url,
            lifecycle_notification_url=url,
            resource="me/events",
            expiration_date_time=now + datetime.timedelta(days=2),
            client_state="secret-state",
        )
        for name, value in more.items():
            setattr(subscription, name, value)
        return subscription

    made = await graph.subscriptions.post(wished())
    assert made.id and made.resource == "me/events"
    await fails(graph.subscriptions.post(wished()), 409, "ExtensionError")
    room = wished(resource="users/room@example.com/events")
    await fails(graph.subscriptions.post(room), 403, "ExtensionError")
    too_long = wished(resource="me/calendar/events", expiration_date_time=now + datetime.timedelta(days=8))
    await fails(graph.subscriptions.post(too_long), 400, "ExtensionError")
    nobody = wished(resource="me/calendar/events", notification_url="http://127.0.0.1:9/hook")
    await fails(graph.subscriptions.post(nobody), 400, "ValidationError")
    item = graph.subscriptions.by_subscription_id(made.id)
    later = Subscription(expiration_date_time=now + datetime.timedelta(days=3))
    assert (await item.patch(later)).expiration_date_time > made.expiration_date_time
    event = await graph.me.events.post(meeting("Told"))
    await graph.me.events.by_event_id(event.id).delete()
    for _ in range(200):
        if len(Listener.received) == 2:
            break
        await asyncio.sleep(0.05)
    assert len(Listener.received) == 2 and all('"clientState":"secret-state"' in body for body in Listener.received)
    await item.delete()
    await fails(item.delete(), 404, "ResourceNotFound")


async def main():
    for one in CHECKS:
        await one(client())
        print("ok", one.__name__.replace("_", " "))
    print(f"{len(CHECKS)} checks of Microsoft's client against the fake Graph passed")


asyncio.run(main())
