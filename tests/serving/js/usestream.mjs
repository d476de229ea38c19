// The hook `useStream` of @langchain/langgraph-sdk/react, unchanged, in a page with React, against the Agent Server at
// the URL of the first argument.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "@langchain/langgraph-sdk";
import { JSDOM } from "jsdom";

const apiUrl = process.argv[2];
const { window } = new JSDOM("<main></main>", { url: "http://localhost/" });
// React and the hook look for these when they are imported.
for (const [name, value] of Object.entries({ window, document: window.document, navigator: window.navigator })) {
  Object.defineProperty(globalThis, name, { value, configurable: true });
}
const { createElement } = await import("react");
const { createRoot } = await import("react-dom/client");
const { useStream } = await import("@langchain/langgraph-sdk/react");

const client = new Client({ apiUrl });

// A page with one component, which reads `touched` of the hook's result as a real page would while it renders.
function mount(options, touched) {
  const requests = [];
  const noting = async (url, init) => {
    requests.push(`${init?.method ?? "GET"} ${new URL(url).pathname.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "*")}`);
    return fetch(url, init);
  };
  const page = { requests, seen: [], stream: undefined };
  const root = createRoot(window.document.querySelector("main").appendChild(window.document.createElement("div")));
  function Page() {
    page.stream = useStream({ apiUrl, callerOptions: { fetch: noting }, throttle: false, ...options });
    page.seen.push(structuredClone(touched.map((name) => page.stream[name])));
    return null;
  }
  root.render(createElement(Page));
  page.unmount = () => root.unmount();
  return page;
}

async function until(true_, what) {
  for (let waited = 0; waited < 20_000; waited += 10) {
    if (true_()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail(`never: ${what}`);
}

const rendered = (page) => until(() => page.stream !== undefined, "rendered");

async function submitted(page, values, options) {
  let ended = false;
  const submitting = page.stream.submit(values, options).then(() => (ended = true));
  await until(() => ended && !page.stream.isLoading, "the run to end");
  await submitting;
}

test("messages grow token by token, and the thread's history is read at the end", async () => {
  let thread;
  const page = mount({ assistantId: "chat", fetchStateHistory: true, onThreadId: (id) => (thread = id) }, ["messages", "values"]);
  await rendered(page);
  await submitted(page, { messages: [{ type: "human", content: "1+2?" }] });
  const { messages } = page.stream;
  assert.deepEqual(messages.map((message) => message.type), ["human", "ai", "tool", "ai"]);
  assert.deepEqual(messages.map((message) => message.content), ["1+2?", "", "3", "The sum is 3"]);
  assert.deepEqual(messages[1].tool_calls.map((call) => [call.name, call.args]), [["add", { a: 1, b: 2 }]]);
  const last = page.seen.map(([messages_]) => messages_.at(-1)?.content);
  assert.ok(last.includes("The sum"), `no partial message among ${JSON.stringify(last)}`);
  assert.deepEqual((await client.threads.getState(thread)).values.messages.length, 4);
  assert.deepEqual(page.requests, ["POST /threads", "POST /threads/*/runs/stream", "POST /threads/*/history"]);
  page.unmount();
});

test("events of the legacy kind and custom data reach their callbacks", async () => {
  const events = [];
  const written = [];
  const options = { onLangChainEvent: (event) => events.push(event), onCustomEvent: (data) => written.push(data) };
  const page = mount({ assistantId: "custom", ...options }, ["values"]);
  await rendered(page);
  await submitted(page, { n: 1 });
  assert.deepEqual(written, [{ progress: 1, of: 2 }, "just a string", { progress: 2, of: 2 }]);
  const kinds = ["on_chain_start", "on_chain_start", "on_custom_event", "on_chain_stream", "on_chain_end", "on_chain_end"];
  assert.deepEqual(events.map((event) => event.event), kinds);
  assert.deepEqual(page.stream.values, { n: 1, log: ["custom"] });
  page.unmount();
});

test("an interrupt is shown and answered", async () => {
  const page = mount({ assistantId: "human" }, ["values", "interrupt"]);
  await rendered(page);
  await submitted(page, { n: 7 });
  await until(() => page.stream.interrupt !== undefined, "an interrupt");
  assert.deepEqual(page.stream.interrupt.value, { question: "approve?", n: 7 });
  await submitted(page, undefined, { command: { resume: "yes" } });
  assert.equal(page.stream.interrupt, undefined);
  assert.deepEqual(page.stream.values, { n: 7, log: ["prep", "answered:yes", "fin"] });
  page.unmount();
});

test("an error is shown", async () => {
  const told = [];
  const page = mount({ assistantId: "err", onError: (error) => told.push(error) }, ["values", "error"]);
  await rendered(page);
  await submitted(page, { n: 0 });
  assert.match(String(page.stream.error), /boom: bad value/);
  assert.equal(told.length, 1);
  page.unmount();
});

test("the state without its history", async () => {
  const page = mount({ assistantId: "qa", fetchStateHistory: false, onFinish: (state) => state }, ["values"]);
  await rendered(page);
  await submitted(page, { question: "q?" });
  assert.equal(page.stream.values.answer, "Hello big world");
  assert.equal(page.requests.at(-1), "GET /threads/*/state");
  page.unmount();
});

test("a run is stopped", async () => {
  let run;
  const page = mount({ assistantId: "slow", onCreated: (made) => (run = made), onCustomEvent: () => {} }, ["values"]);
  await rendered(page);
  page.stream.submit({ n: 20 });
  await until(() => page.stream.values.log?.length === 1, "the first step");
  await page.stream.stop();
  await until(() => !page.stream.isLoading, "the end");
  const status = async () => (await client.runs.get(run.thread_id, run.run_id)).status;
  for (let waited = 0; waited < 100 && (await status()) === "running"; waited++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.equal(await status(), "interrupted");
  page.unmount();
});

test("a page that comes back finds its run where it is", async () => {
  let threadId;
  const options = { assistantId: "slow", reconnectOnMount: true };
  const first = mount({ ...options, onThreadId: (id) => (threadId = id) }, ["values"]);
  await rendered(first);
  first.stream.submit({ n: 6 }).catch(() => {});
  await until(() => first.stream.values.log?.length === 1, "the first step");
  first.unmount();
  const ticks = [];
  const second = mount({ ...options, threadId, onCustomEvent: (data) => ticks.push(data.tick) }, ["values"]);
  await until(() => second.stream?.values.log?.length === 2 && !second.stream.isLoading, "the end of the run");
  assert.deepEqual(second.stream.values, { n: 6, log: ["pre", "slow6"] });
  assert.ok(second.requests.includes("GET /threads/*/runs/*/stream"));
  second.unmount();
});
