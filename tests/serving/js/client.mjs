// The client of @langchain/langgraph-sdk, unchanged, against the Agent Server at the URL of the first argument.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "@langchain/langgraph-sdk";

const client = new Client({ apiUrl: process.argv[2] });
const QA = { question: "q?" };
const ANSWERED = { ...QA, answer: "Hello big world" };

const newThread = async () => (await client.threads.create()).thread_id;

async function all(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

async function settled(thread) {
  while ((await client.threads.get(thread)).status === "busy") {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test("a stream of values, on a thread and without one", async () => {
  for (const thread of [await newThread(), null]) {
    let made;
    const onRunCreated = (run) => (made = run);
    const parts = await all(client.runs.stream(thread, "qa", { input: QA, streamMode: "values", onRunCreated }));
    assert.deepEqual(parts.map((part) => part.event), ["metadata", "values", "values"]);
    assert.deepEqual(parts.slice(1).map((part) => part.data), [QA, ANSWERED]);
    assert.equal(made.run_id, parts[0].data.run_id);
    assert.equal(made.thread_id ?? null, thread);
  }
});

test("every mode at once, with subgraphs", async () => {
  const streamMode = ["values", "updates", "messages", "custom", "events", "debug", "tasks", "checkpoints"];
  const stream = client.runs.stream(await newThread(), "sub", { input: { n: 1 }, streamMode, streamSubgraphs: true });
  const kinds = new Set((await all(stream)).map((part) => part.event.split(/[|/]/)[0]));
  assert.deepEqual([...kinds].sort(), ["metadata", ...streamMode].sort());
});

test("tokens as they are made", async () => {
  const stream = client.runs.stream(null, "qa", { input: QA, streamMode: "messages-tuple" });
  const tokens = (await all(stream)).filter((part) => part.event === "messages").map((part) => part.data[0].content);
  assert.deepEqual(tokens, ["Hello", " big", " world", ""]);
});

test("events of the legacy kind", async () => {
  const stream = client.runs.stream(null, "qa", { input: QA, streamMode: "events" });
  const events = (await all(stream)).filter((part) => part.event === "events").map((part) => part.data.event);
  assert.equal(events[0], "on_chain_start");
  assert.equal(events.filter((event) => event === "on_chat_model_stream").length, 4);
  assert.equal(events.at(-1), "on_chain_end");
});

test("an error is the last part", async () => {
  const parts = await all(client.runs.stream(null, "err", { input: { n: 0 }, streamMode: "values" }));
  assert.deepEqual(parts.at(-1), { event: "error", data: { error: "ValueError", message: "boom: bad value" }, id: undefined });
  await assert.rejects(client.runs.wait(null, "err", { input: { n: 0 } }), /boom: bad value/);
});

test("runs in the background are joined, listed and deleted", async () => {
  const thread = await newThread();
  const run = await client.runs.create(thread, "qa", { input: QA });
  assert.equal(run.status, "pending");
  assert.deepEqual(await client.runs.join(thread, run.run_id), ANSWERED);
  await settled(thread);
  assert.deepEqual((await client.runs.list(thread)).map((one) => [one.run_id, one.status]), [[run.run_id, "success"]]);
  await client.runs.delete(thread, run.run_id);
  await assert.rejects(client.runs.get(thread, run.run_id), /404/);
  assert.equal((await client.runs.createBatch([{ assistantId: "trivial", input: {} }, { assistantId: "qa", input: QA }])).length, 2);
});

test("a stream is joined where it was left", async () => {
  const thread = await newThread();
  const asked = { input: { n: 4 }, streamMode: ["values", "custom"], streamResumable: true };
  const seen = [];
  for await (const part of client.runs.stream(thread, "slow", asked)) {
    seen.push(part);
    if (part.data?.tick === 1) break;
  }
  const run = seen[0].data.run_id;
  const rest = await all(client.runs.joinStream(thread, run, { lastEventId: seen.at(-1).id }));
  assert.deepEqual(rest.map((part) => part.data), [{ tick: 2 }, { tick: 3 }, { n: 4, log: ["pre", "slow4"] }]);
  const ticks = await all(client.runs.joinStream(thread, run, { lastEventId: "-1", streamMode: ["custom"] }));
  assert.deepEqual(ticks.map((part) => part.data.tick), [0, 1, 2, 3]);
});

test("a run is cancelled", async () => {
  const thread = await newThread();
  const parts = [];
  for await (const part of client.runs.stream(thread, "slow", { input: { n: 20 }, streamMode: "custom" })) {
    parts.push(part);
    if (part.data.tick === 0) await client.runs.cancel(thread, parts[0].data.run_id);
  }
  assert.ok(parts.length < 6);
  await settled(thread);
  assert.equal((await client.runs.get(thread, parts[0].data.run_id)).status, "interrupted");
});

test("an interrupt is answered, and the states are kept", async () => {
  const thread = await newThread();
  await client.runs.wait(thread, "human", { input: { n: 7 } });
  await settled(thread);
  const state = await client.threads.getState(thread);
  assert.deepEqual([state.next, state.tasks[0].interrupts[0].value], [["ask"], { question: "approve?", n: 7 }]);
  const done = await client.runs.wait(thread, "human", { command: { resume: "yes" } });
  assert.deepEqual(done, { n: 7, log: ["prep", "answered:yes", "fin"] });
  await settled(thread);
  const history = await client.threads.getHistory(thread, { limit: 10 });
  assert.deepEqual(history.map((one) => one.next), [[], ["fin"], ["ask"], ["prep"], ["__start__"]]);
  await client.threads.updateState(thread, { values: { log: ["late"] }, asNode: "prep" });
  assert.deepEqual((await client.threads.getState(thread)).next, ["ask"]);
});

test("threads are made, found and deleted", async () => {
  const owner = await newThread();
  const made = await client.threads.create({ metadata: { owner } });
  await client.threads.update(made.thread_id, { metadata: { more: 1 } });
  const found = await client.threads.search({ metadata: { owner } });
  assert.deepEqual(found.map((one) => [one.thread_id, one.metadata]), [[made.thread_id, { owner, more: 1 }]]);
  assert.equal(await client.threads.count({ metadata: { owner } }), 1);
  await client.threads.delete(made.thread_id);
  await assert.rejects(client.threads.get(made.thread_id), /not found/);
});

test("assistants and their graphs", async () => {
  const [qa] = await client.assistants.search({ graphId: "qa", metadata: { created_by: "system" } });
  assert.equal((await client.assistants.get(qa.assistant_id)).graph_id, "qa");
  const graph = await client.assistants.getGraph(qa.assistant_id);
  assert.deepEqual(graph.nodes.map((node) => node.id).sort(), ["__end__", "__start__", "answer"]);
  const schemas = await client.assistants.getSchemas(qa.assistant_id);
  assert.deepEqual(Object.keys(schemas.input_schema.properties).sort(), ["answer", "question"]);
  const made = await client.assistants.create({ graphId: "ctx", context: { who: "js" } });
  const done = await client.runs.wait(null, made.assistant_id, { input: { n: 1 } });
  assert.deepEqual(done.log, ["who=js", "conf=js"]);
  await client.assistants.delete(made.assistant_id);
});

test("the store", async () => {
  const space = [await newThread(), "js"];
  await client.store.putItem(space, "k", { n: 1 });
  assert.deepEqual((await client.store.getItem(space, "k")).value, { n: 1 });
  assert.deepEqual((await client.store.searchItems([space[0]])).items.map((item) => item.key), ["k"]);
  await client.store.deleteItem(space, "k");
});

test("a connection that breaks is taken up again, without loss", async () => {
  // The second request to a stream carries the id of the last event that was seen.
  const asked = [];
  let broken = false;
  const breaking = async (url, init) => {
    asked.push([init?.method ?? "GET", new Headers(init?.headers).get("last-event-id")]);
    const response = await fetch(url, init);
    if (broken || !response.body) return response;
    broken = true;
    let count = 0;
    const body = response.body.pipeThrough(
      new TransformStream({
        transform(chunk, controller) {
          if (++count > 4) controller.error(new TypeError("terminated"));
          else controller.enqueue(chunk);
        },
      }),
    );
    return new Response(body, { status: response.status, headers: response.headers });
  };
  const other = new Client({ apiUrl: process.argv[2], callerOptions: { fetch: breaking } });
  const thread = await newThread();
  const stream = other.runs.stream(thread, "slow", { input: { n: 5 }, streamMode: ["custom"], streamResumable: true });
  const ticks = (await all(stream)).filter((part) => part.event === "custom").map((part) => part.data.tick);
  assert.deepEqual(ticks, [0, 1, 2, 3, 4]);
  assert.deepEqual(asked.map(([method]) => method), ["POST", "GET"]);
  assert.ok(asked[1][1]);
});
