#!/usr/bin/env python3
"""Renders the templates of this folder and the table of constructs below with jinja2, set up as
transformers sets it up (utils/chat_template_utils.py), and writes what the Java side has to match:

    python3 render.py > expected.json    (Python 3.11, jinja2 3.1.6)

Each entry holds a template, its variables, and one of: "text", "sha256" (of a long text),
"raises" (the message of raise_exception), "fails" (any other error; its wording is jinja2's)."""
import copy
import datetime
import hashlib
import json
import pathlib

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.sandbox

TODAY = datetime.datetime(2025, 3, 7, 9, 5, 2)
HERE = pathlib.Path(__file__).parent


class Generation(jinja2.ext.Extension):
    """transformers' {% generation %}: a block of its own scope that marks the assistant's text."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_same"), [], [], body).set_lineno(line)

    def _same(self, caller):
        return caller()


class Raised(jinja2.TemplateError):
    pass


def environment():
    def raise_exception(message):
        raise Raised(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(
            x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
        )

    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = TODAY.strftime
    return env


ENV = environment()


def render(template, variables):
    try:
        text = ENV.from_string(template).render(**variables)
    except Raised as e:
        return {"raises": str(e)}
    except Exception as e:
        return {"fails": f"{type(e).__name__}: {e}"}
    if len(text) > 4000:
        return {"sha256": hashlib.sha256(text.encode()).hexdigest(), "characters": len(text)}
    return {"text": text}


def u(content):
    return {"role": "user", "content": content}


def a(content, **more):
    return {"role": "assistant", "content": content, **more}


def s(content):
    return {"role": "system", "content": content}


CALL = {"id": "abcdefghi", "type": "function", "function": {"name": "weather", "arguments": {"place": "Zürich", "days": 2}}}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "The weather's \"look\" <at> a place & time",
            "parameters": {"type": "object", "properties": {"place": {"type": "string"}, "days": {"type": "integer"}}, "required": ["place"]},
            "return": {"type": "string"},
        },
    },
    {"type": "function", "function": {"name": "time", "parameters": {}}},
]
CONVERSATIONS = {
    "one question": [u("Hi")],
    "rules": [s("Be brief."), u("Hi")],
    "several turns": [s(" Be brief.\n"), u("Hi"), a("Hello."), u("  Why? "), a("Because.\n\n"), u("\tAnd\n")],
    "no rules": [u("Hi"), a("Hello."), u("Why?")],
    "unicode": [u("Grüße, 世界! 👩‍👩‍👧 é \u00a0 नमस्ते"), a("\u3000 😀 "), u("\u2028x\u0085")],
    "like a template": [u("{{ bos_token }}{% if %}{# #}"), a("\\n {{'"), u("%}}}")],
    "special tokens": [u("<|im_end|></s>[INST]<|eot_id|>"), a("<s>"), u("x")],
    "empty": [u(""), a(""), u("")],
    "words that look false": [s("false"), u("none"), a("0"), u("False")],
    "newlines": [u("\n\na\r\nb\rc\n\n"), a("\n"), u("\n")],
    "assistant last": [u("Hi"), a("The answer is ")],
    "two questions": [u("Hi"), u("Why?")],
    "begins with an answer": [a("Hello."), u("Hi")],
    "rules twice": [s("One."), u("Hi"), s("Two."), u("Why?")],
    "rules only": [s("Be brief.")],
    "nothing": [],
    "another role": [u("Hi"), {"role": "critic", "content": "Hm."}, u("Why?")],
    "thoughts": [u("Hi"), a("<think>\nhm\n\n</think>\n\nHello."), u("Why?"), a("<think>\nwell\n</think>\n\n\nSo.")],
    "thoughts apart": [u("Hi"), a("Hello.", reasoning_content="\nhm\n")],
    "half a thought": [u("Hi"), a("hm</think>Hello."), u("<tool_response>x</tool_response>"), a("y</think>z")],
    "very long": [s("Long. " * 500)] + [m for i in range(150) for m in (u(f"{i} what? " * 9), a(f"{i} that! " * 9))] + [u("End.")],
}
TOOL_CONVERSATIONS = {
    "tools at hand": [s("Be brief."), u("The weather?")],
    "a call": [u("The weather?"), a("", tool_calls=[CALL]), {"role": "tool", "content": "sun ☀", "tool_call_id": "abcdefghi"}, a("Sun."), u("Thanks")],
    "two calls": [u("The weather?"), a("Wait.", tool_calls=[CALL, CALL]), {"role": "tool", "content": "a", "tool_call_id": "abcdefghi"}, {"role": "tool", "content": "b", "tool_call_id": "abcdefghi"}],
    "a short id": [u("The weather?"), a("", tool_calls=[{**CALL, "id": "x"}])],
}
FAMILIES = {
    "llama2": {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
    "llama3": {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
    "llama31": {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
    "llama32": {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
    "mistral": {"bos_token": "<s>", "eos_token": "</s>"},
    "mistral3": {"bos_token": "<s>", "eos_token": "</s>"},
    "mixtral": {"bos_token": "<s>", "eos_token": "</s>"},
    "qwen2": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    "qwen25": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    "qwen3": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
}
VARIANTS = {
    "llama31": [{"tools": TOOLS, "builtin_tools": ["brave_search", "code_interpreter", "weather"]}, {"tools": TOOLS, "tools_in_user_message": False}, {"date_string": "1 Jan 2030"}],
    "qwen3": [{"enable_thinking": False}, {"enable_thinking": True}],
}


def families():
    out = {}
    for name, tokens in FAMILIES.items():
        template = (HERE / f"{name}.jinja").read_text()
        cases = []

        def case(messages, title, variables):
            always = {"tools": None, "documents": None}
            result = render(template, {**always, **tokens, "messages": messages, **variables})
            cases.append({"conversation": title, "variables": variables, **result})

        for title, messages in CONVERSATIONS.items():
            for prompt in (True, False):
                case(messages, title, {"add_generation_prompt": prompt})
        for title, messages in TOOL_CONVERSATIONS.items():
            case(messages, title, {"add_generation_prompt": True, "tools": TOOLS})
            case(messages, title, {"add_generation_prompt": True})
        for variables in VARIANTS.get(name, []):
            for title in ("several turns", "thoughts"):
                case(CONVERSATIONS[title], title, {"add_generation_prompt": True, **variables})
            case(TOOL_CONVERSATIONS["a call"], "a call", {"add_generation_prompt": True, **variables})
        out[name] = {"tokens": tokens, "cases": cases}
    return out


VALUES = {
    "messages": CONVERSATIONS["several turns"],
    "tools": None,
    "names": ["b", "A", "c", "a"],
    "numbers": [3, 1, 2],
    "map": {"b": 1, "a": "x", "items": 2, "é": [1, 2.5, True, None, "\"\\/\n\t\b\f\u0001\u007f\u2028😀'"]},
    "nested": {"k": {"l": [{"m": 1}, {"m": 2}]}, "empty": {}, "none": [], "t": "a\nb"},
    "text": "  Hello, Wörld 😀! \n",
    "smiley": "a😀b",
    "empty": "",
    "yes": True,
    "nothing": None,
    "number": 7,
    "real": 2.5,
    "quote": "it's \"so\"\n\\",
    "records": [{"n": "x", "v": 2}, {"n": "y", "v": 1}, {"n": "X"}],
    "lines": "one\n\ntwo\r\nthree\n",
}


def constructs():
    lines = (HERE / "constructs.txt").read_text().rstrip("\n").split("\n----\n")
    lines += ["a\r\n  {% if yes %}\r\n  b\r{% endif %}\rc\r\n", "x\n\n", "{{ 'a\r\nb' | length }}"]
    return [{"template": t, **render(t, copy.deepcopy(VALUES))} for t in lines]


if __name__ == "__main__":
    print(
        json.dumps(
            {
                "today": TODAY.isoformat(),
                "values": VALUES,
                "constructs": constructs(),
                "conversations": {**CONVERSATIONS, **TOOL_CONVERSATIONS},
                "families": families(),
            },
            ensure_ascii=False,
            indent=1,
        )
    )
