"""Google's own client library talks to the fake Google: what the fake takes and gives is what the published description
of the API says. FAKE_URL says where that is."""

import os
import threading
import uuid
from http.server import BaseHTTPRequestHandler, HTTPServer

from google.auth.exceptions import RefreshError
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

API = os.environ["FAKE_URL"] + "/calendar/v3/"
TEAM = "team@group.calendar.google.com"
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def service(token="ya29.fidelity", refresh_token=None):
    credentials = Credentials(
        token=token,
        refresh_token=refresh_token,
        token_uri=os.environ["FAKE_URL"] + "/token",
        client_id="fake-client.apps.googleusercontent.com",
        client_secret="GOCSPX-fake-client-secret-5d1c",
    )
    endpoint = {"api_endpoint": API}
    return build("calendar", "v3", credentials=credentials, client_options=endpoint, static_discovery=True)


CALENDAR = service()
EVENTS = CALENDAR.events()
SCHEMAS = CALENDAR._rootDesc["schemas"]


def conforms(value, schema, path="answer"):
    """Whether a value has no key and no type that its schema does not know."""
    if "$ref" in schema:
        schema = SCHEMAS[schema["$ref"]]
    kind = schema.get("type")
    if kind == "object":
        assert isinstance(value, dict), path
        further = schema.get("additionalProperties")
        for key, inner in value.items():
            known = schema.get("properties", {}).get(key, further)
            assert known is not None, f"{path}.{key} is no key of the published schema"
            conforms(inner, known, f"{path}.{key}")
    elif kind == "array":
        assert isinstance(value, list), path
        for index, inner in enumerate(value):
            conforms(inner, schema["items"], f"{path}[{index}]")
    else:
        python = {"string": str, "boolean": bool, "integer": int, "number": (int, float)}[kind]
        assert isinstance(value, python), f"{path} is not of type {kind}"


def checked(request, schema):
    answer = request.execute()
    conforms(answer, {"$ref": schema})
    return answer


def refused(request, status, reason):
    try:
        request.execute()
    except HttpError as error:
        details = error.error_details[0]
        assert (error.resp.status, details["reason"]) == (status, reason), (error.resp.status, details)
        return
    raise AssertionError(f"{request.method} {request.uri} should be refused with {status} {reason}")


def timed(start, end, zone="Europe/Berlin", **more):
    return {"start": {"dateTime": start, "timeZone": zone}, "end": {"dateTime": end, "timeZone": zone}, **more}


def new_id():
    return uuid.uuid4().hex


def if_match(request, etag):
    request.headers["If-Match"] = etag
    return request


def everything(**parameters):
    """All pages of a listing, as the library's own paging follows them; how many; and the token for changes."""
    items, pages, token = [], 0, None
    request = EVENTS.list(**parameters)
    while request is not None:
        answer = checked(request, "Events")
        items += answer["items"]
        pages += 1
        token = answer.get("nextSyncToken")
        wants_token = "nextPageToken" not in answer and "orderBy" not in parameters
        assert (token is not None) == wants_token, "the sync token stands on the last page, and there alone"
        request = EVENTS.list_next(request, answer)
    return items, pages, token


@check
def calendars_are_listed_with_their_roles():
    entries = checked(CALENDAR.calendarList().list(maxResults=1), "CalendarList")
    assert len(entries["items"]) == 1 and entries["nextPageToken"]
    rest = checked(CALENDAR.calendarList().list(pageToken=entries["nextPageToken"]), "CalendarList")
    found = {entry["id"]: entry for entry in entries["items"] + rest["items"]}
    assert found["ada@example.com"]["primary"] and found[TEAM]["accessRole"] == "owner"
    assert found[TEAM]["timeZone"] == "America/New_York"


@check
def an_id_of_ones_own_is_taken_once():
    event = timed("2030-01-02T09:00:00", "2030-01-02T10:00:00", id=new_id(), summary="Planning")
    made = checked(EVENTS.insert(calendarId="primary", body=event, sendUpdates="none"), "Event")
    assert made["id"] == event["id"] and made["start"]["dateTime"] == "2030-01-02T09:00:00+01:00"
    refused(EVENTS.insert(calendarId="primary", body=event), 409, "duplicate")
    refused(EVENTS.insert(calendarId="primary", body={**event, "id": "Not-Valid"}), 400, "invalid")
    EVENTS.delete(calendarId="primary", eventId=event["id"]).execute()
    # Its tombstone still has the id, and gets up again.
    refused(EVENTS.insert(calendarId="primary", body=event), 409, "duplicate")
    assert checked(EVENTS.get(calendarId="primary", eventId=event["id"]), "Event")["status"] == "cancelled"
    revived = EVENTS.patch(calendarId="primary", eventId=event["id"], body={"status": "confirmed"})
    assert checked(revived, "Event")["summary"] == "Planning"


