// `RemoteRunnable` of @langchain/core 0.3, unchanged, against LangServe's routes at the URL of the first argument.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RemoteRunnable } from "langchain-core-legacy/runnables/remote";

const qa = new RemoteRunnable({ url: `${process.argv[2]}/qa` });
const err = new RemoteRunnable({ url: `${process.argv[2]}/err` });
const QUESTION = { question: "q?" };

async function all(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}

test("invoke and batch", async () => {
  assert.equal(await qa.invoke(QUESTION), "Hello big world");
  assert.deepEqual(await qa.batch([QUESTION, QUESTION]), ["Hello big world", "Hello big world"]);
});

test("stream gives the chunks", async () => {
  assert.equal((await all(await qa.stream(QUESTION))).join("|"), "Hello| big| world|");
});

test("streamLog ends with the whole output", async () => {
  const patches = await all(qa.streamLog(QUESTION));
  assert.ok(patches.length > 5);
  const state = patches.reduce((sum, patch) => sum.concat(patch));
  assert.equal(state.state.final_output, "Hello big world");
});

test("streamEvents gives the legacy events", async () => {
  const events = await all(qa.streamEvents(QUESTION, { version: "v2" }));
  const count = (kind) => events.filter((event) => event.event === kind).length;
  assert.deepEqual([events[0].event, events.at(-1).event], ["on_chain_start", "on_chain_end"]);
  assert.deepEqual([count("on_chat_model_stream"), count("on_parser_stream"), count("on_chain_stream")], [4, 4, 4]);
  assert.equal(events.at(-1).data.output, "Hello big world");
});

test("an error is an error", async () => {
  await assert.rejects(err.invoke({ n: 0 }));
  await assert.rejects(async () => all(await err.stream({ n: 0 })));
});
