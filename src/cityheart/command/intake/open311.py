"""Open311 GeoReport v2: other programs hand reports over and ask how they stand, in JSON and in XML.

Everything is below ``/open311/v2``. Handing over needs an ``api_key``; asking does not, and then tells only what is nobody's
own: kind, status, department, times, the place to about a hundred metres. What was said and the address are given to the
program that handed the report over. See https://wiki.open311.org/GeoReport_v2/
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import parse_qsl
from xml.etree.ElementTree import Element, SubElement, tostring

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from cityheart.command.intake.filing import Filing
from cityheart.command.intake.models import Caller, Matter, Report, Service
from cityheart.command.intake.service import Intake
from cityheart.kernel import limits
from cityheart.kernel.clock import Clock
from cityheart.kernel.errors import Problem
from cityheart.kernel.ids import Ids

__all__ = ["router"]

_HEADERS = {"cache-control": "no-store"}
_OPEN = ("open", "dispatching", "dispatched")
_XML_UNFIT = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAMES = {
    "services": "service", "service_requests": "request", "attributes": "attribute", "values": "value",
    "endpoints": "endpoint", "formats": "format", "errors": "error",
}  # fmt: skip
_MOST_IDS = 100
_KNOWN = {
    "jurisdiction_id", "service_code", "lat", "long", "address_string", "address_id", "email", "device_id", "account_id",
    "first_name", "last_name", "phone", "description", "media_url", "api_key",
}  # fmt: skip


class _Wrong(Exception):  # noqa: N818  (an error document, not a failure)
    """An error document of the standard."""

    def __init__(self, status: int, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.description = description


def router(intake: Intake, clock: Clock, ids: Ids, jurisdiction: str, contact: str) -> APIRouter:
    """The endpoint of one city, whose ``jurisdiction_id`` is its name. ``contact`` is shown to developers."""
    routes = APIRouter(prefix="/open311/v2", include_in_schema=False)
    desk = _Desk(intake, clock, ids, jurisdiction, contact)

    @routes.get("/discovery.{form}")
    def discovery(request: Request, form: str) -> Response:
        return desk.answer(form, lambda: desk.discovery(request))

    @routes.get("/services.{form}")
    def services(request: Request, form: str) -> Response:
        return desk.answer(form, lambda: desk.services(request))

    @routes.get("/services/{code}.{form}")
    def definition(request: Request, code: str, form: str) -> Response:
        return desk.answer(form, lambda: desk.definition(request, code))

    @routes.get("/requests.{form}")
    def requests(request: Request, form: str) -> Response:
        return desk.answer(form, lambda: desk.requests(request))

    @routes.get("/requests/{id}.{form}")
    def one(request: Request, id: str, form: str) -> Response:
        return desk.answer(form, lambda: desk.one(request, id))

    @routes.get("/tokens/{token}.{form}")
    def token(request: Request, token: str, form: str) -> Response:
        return desk.answer(form, lambda: desk.token(request, token))

    @routes.post("/requests.{form}")
    async def take(request: Request, form: str) -> Response:
        try:
            body = await _body(request)
        except _Wrong as wrong:
            return _failed(form, wrong.status, wrong.description)
        return await run_in_threadpool(lambda: desk.answer(form, lambda: desk.take(request, body), 201))

    return routes


class _Desk:
    def __init__(self, intake: Intake, clock: Clock, ids: Ids, jurisdiction: str, contact: str) -> None:
        self._intake = intake
        self._clock = clock
        self._ids = ids
        self._jurisdiction = jurisdiction
        self._contact = contact

    def answer(self, form: str, make: object, status: int = 200) -> Response:
        """What ``make`` gives, in the form asked for; refusals as the standard's error documents."""
        if form not in ("json", "xml"):
            return _failed("json", 404, "the formats are json and xml")
        try:
            name, value = make()  # type: ignore[operator]
        except _Wrong as wrong:
            return _failed(form, wrong.status, wrong.description)
        except Problem as problem:
            status = {401: 403, 413: 400, 422: 400}.get(problem.status, problem.status)
            return _failed(form, status, f"{problem.detail}: {problem.remedy}" if problem.remedy else problem.detail)
        return _shown(form, name, value, status)

    def discovery(self, request: Request) -> tuple[str, object]:
        base = str(request.base_url).rstrip("/")
        endpoint = {
            "specification": "http://wiki.open311.org/GeoReport_v2",
            "url": f"{base}/open311/v2",
            "changeset": "2026-01-01T00:00:00Z",
            "type": "production",
            "formats": ["application/json", "text/xml"],
        }
        return "discovery", {
            "changeset": "2026-01-01T00:00:00Z",
            "contact": self._contact,
            "key_service": "Keys are issued by an administrator of this city.",
            "endpoints": [endpoint],
        }

    def services(self, request: Request) -> tuple[str, object]:
        self._of_here(request.query_params)
        return "services", [self._service(each) for each in self._intake.rules.services.values()]

    def definition(self, request: Request, code: str) -> tuple[str, object]:
        self._of_here(request.query_params)
        service = self._intake.rules.services.get(code)
        if service is None:
            raise _Wrong(404, "service_code was not found")
        attributes = [_attribute(each, order) for order, each in enumerate(service.attributes, 1)]
        return "service_definition", {"service_code": code, "attributes": attributes}

    def requests(self, request: Request) -> tuple[str, object]:
        query = request.query_params
        self._of_here(query)
        caller = self._caller(query)
        if "service_request_id" in query:
            ids = [each.strip() for each in query["service_request_id"].split(",") if each.strip()]
            if len(ids) > _MOST_IDS:
                raise _Wrong(400, f"at most {_MOST_IDS} service_request_id may be asked for at once")
            some = [found for id in ids if (found := self._intake.request(id)) is not None]
            return "service_requests", [self._request(*each, caller) for each in some]
        services = [each.strip() for each in query.get("service_code", "").split(",") if each.strip()]
        for code in services:
            if code not in self._intake.rules.services:
                raise _Wrong(404, f"service_code {code[:60]} was not found")
        states = {each.strip() for each in query.get("status", "").split(",") if each.strip()}
        if not states <= {"open", "closed"}:
            raise _Wrong(400, "status is open or closed")
        until = _date(query.get("end_date"), "end_date") or self._clock.now()
        since = _date(query.get("start_date"), "start_date") or until - limits.OPEN311_SPAN
        if not since <= until or until - since > limits.OPEN311_SPAN:
            raise _Wrong(400, f"start_date to end_date is at most {limits.OPEN311_SPAN.days} days")
        some = self._intake.requests(
            services=services or None,
            since=since,
            until=until,
            closed=None if len(states) != 1 else states == {"closed"},
        )
        return "service_requests", [self._request(*each, caller) for each in some]

    def one(self, request: Request, id: str) -> tuple[str, object]:
        self._of_here(request.query_params)
        found = self._intake.request(id)
        if found is None:
            raise _Wrong(404, "service_request_id was not found")
        return "service_requests", [self._request(*found, self._caller(request.query_params))]

    def token(self, request: Request, token: str) -> tuple[str, object]:
        """Requests have their id at once; a token is that id."""
        self._of_here(request.query_params)
        if self._intake.request(token) is None:
            raise _Wrong(404, "token was not found")
        return "service_requests", [{"service_request_id": token, "token": token}]

    def take(self, request: Request, body: Sequence[tuple[str, str]]) -> tuple[str, object]:
        said: dict[str, str] = {}
        attributes: dict[str, object] = {}
        for name, value in body:
            if match := re.fullmatch(r"attribute\[([^\]]{1,60})\](\[\])?", name):
                if match[2]:
                    known = attributes.setdefault(match[1], [])
                    if isinstance(known, list):
                        known.append(value)
                else:
                    attributes[match[1]] = value
            elif name in _KNOWN:
                said[name] = value
        self._of_here(said)
        caller = self._intake.caller(said.get("api_key") or request.query_params.get("api_key", ""))
        service = self._intake.rules.services.get(said.get("service_code", ""))
        if "service_code" not in said:
            raise _Wrong(400, "service_code was not provided")
        if service is None:
            raise _Wrong(404, "service_code was not found")
        _complete(service, attributes)
        address = said.get("address_string") or said.get("address_id", "")
        lon, lat = _degrees(said.get("long"), "long"), _degrees(said.get("lat"), "lat")
        if not address and (lon is None or lat is None):
            raise _Wrong(400, "lat and long, or address_string, or address_id must be provided")
        name = " ".join(part for part in (said.get("first_name"), said.get("last_name")) if part)
        filing = Filing(
            source=f"open311:{caller.id}",
            external=request.headers.get("idempotency-key") or self._ids.new("request"),
            text=said.get("description", "") or service.name["zh-CN"],
            service=service.code,
            address=address,
            lon=lon,
            lat=lat,
            name=name or said.get("email"),
            phone=said.get("phone"),
            attributes=attributes,
            media=said.get("media_url"),
        )
        taken = self._intake.take_from(caller, filing)
        one: dict[str, object] = {"service_request_id": taken["report_id"], "service_notice": "", "account_id": ""}
        return "service_requests", [one]

    def _of_here(self, given: Mapping[str, str]) -> None:
        asked = given.get("jurisdiction_id")
        if asked and asked != self._jurisdiction:
            raise _Wrong(404, "jurisdiction_id provided was not found")

    def _caller(self, query: Mapping[str, str]) -> Caller | None:
        key = query.get("api_key")
        return None if not key else self._intake.caller(key)

    def _service(self, service: Service) -> dict[str, object]:
        return {
            "service_code": service.code,
            "service_name": service.name["zh-CN"],
            "description": service.name["en"],
            "metadata": "true" if service.attributes else "false",
            "type": "realtime",
            "keywords": service.group,
            "group": service.group,
        }

    def _request(self, report: Report, matter: Matter, caller: Caller | None) -> dict[str, object]:
        given = report.given
        own = caller is not None and given.source == f"open311:{caller.id}"
        service = self._intake.rules.services.get(matter.service)
        unit = self._intake.unit_title(matter.handler)
        changed = max(report.updated_at, matter.updated_at)

        def degrees(value: float | None) -> float | None:
            return value if value is None or own else round(value, 3)

        return {
            "service_request_id": report.id,
            "status": "open" if matter.state in _OPEN else "closed",
            "status_notes": self._notes(matter),
            "service_name": "" if service is None else service.name["zh-CN"],
            "service_code": matter.service,
            "description": given.text if own else "",
            "agency_responsible": "" if unit is None else unit["zh-CN"],
            "service_notice": "",
            "requested_datetime": _written(given.at),
            "updated_datetime": _written(changed),
            "expected_datetime": "",
            "address": given.address if own else "",
            "address_id": "",
            "zipcode": "",
            "lat": degrees(given.lat),
            "long": degrees(given.lon),
            "media_url": given.media if own and given.media else "",
        }

    def _notes(self, matter: Matter) -> str:
        unit = self._intake.unit_title(matter.handler)
        who = "" if unit is None else unit["zh-CN"]
        notes = {
            "open": "已受理，待派单",
            "dispatching": "正在派单",
            "dispatched": f"已派单，{who}办理中",
            "closed": f"已办结（{who}）",
        }
        return notes.get(matter.state, "已审核，不予派单" if matter.state == "dismissed" else "已并入其他事项")


