// A program that uses openapi-fetch with the types which openapi-typescript makes of the API's description: what does not
// fit them is not compiled. It prints the secret of the hook that it made, and the change that tested it.

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";

import createClient from "openapi-fetch";

import type { components, paths } from "./api.js";

type Schemas = components["schemas"];
type Json = "application/json" | "application/problem+json";

const SECONDS = 30;

function setting(name: string): string {
  const value = process.env[name];
  assert(value !== undefined, `${name} is set`);
  return value;
}

const credentials = Buffer.from(`${setting("TRACKER_USER")}:${setting("TRACKER_PASSWORD")}`).toString("base64");
const tracker = createClient<paths, Json>({
  baseUrl: setting("TRACKER_URL"),
  headers: { Authorization: `Basic ${credentials}` },
});

function given<T>(data: T | undefined, error?: Schemas["Problem"]): T {
  assert(data !== undefined, JSON.stringify(error));
  return data;
}

function ids(page: Schemas["InstanceList"]): string[] {
  return page.instances.map((instance) => instance.id);
}

// Page by page.
const first = await tracker.GET("/api/instances", { params: { query: { limit: 2 } } });
assert.deepEqual(ids(given(first.data, first.error)), ["inst0", "inst1"]);
const cursor = first.response.headers.get("Tracker-Cursor");
assert(cursor !== null);
const after = /[?&]after=([^&>]+)/.exec(first.response.headers.get("Link") ?? "")?.[1];
assert(after !== undefined);
const rest = await tracker.GET("/api/instances", { params: { query: { limit: 2, after: decodeURIComponent(after) } } });
assert.deepEqual(ids(given(rest.data, rest.error)), ["inst3"]);

// Filtered.
const running = await tracker.GET("/api/instances", { params: { query: { state: "RUNNING", realm_id: "eu" } } });
assert.deepEqual(ids(given(running.data, running.error)), ["inst3"]);
// @ts-expect-error No instance is ever in that state.
const asleep = await tracker.GET("/api/instances", { params: { query: { state: "ASLEEP" } } });
const refused: Schemas["Problem"] = given(asleep.error);
assert.equal(refused.type, "/problems/invalid-parameter");

// One of them.
const one = await tracker.GET("/api/instances/{id}", { params: { path: { id: "inst1" } } });
const inst1: Schemas["Instance"] = given(one.data, one.error);
const owner: string | null = inst1.owner;
assert.deepEqual([inst1.state, owner], ["RUNNING", "mockuser"]);

// An error is a problem.
const missing = await tracker.GET("/api/instances/{id}", { params: { path: { id: "none" } } });
const problem: Schemas["Problem"] = given(missing.error);
assert.deepEqual([problem.type, problem.status], ["/problems/instance-not-found", 404]);

// A hook is made, and read back without its secret.
const url = setting("RECEIVER");
const made = await tracker.POST("/api/hooks", { body: { url, kinds: ["instance"], mode: "latest" } });
const hook: Schemas["Hook"] = given(made.data, made.error);
assert(hook.secret !== undefined);
const params = { path: { id: hook.id } };
const read = await tracker.GET("/api/hooks/{id}", { params });
const again = given(read.data, read.error);
assert(again.status !== "damaged", "it is whole");
const kinds: Schemas["Kind"][] = again.kinds;
assert.deepEqual([again.status, again.mode, kinds, again.secret], ["active", "latest", ["instance"], undefined]);

// It is tested while the feed is waited on.
const feed = tracker.GET("/api/changes", { params: { query: { since: cursor, type: "hook.test", wait: SECONDS - 10 } } });
const test = await tracker.POST("/api/hooks/{id}/test", { params });
const tested = given(test.data, test.error).change;
const waited = await feed;
const changes = given(waited.data, waited.error);
assert(Array.isArray(changes), "pending changes are read without `since`");
assert.deepEqual(changes.map((change) => [change.id, change.type]), [[tested, "hook.test"]]);

// The receiver has it.
const deadline = performance.now() + SECONDS * 1000;
for (;;) {
  const answer = await tracker.GET("/api/hooks/{id}/deliveries", { params: { ...params, query: { state: "done" } } });
  const [delivery] = given(answer.data, answer.error).deliveries;
  if (delivery !== undefined) {
    assert.deepEqual([delivery.change.id, delivery.attempts[0]?.status], [tested, 204]);
    break;
  }
  assert(performance.now() < deadline, "the test is delivered");
  await pause(50);
}

// It is changed, and deleted.
const changed = await tracker.PUT("/api/hooks/{id}", { params, body: { url, description: "pager" } });
const replaced = given(changed.data, changed.error);
assert.deepEqual([replaced.description, replaced.kinds, replaced.mode], ["pager", [], "every"]);
const removed = await tracker.DELETE("/api/hooks/{id}", { params });
assert.equal(removed.response.status, 204);
const gone = await tracker.GET("/api/hooks/{id}", { params });
assert.equal(given(gone.error).type, "/problems/hook-not-found");

console.log(JSON.stringify({ secret: hook.secret, change: tested }));
