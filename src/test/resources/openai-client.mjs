// What an application does with the official client, against a running server. Prints a line for each
// check and ends with 1 if one fails.
//
// OPENAI_BASE_URL, OPENAI_API_KEY  a tenant without limits, which has the adapter "sql"
// ARIL_KEY_NARROW                  a tenant that may have one request at a time
// ARIL_KEY_SMALL                   a tenant that may spend 50 tokens a minute
import assert from "node:assert/strict";
import OpenAI from "openai";

const BASE = "novella-11m";
const QUESTION = "Show the team and salary of employees whose team is design.";
const STATEMENT = "SELECT team, salary FROM employees WHERE team = 'design';";

let calls = [];
const counting = async (url, init) => {
  const response = await fetch(url, init);
  calls.push(response.status);
  return response;
};
const client = (apiKey, options = {}) => new OpenAI({ apiKey, fetch: counting, ...options });
const openai = client(process.env.OPENAI_API_KEY);
const messages = [{ role: "user", content: QUESTION }];

const refused = async (promise, type, status, code) => {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof type, `${error} is a ${type.name}`);
    assert.equal(error.status, status);
    assert.equal(error.code, code);
    assert.ok(error.requestID?.startsWith("req_"), `${error.requestID} names the request`);
    return error;
  }
  assert.fail(`not refused with ${status}`);
};