@check
def what_is_wrong_is_refused():
    good = timed("2030-01-02T09:00:00", "2030-01-02T10:00:00")
    insert = lambda **change: EVENTS.insert(calendarId="primary", body={**good, **change})
    refused(insert(end=None), 400, "required")
    refused(insert(end={"date": "2030-01-03"}), 400, "invalid")
    refused(insert(start={"date": "2030-01-03", "dateTime": "2030-01-03T09:00:00Z"}), 400, "invalid")
    refused(insert(start={"dateTime": "2030-01-02T09:00:00"}), 400, "required")
    refused(insert(end={"dateTime": "2030-01-02T08:00:00", "timeZone": "Europe/Berlin"}), 400, "timeRangeEmpty")
    refused(insert(recurrence=["RRULE:FREQ=NEVER"]), 400, "invalid")
    refused(EVENTS.get(calendarId="primary", eventId="nothere"), 404, "notFound")
    refused(EVENTS.list(calendarId="nobody@example.com"), 404, "notFound")


@check
def etags_guard_changes():
    made = EVENTS.insert(calendarId="primary", body=timed("2030-01-03T09:00:00", "2030-01-03T10:00:00")).execute()
    name = {"calendarId": "primary", "eventId": made["id"]}
    first = made["etag"]
    second = if_match(EVENTS.patch(**name, body={"summary": "A", "location": "Room 1"}), first).execute()
    refused(if_match(EVENTS.patch(**name, body={"summary": "B"}), first), 412, "conditionNotMet")
    refused(if_match(EVENTS.delete(**name), first), 412, "conditionNotMet")
    # PATCH leaves alone what it does not name, and null clears; PUT replaces all.
    third = if_match(EVENTS.patch(**name, body={"location": None}), second["etag"]).execute()
    assert third["summary"] == "A" and "location" not in third
    whole = timed("2030-01-03T11:00:00", "2030-01-03T12:00:00")
    fourth = checked(if_match(EVENTS.update(**name, body=whole), third["etag"]), "Event")
    assert "summary" not in fourth and fourth["sequence"] > third["sequence"]
    if_match(EVENTS.delete(**name), fourth["etag"]).execute()
    refused(EVENTS.delete(**name), 410, "deleted")


@check
def a_listing_has_pages_and_then_tells_changes():
    for day in range(10, 15):
        body = timed(f"2030-02-{day}T09:00:00", f"2030-02-{day}T10:00:00", "America/New_York", summary=f"Day {day}")
        EVENTS.insert(calendarId=TEAM, body=body).execute()
    items, pages, token = everything(calendarId=TEAM, maxResults=2)
    assert (len(items), pages) == (5, 3)
    assert everything(calendarId=TEAM, syncToken=token)[0] == []
    EVENTS.delete(calendarId=TEAM, eventId=items[0]["id"]).execute()
    EVENTS.patch(calendarId=TEAM, eventId=items[1]["id"], body={"summary": "Changed"}).execute()
    changes, _, _ = everything(calendarId=TEAM, syncToken=token)
    assert [change["status"] for change in changes] == ["cancelled", "confirmed"], changes
    for parameter in [{"timeMin": "2030-01-01T00:00:00Z"}, {"q": "x"}, {"updatedMin": "2030-01-01T00:00:00Z"}]:
        refused(EVENTS.list(calendarId=TEAM, syncToken=token, **parameter), 400, "invalid")
    refused(EVENTS.list(calendarId=TEAM, syncToken=token, singleEvents=True), 400, "invalid")
    refused(EVENTS.list(calendarId=TEAM, pageToken="p.999.1.0"), 400, "invalid")
    refused(EVENTS.list(calendarId=TEAM, orderBy="startTime"), 400, "invalid")
    refused(EVENTS.list(calendarId=TEAM, updatedMin="2001-01-01T00:00:00Z"), 410, "updatedMinTooLongAgo")
    february = everything(calendarId=TEAM, timeMin="2030-02-12T14:30:00Z", timeMax="2030-02-14T14:00:00Z")[0]
    assert sorted(event["summary"] for event in february) == ["Day 12", "Day 13"], february


