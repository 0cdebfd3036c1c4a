"""A strict stand-in for Shopify's Admin API on loopback, as far as bulk queries need it.

Every document is parsed and validated against a schema; a bulk query has to keep to the limits that
Shopify sets. Results come ungrouped, with the lines in no order.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import uvicorn
from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    StringValueNode,
    build_schema,
    get_named_type,
    graphql_sync,
    parse,
    validate,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

_SCHEMA = build_schema(Path(__file__).with_suffix(".graphql").read_text(encoding="utf-8"))
_ROOT = cast("GraphQLObjectType", _SCHEMA.query_type)
_SHOP_TOKEN = "shpat_fictitious"
_MAX_CONNECTIONS = 5
_MAX_DEPTH = 2
_MAX_RUNNING = 5


@dataclass
class Operation:
    """A bulk operation; `polls_left` until it is complete."""

    id: str
    query: str
    created_at: datetime
    lines: bytes
    root_count: int
    polls_left: int
    status: str = "CREATED"
    error_code: str | None = None

    def node(self, base: str, *, is_expired: bool) -> dict[str, Any]:
        done = self.status == "COMPLETED"
        has_file = done and bool(self.lines) and not is_expired
        return {
            "id": self.id,
            "status": self.status,
            "errorCode": self.error_code,
            "createdAt": f"{self.created_at:%Y-%m-%dT%H:%M:%SZ}",
            "objectCount": str(self.lines.count(b"\n") if done else 0),
            "rootObjectCount": str(self.root_count if done else 0),
            "fileSize": str(len(self.lines)) if has_file else None,
            "url": f"{base}/results/{self.id.rpartition('/')[2]}?signature=secret"
            if has_file
            else None,
            "query": self.query,
        }


@dataclass
class Admin:
    """The shop behind the stand-in, and how it misbehaves.

    `orders` and `customers` are objects as a result has them, connections as lists in place. An
    operation is complete when it was asked about `polls` times.
    """

    orders: list[dict[str, Any]] = field(default_factory=list)
    customers: list[dict[str, Any]] = field(default_factory=list)
    scopes: list[str] = field(
        default_factory=lambda: ["read_orders", "read_all_orders", "read_customers"]
    )
    now: datetime = datetime(2026, 11, 21, 6, tzinfo=UTC)
    polls: int = 2
    token: str = _SHOP_TOKEN
    operations: list[Operation] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    ranges: list[str | None] = field(default_factory=list)
    # Faults: how many of the next requests fail in this way.
    throttled: int = 0
    unavailable: int = 0
    failing: str | None = None
    cut_off: int = 0
    base: str = ""

    def started(self) -> list[str]:
        """What the operations asked for, in order: `orders`, `customers`, `all-orders`."""
        return [
            "all-orders"
            if "createdAt" not in operation.query
            else "customers"
            if "customers" in operation.query.split("{")[1]
            else "orders"
            for operation in self.operations
        ]

    def run(self, query: str) -> dict[str, Any]:
        """The payload of `bulkOperationRunQuery`."""
        running = sum(op.status in {"CREATED", "RUNNING"} for op in self.operations)
        if running >= _MAX_RUNNING:
            return _refused("LIMIT_REACHED", "Bulk operations limit reached")
        try:
            roots, lines = self._execute(query)
        except GraphQLError as error:
            return _refused("INVALID", error.message)
        operation = Operation(
            f"gid://shopify/BulkOperation/{len(self.operations) + 1}",
            query,
            self._tick(),
            lines,
            roots,
            self.polls,
        )
        self.operations.append(operation)
        return {"bulkOperation": self._node(operation), "userErrors": []}

    def poll(self, operation_id: str) -> dict[str, Any] | None:
        for operation in self.operations:
            if operation.id == operation_id:
                self._advance(operation)
                return self._node(operation)
        return None

    def _advance(self, operation: Operation) -> None:
        if operation.status not in {"CREATED", "RUNNING"}:
            return
        operation.polls_left -= 1
        operation.status = "RUNNING"
        if operation.polls_left <= 0:
            operation.status = "FAILED" if self.failing else "COMPLETED"
            operation.error_code, self.failing = self.failing, None

    def _node(self, operation: Operation) -> dict[str, Any]:
        expired = self.now - operation.created_at > timedelta(days=7)
        return operation.node(self.base, is_expired=expired)

    def _tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def _execute(self, query: str) -> tuple[int, bytes]:
        document = parse(query)
        if errors := validate(_SCHEMA, document):
            raise errors[0]
        [definition] = document.definitions
        if not isinstance(definition, OperationDefinitionNode):
            raise GraphQLError("a bulk query is one query")
        roots = _fields(definition.selection_set)
        if len(roots) != 1 or roots[0].name.value not in {"orders", "customers"}:
            raise GraphQLError("a bulk query has one connection at its top")
        _require_limits(_ROOT, definition.selection_set)
        root = roots[0]
        objects = self.orders if root.name.value == "orders" else self.customers
        since = _since(root)
        seen_from = datetime.min.replace(tzinfo=UTC)
        if root.name.value == "orders" and "read_all_orders" not in self.scopes:
            seen_from = self.now - timedelta(days=60)
        lines: list[str] = []
        count = 0
        for one in objects:
            if _instant(one["updatedAt"]) >= since and _instant(one["createdAt"]) >= seen_from:
                count += 1
                _project(one, _node_of(root), None, lines)
        random.Random(hashlib.sha256(query.encode()).digest()).shuffle(lines)
        return count, "".join(f"{line}\n" for line in lines).encode()


def _since(root: FieldNode) -> datetime:
    for argument in root.arguments:
        if argument.name.value == "query" and isinstance(argument.value, StringValueNode):
            match = re.fullmatch(r"updated_at:>='([0-9TZ:-]+)'", argument.value.value)
            if match is None:
                raise GraphQLError("the search of the query is not understood")
            return _instant(match[1])
    return datetime.min.replace(tzinfo=UTC)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _refused(code: str, message: str) -> dict[str, Any]:
    return {"bulkOperation": None, "userErrors": [{"code": code, "message": message}]}


def _fields(selections: SelectionSetNode | None) -> list[FieldNode]:
    found: list[FieldNode] = []
    for selection in selections.selections if selections else ():
        if isinstance(selection, FieldNode):
            found.append(selection)
        elif isinstance(selection, InlineFragmentNode):
            found += _fields(selection.selection_set)
        elif isinstance(selection, FragmentSpreadNode):
            raise GraphQLError("fragments are not allowed in bulk queries")
    return found


def _require_limits(root: GraphQLObjectType, selections: SelectionSetNode) -> None:
    """Five connections, two levels of them, none inside a list, and every node with its id."""
    connections = 0

    def look(kind: Any, chosen: SelectionSetNode | None, depth: int, in_list: bool) -> None:
        nonlocal connections
        for selected in _fields(chosen):
            name = selected.name.value
            if name == "__typename" or not hasattr(kind, "fields") or name not in kind.fields:
                continue
            declared = kind.fields[name].type
            inner = get_named_type(declared)
            bare = declared.of_type if isinstance(declared, GraphQLNonNull) else declared
            is_connection = inner.name.endswith("Connection")
            if is_connection and in_list:
                raise GraphQLError("a connection inside a list cannot be asked for in bulk")
            connections += is_connection
            if is_connection and depth + 1 > _MAX_DEPTH:
                raise GraphQLError("connections are nested too deep")
            is_list = isinstance(bare, GraphQLList) and name != "edges"
            look(inner, selected.selection_set, depth + is_connection, in_list or is_list)

    look(root, selections, 0, in_list=False)
    if connections > _MAX_CONNECTIONS:
        raise GraphQLError("a bulk query has at most five connections")


def _node_of(connection: FieldNode) -> SelectionSetNode:
    [edges] = _fields(connection.selection_set)
    [node] = _fields(edges.selection_set)
    return _below(node)


def _below(selected: FieldNode) -> SelectionSetNode:
    assert selected.selection_set is not None
    return selected.selection_set


def _project(
    one: dict[str, Any], selections: SelectionSetNode, parent: str | None, lines: list[str]
) -> None:
    """Write an object and what its connections hold, each as a line of its own."""
    content = _chosen(one, selections, lines)
    if parent is not None:
        content["__parentId"] = parent
    lines.append(json.dumps(content))


def _chosen(one: dict[str, Any], selections: SelectionSetNode, lines: list[str]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for selection in selections.selections:
        if isinstance(selection, InlineFragmentNode):
            assert selection.type_condition is not None
            if selection.type_condition.name.value == one.get("__typename"):
                content |= _chosen(one, selection.selection_set, lines)
            continue
        assert isinstance(selection, FieldNode)
        name = selection.name.value
        value = one.get(name)
        if selection.selection_set is None:
            content[name] = value
        elif _is_connection(selection):
            for child in value or []:
                _project(child, _node_of(selection), one["id"], lines)
        elif isinstance(value, list):
            content[name] = [_chosen(item, _below(selection), lines) for item in value]
        else:
            content[name] = value and _chosen(value, _below(selection), lines)
    return content


def _is_connection(selected: FieldNode) -> bool:
    return [inner.name.value for inner in _fields(selected.selection_set)] == ["edges"]


def _app(admin: Admin) -> Starlette:
    async def graphql(request: Request) -> Response:
        admin.asked.append(str(request.url.path))
        if request.path_params["version"] != "2026-10":
            return Response(status_code=404)
        if request.headers.get("x-shopify-access-token") != admin.token:
            return JSONResponse({"errors": "[API] Invalid API key or access token"}, 401)
        if admin.unavailable:
            admin.unavailable -= 1
            return Response("<html>Bad gateway</html>", 502)
        if admin.throttled:
            admin.throttled -= 1
            error = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
            return JSONResponse({"errors": [error]})
        body = await request.json()
        result = graphql_sync(
            _SCHEMA,
            body["query"],
            root_value={
                "currentAppInstallation": {"accessScopes": [{"handle": h} for h in admin.scopes]},
                "bulkOperation": lambda _info, id: admin.poll(id),  # noqa: A006
                "bulkOperationRunQuery": lambda _info, query, **_: admin.run(query),
            },
            variable_values=body.get("variables"),
        )
        content: dict[str, Any] = {"data": result.data}
        if result.errors:
            content["errors"] = [{"message": error.message} for error in result.errors]
        return JSONResponse(content)

    async def download(request: Request) -> Response:
        asked = request.headers.get("range")
        admin.ranges.append(asked)
        if "x-shopify-access-token" in request.headers:
            return Response("the token does not belong here", 400)
        operation = admin.operations[int(request.path_params["number"]) - 1]
        if request.query_params.get("signature") != "secret":
            return Response(status_code=403)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        rest = operation.lines[start:]
        headers = {"content-length": str(len(rest))}
        if admin.cut_off:
            admin.cut_off -= 1
            rest = rest[: len(rest) // 2]
        return Response(rest, 206 if asked else 200, headers=headers)

    return Starlette(
        routes=[
            Route("/admin/api/{version}/graphql.json", graphql, methods=["POST"]),
            Route("/results/{number}", download),
        ]
    )


@contextmanager
def serving(admin: Admin) -> Iterator[str]:
    """Serve the stand-in on loopback; gives its base URL."""
    config = uvicorn.Config(_app(admin), host="127.0.0.1", port=0, log_level="critical")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    admin.base = f"http://127.0.0.1:{port}"
    try:
        yield admin.base
    finally:
        server.should_exit = True
        thread.join(10)