const checks = {
  async models() {
    const names = [];
    for await (const model of openai.models.list()) {
      names.push(model.id);
      assert.equal(model.object, "model");
    }
    assert.ok(names.includes(BASE) && names.includes("sql"), names.join());
    assert.equal((await openai.models.retrieve("sql")).id, "sql");
    await refused(openai.models.retrieve("shakespeare"), OpenAI.NotFoundError, 404, "model_not_found");
  },

  async chat() {
    const { data, response, request_id } = await openai.chat.completions
      .create({ model: "sql", messages, temperature: 0 })
      .withResponse();
    assert.equal(data.choices[0].message.content, STATEMENT);
    assert.equal(data.choices[0].finish_reason, "stop");
    assert.equal(data.usage.total_tokens, data.usage.prompt_tokens + data.usage.completion_tokens);
    assert.ok(request_id.startsWith("req_"));
    assert.match(response.headers.get("openai-processing-ms"), /^[0-9]+$/);
  },

  async chatStream() {
    const stream = await openai.chat.completions.create({
      model: "sql",
      messages,
      temperature: 0,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    let usage = null;
    let end = null;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta?.content ?? "";
      end = chunk.choices[0]?.finish_reason ?? end;
      usage = chunk.usage ?? usage;
    }
    assert.equal(text, STATEMENT);
    assert.equal(end, "stop");
    assert.ok(usage.completion_tokens > 0 && usage.prompt_tokens > 0);
  },

  async runner() {
    const runner = openai.chat.completions.stream({ model: "sql", messages, temperature: 0 });
    assert.equal(await runner.finalContent(), STATEMENT);
  },

  async completions() {
    const one = await openai.completions.create({
      model: BASE, prompt: "It is a truth universally", max_tokens: 8, temperature: 0,
    });
    assert.equal(one.object, "text_completion");
    assert.equal(one.usage.completion_tokens, 8);
    const many = await openai.completions.create({
      model: BASE, prompt: ["It is a truth universally", "The moon"], n: 2, max_tokens: 4, seed: 5,
    });
    assert.deepEqual(many.choices.map((choice) => choice.index), [0, 1, 2, 3]);
    assert.equal(many.usage.completion_tokens, 16);
    const echoed = await openai.completions.create({
      model: BASE, prompt: "It is a truth universally", echo: true, max_tokens: 8, temperature: 0,
    });
    assert.equal(echoed.choices[0].text, "It is a truth universally" + one.choices[0].text);
    let streamed = "";
    for await (const chunk of await openai.completions.create({
      model: BASE, prompt: "It is a truth universally", max_tokens: 8, temperature: 0, stream: true,
    })) {
      streamed += chunk.choices[0].text;
    }
    assert.equal(streamed, one.choices[0].text);
  },

  async logprobs() {
    const answer = await openai.chat.completions.create({
      model: "sql", messages, temperature: 0, logprobs: true, top_logprobs: 5,
    });
    const content = answer.choices[0].logprobs.content;
    assert.equal(content.map((token) => token.token).join(""), STATEMENT);
    for (const token of content) {
      assert.ok(token.logprob <= 0);
      assert.equal(token.top_logprobs.length, 5);
      assert.equal(token.top_logprobs[0].token, token.token); // greedy takes the likeliest
      assert.equal(token.top_logprobs[0].logprob, token.logprob);
      const sum = token.top_logprobs.reduce((all, one) => all + Math.exp(one.logprob), 0);
      assert.ok(sum <= 1.0001);
    }
    const scored = await openai.completions.create({
      model: BASE, prompt: "It is a truth universally", echo: true, logprobs: 2, max_tokens: 0,
    });
    const prompt = scored.choices[0].logprobs;
    assert.equal(prompt.token_logprobs[0], null);
    assert.ok(prompt.token_logprobs.slice(1).every((logprob) => logprob < 0));
    assert.equal(prompt.tokens.length, scored.usage.prompt_tokens);
    assert.equal(scored.usage.completion_tokens, 0);
  },

  async choices() {
    const answer = await openai.chat.completions.create({
      model: BASE, messages, n: 3, seed: 7, temperature: 1, max_tokens: 12,
    });
    const again = await openai.chat.completions.create({
      model: BASE, messages, n: 3, seed: 7, temperature: 1, max_tokens: 12,
    });
    const texts = answer.choices.map((choice) => choice.message.content);
    assert.equal(new Set(texts).size, 3);
    assert.deepEqual(again.choices.map((choice) => choice.message.content), texts);
    const indexes = new Set();
    for await (const chunk of await openai.chat.completions.create({
      model: BASE, messages, n: 3, max_tokens: 4, stream: true,
    })) {
      indexes.add(chunk.choices[0].index);
    }
    assert.deepEqual([...indexes].sort(), [0, 1, 2]);
  },

  async bias() {
    const free = await openai.completions.create({
      model: BASE, prompt: [40, 41, 42], max_tokens: 3, temperature: 0, logit_bias: { 300: 100 },
    });
    const { data } = await openai.completions
      .create({ model: BASE, prompt: [40, 41, 42, 300, 300, 300], echo: true, max_tokens: 0 })
      .withResponse();
    assert.ok(data.choices[0].text.endsWith(free.choices[0].text));
  },

  async errors() {
    await refused(
      client("aril_no_such_key").models.list(), OpenAI.AuthenticationError, 401, "invalid_api_key");
    await refused(
      openai.chat.completions.create({ model: "gpt-4", messages }),
      OpenAI.NotFoundError, 404, "model_not_found");
    const error = await refused(
      openai.chat.completions.create({ model: BASE, messages, tools: [{ type: "function", function: { name: "f" } }] }),
      OpenAI.BadRequestError, 400, "unsupported_parameter");
    assert.equal(error.param, "tools");
    await refused(
      openai.chat.completions.create({ model: BASE, messages, max_tokens: 1_000_000 }),
      OpenAI.BadRequestError, 400, "context_length_exceeded");
  },

  async retries() {
    // what a wait mends is tried again
    const narrow = client(process.env.ARIL_KEY_NARROW, { maxRetries: 10 });
    const long = await narrow.completions.create({
      model: BASE, prompt: "The moon", max_tokens: 60, stream: true, ignore_eos: true,
    });
    calls = [];
    const second = narrow.completions.create({ model: BASE, prompt: "The sun", max_tokens: 2 });
    for await (const _ of long) {
      // read to its end
    }
    assert.equal((await second).choices.length, 1);
    assert.equal(calls.at(-1), 200);
    assert.ok(calls.slice(0, -1).every((status) => status === 429), calls.join());
    // what a wait does not mend is not
    calls = [];
    const small = client(process.env.ARIL_KEY_SMALL, { maxRetries: 3 });
    await refused(
      small.completions.create({ model: BASE, prompt: "The moon", max_tokens: 100 }),
      OpenAI.RateLimitError, 429, "rate_limit_exceeded");
    assert.deepEqual(calls, [429]);
  },

  async abort() {
    const stream = await openai.completions.create({
      model: BASE, prompt: "The moon", max_tokens: 400, stream: true, ignore_eos: true,
    });
    for await (const _ of stream) {
      break; // hangs up
    }
  },

  async idempotency() {
    const headers = { "Idempotency-Key": `suite-${process.pid}-${Date.now()}` };
    const body = { model: BASE, messages, temperature: 1, max_tokens: 10 };
    const first = await openai.chat.completions.create(body, { headers });
    const { data, response } = await openai.chat.completions.create(body, { headers }).withResponse();
    assert.equal(data.id, first.id);
    assert.equal(response.headers.get("idempotent-replayed"), "true");
  },
};

let failed = false;
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log(`ok ${name}`);
  } catch (error) {
    failed = true;
    console.log(`failed ${name}: ${error.stack}`);
  }
}
process.exit(failed ? 1 : 0);