@check
def a_series_has_instances_and_exceptions():
    rules = ["RRULE:FREQ=WEEKLY;COUNT=4", "EXDATE;TZID=Europe/Berlin:20300325T090000"]
    body = timed("2030-03-18T09:00:00", "2030-03-18T10:00:00", recurrence=rules, summary="Weekly")
    master = checked(EVENTS.insert(calendarId="primary", body=body), "Event")
    name = {"calendarId": "primary", "eventId": master["id"]}
    found = checked(EVENTS.instances(**name), "Events")["items"]
    # The clocks change on 31 March: 9:00 stays 9:00.
    starts = [one["start"]["dateTime"] for one in found]
    assert starts == ["2030-03-18T09:00:00+01:00", "2030-04-01T09:00:00+02:00", "2030-04-08T09:00:00+02:00"], starts
    assert found[1]["id"] == master["id"] + "_20300401T070000Z" and "recurrence" not in found[1]
    _, _, token = everything(calendarId="primary")
    changed = EVENTS.patch(calendarId="primary", eventId=found[1]["id"], body={"summary": "Other"})
    changed = checked(if_match(changed, found[1]["etag"]), "Event")
    assert changed["recurringEventId"] == master["id"] and changed["iCalUID"] == master["iCalUID"]
    EVENTS.delete(calendarId="primary", eventId=found[2]["id"]).execute()
    changes = everything(calendarId="primary", syncToken=token)[0]
    assert [(one["id"], one["status"]) for one in changes] == [(found[1]["id"], "confirmed"), (found[2]["id"], "cancelled")]
    assert changes[1]["originalStartTime"] == found[2]["originalStartTime"] and "start" not in changes[1]
    assert len(checked(EVENTS.instances(**name), "Events")["items"]) == 2
    expanded = everything(calendarId="primary", singleEvents=True, timeMin="2030-03-01T00:00:00Z", orderBy="startTime",
                          timeMax="2030-05-01T00:00:00Z")[0]
    assert [one["summary"] for one in expanded] == ["Weekly", "Other"], expanded
    all_day = {"start": {"date": "2030-03-01"}, "end": {"date": "2030-03-02"}, "recurrence": ["RRULE:FREQ=DAILY;COUNT=2"]}
    days = EVENTS.insert(calendarId="primary", body=all_day).execute()
    days = EVENTS.instances(calendarId="primary", eventId=days["id"]).execute()["items"]
    assert [one["start"] for one in days] == [{"date": "2030-03-01"}, {"date": "2030-03-02"}]
    assert days[1]["id"].endswith("_20300302")


class Listener(BaseHTTPRequestHandler):
    heard = []
    news = threading.Condition()

    def do_POST(self):
        with self.news:
            self.heard.append({name.lower(): value for name, value in self.headers.items()})
            self.news.notify_all()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass

    @classmethod
    def hear(cls, number):
        with cls.news:
            assert cls.news.wait_for(lambda: len(cls.heard) >= number, timeout=60), cls.heard
            return cls.heard[number - 1]


@check
def channels_tell_of_changes_until_they_are_stopped():
    server = HTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    channel = {"id": str(uuid.uuid4()), "type": "web_hook", "token": "opaque",
               "address": f"http://127.0.0.1:{server.server_port}/hook"}
    made = checked(EVENTS.watch(calendarId=TEAM, body=channel), "Channel")
    assert made["id"] == channel["id"] and int(made["expiration"]) > 1_000_000_000_000
    sync = Listener.hear(1)
    assert (sync["x-goog-resource-state"], sync["x-goog-message-number"]) == ("sync", "1")
    EVENTS.insert(calendarId=TEAM, body=timed("2030-05-02T09:00:00", "2030-05-02T10:00:00")).execute()
    exists = Listener.hear(2)
    assert exists["x-goog-resource-state"] == "exists" and exists["x-goog-channel-token"] == "opaque"
    assert exists["x-goog-channel-id"] == made["id"] and exists["x-goog-resource-id"] == made["resourceId"]
    refused(EVENTS.watch(calendarId=TEAM, body=channel), 400, "channelIdNotUnique")
    insecure = {**channel, "id": str(uuid.uuid4()), "address": "http://example.com/hook"}
    refused(EVENTS.watch(calendarId=TEAM, body=insecure), 400, "push.webhookUrlNotHttps")
    stop = {"id": made["id"], "resourceId": made["resourceId"]}
    CALENDAR.channels().stop(body=stop).execute()
    refused(CALENDAR.channels().stop(body=stop), 404, "notFound")


@check
def an_expired_token_is_refreshed_and_a_withdrawn_one_is_not():
    fresh = service("ya29.expired", "1//fidelity")
    assert checked(fresh.calendarList().list(), "CalendarList")["items"]
    try:
        service("ya29.expired", "1//never-given").calendarList().list().execute()
    except RefreshError as error:
        assert "invalid_grant" in str(error)
    else:
        raise AssertionError("a refresh token that was never given should be refused")


if __name__ == "__main__":
    for one in CHECKS:
        one()
        print(f"ok {one.__name__}", flush=True)