def _complete(service: Service, attributes: Mapping[str, object]) -> None:
    """Raise unless every required attribute is there and every chosen value is one of the list."""
    for each in service.attributes:
        code = str(each["code"])
        given = attributes.get(code)
        if each.get("required") and not given:
            raise _Wrong(400, f"attribute[{code}] is required")
        values = each.get("values")
        if given and isinstance(values, list):
            keys = {str(value["key"]) for value in values}
            chosen = given if isinstance(given, list) else [given]
            if not set(chosen) <= keys:
                raise _Wrong(400, f"attribute[{code}] is one of {', '.join(sorted(keys))}")


def _attribute(raw: Mapping[str, object], order: int) -> dict[str, object]:
    values = raw.get("values")
    name = raw["name"]
    assert isinstance(name, Mapping)
    return {
        "variable": "true",
        "code": raw["code"],
        "datatype": raw.get("datatype", "string"),
        "required": "true" if raw.get("required") else "false",
        "datatype_description": "",
        "order": str(order),
        "description": name["zh-CN"],
        "values": [{"key": value["key"], "name": value["name"]["zh-CN"]} for value in values]
        if isinstance(values, list)
        else [],
    }


async def _body(request: Request) -> list[tuple[str, str]]:
    """The fields of a form, read only as far as it may be long."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/x-www-form-urlencoded":
        raise _Wrong(400, "send application/x-www-form-urlencoded; pictures go by media_url")
    length = request.headers.get("content-length", "")
    if not length.isdigit() or int(length) > limits.OPEN311_BYTES:
        raise _Wrong(400, f"a request has a Content-Length of at most {limits.OPEN311_BYTES} bytes")
    raw = await request.body()
    try:
        return parse_qsl(raw.decode("utf-8"), keep_blank_values=False, max_num_fields=200, errors="strict")
    except ValueError:
        raise _Wrong(400, "the form is not UTF-8, or has more than 200 fields") from None


def _degrees(written: str | None, what: str) -> float | None:
    if written is None:
        return None
    try:
        value = float(written)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _Wrong(400, f"{what} is not a number of degrees")
    return value


def _date(written: str | None, what: str) -> datetime | None:
    if not written:
        return None
    try:
        at = datetime.fromisoformat(written.replace(" ", "+"))
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _Wrong(400, f"{what} is written as 2024-03-01T00:00:00Z") from None


def _written(at: datetime) -> str:
    return at.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def _failed(form: str, status: int, description: str) -> Response:
    error: dict[str, object] = {"code": status, "description": description}
    return _shown("xml" if form == "xml" else "json", "errors", [error], status)


def _shown(form: str, name: str, value: object, status: int) -> Response:
    if form == "json":
        return JSONResponse(value, status, headers=_HEADERS)
    root = Element(name)
    _fill(root, value)
    document = b'<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, encoding="utf-8")
    return Response(document, status, headers=_HEADERS, media_type="text/xml")


def _fill(element: Element, value: object) -> None:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            _fill(SubElement(element, str(name)), inner)
    elif isinstance(value, list):
        for inner in value:
            _fill(SubElement(element, _NAMES.get(element.tag, "item")), inner)
    elif value is not None:
        element.text = _XML_UNFIT.sub("", str(value))
