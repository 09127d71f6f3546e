"""The chat lab: an open chat with a named model, or with both, with sampling controls. Nothing of it is stored."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import AsyncIterator
from html import escape, unescape
from typing import Any

import gradio as gr

from app.cleaning import clean_answer, clean_prompt
from app.components import QUIET, html
from app.model_files import NAMES
from app.rounds import longest_answer
from app.runtime import Runtime
from training.corpus.lookup import references_in
from training.inference.engines import EngineError, Message, Sampling
from training.inference.engines.spec import MODELS

WHO = {"Model 1": ("model1",), "Model 2": ("model2",), "Both": MODELS}
POLL_SECONDS = 0.08
CLEANING_SHARE = 0.05  # of the time that an answer takes: the whole of it is cleaned anew for each look at it
MAX_TOKENS = 1024
MAX_CHARS = 20_000  # of a message: to clean it takes 7 ms at most, in the thread that all testers share


class Reply:
    """One model's answer as it grows in a thread of its own."""

    def __init__(self, runtime: Runtime, model: str, messages: list[Message], sampling: Sampling) -> None:
        self.text = ""
        self.cancel = threading.Event()
        self._engine = runtime.engines[model]
        self._thread = threading.Thread(target=self._run, args=(messages, sampling), daemon=True)
        self._thread.start()

    def _run(self, messages: list[Message], sampling: Sampling) -> None:
        raw, failure, due = "", "", 0.0
        try:
            if not self._engine.fits(messages, sampling.max_new_tokens):
                raise EngineError("The conversation is too long for this model; clear it, or ask for fewer tokens.")
            most = longest_answer(sampling.max_new_tokens)
            for piece in self._engine.stream(messages, sampling, self.cancel):
                raw += piece.text[: most - len(raw)]
                if time.monotonic() >= due:
                    begun = time.thread_time()
                    self.text = clean_answer(raw)
                    cost = time.thread_time() - begun
                    due = time.monotonic() + max(POLL_SECONDS, cost / CLEANING_SHARE)
                if len(raw) >= most:
                    self.cancel.set()
        except EngineError as error:
            failure = f"[{error}]"
        self.text = "\n".join(filter(None, (clean_answer(raw), failure)))

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return not self._thread.is_alive()


def lay_out_chat_lab(runtime: Runtime) -> None:
    """Add the lab's components and events to the Blocks at hand."""
    html("<h1>Chat lab</h1>")
    with gr.Row(elem_id="lab-settings"):
        who = gr.Radio(list(WHO), value="Both", label="Chat with", elem_id="lab-who", scale=2)
        temperature = gr.Slider(
            0, 2, runtime.study.temperature, step=0.05, label="Temperature", elem_id="lab-temperature"
        )
        top_p = gr.Slider(0.05, 1, runtime.study.top_p, step=0.05, label="Top-p", elem_id="lab-top-p")
        limit = gr.Slider(
            1, MAX_TOKENS, min(MAX_TOKENS, runtime.study.max_new_tokens), step=1, label="Max tokens",
            elem_id="lab-max-tokens",
        )  # fmt: skip
    system = gr.Textbox(
        label="System prompt (if you like)", placeholder="What the models are told first",
        elem_id="lab-system", max_lines=4,
    )  # fmt: skip
    with gr.Row(elem_id="lab-chats"):
        chats = {
            # What a model writes is shown as the text that it is: rendered, its pictures would ask for addresses with
            # the researcher's login, and its markup could be laid over the page.
            model: gr.Chatbot(
                label=name,
                height=420,
                allow_tags=False,
                render_markdown=False,
                latex_delimiters=[],
                elem_id=f"lab-{model}",
                buttons=["copy"],
            )
            for model, name in NAMES.items()
        }
    with gr.Row(elem_id="lab-composer"):
        prompt = gr.Textbox(
            label="Your message", show_label=False, placeholder="Your message", elem_id="lab-prompt", scale=1,
            max_lines=6,
        )  # fmt: skip
        send = gr.Button("Send", variant="primary", elem_id="lab-send", scale=0)
        stop = gr.Button("Stop", elem_id="lab-stop", scale=0)
        clear = gr.Button("Clear", elem_id="lab-clear", scale=0)
    sources = html(elem_id="lab-sources")
    running = gr.State(value=None)  # this page's replies, for the stop button

    async def ask(
        text: str, names: str, before: str, heat: float, mass: float, tokens: float, *histories: Any
    ) -> AsyncIterator[Any]:
        if any(isinstance(written, str) and len(written) > MAX_CHARS for written in (text, before)):
            raise gr.Error(
                f"A message may have {MAX_CHARS:,} characters here; please shorten it.", print_exception=False
            )
        text = clean_prompt(text) if isinstance(text, str) else ""
        shown = dict(zip(MODELS, histories, strict=True))
        if not text or names not in WHO or not runtime.engines:
            yield text, *shown.values(), gr.skip(), None
            return
        system = clean_prompt(before) if isinstance(before, str) else ""
        first: list[Message] = [Message("system", system)] if system else []
        replies = {}
        for model in WHO[names]:
            sampling = Sampling(int(tokens), float(heat), float(mass), secrets.randbits(31))
            shown[model] = [*shown[model], {"role": "user", "content": escape(text, quote=False)}]
            replies[model] = Reply(runtime, model, first + _plain(shown[model]), sampling)
        emptied: Any = ""  # once: what is typed meanwhile stays
        seen: dict[str, str] | None = None
        try:
            while True:
                ended = all(reply.ended for reply in replies.values())
                texts = {model: reply.text for model, reply in replies.items()}
                view = shown | {
                    model: [*shown[model], {"role": "assistant", "content": escape(text, quote=False)}]
                    for model, text in texts.items()
                }
                if texts != seen:  # the whole conversation goes through Gradio each time
                    yield emptied, *view.values(), gr.skip(), list(replies.values())
                    emptied, seen = gr.skip(), texts
                if ended:
                    said = "\n".join([text, *texts.values()])
                    yield (emptied, *view.values(), await asyncio.to_thread(where_to_look, said), None)
                    return
                await asyncio.sleep(POLL_SECONDS)
        finally:
            for reply in replies.values():
                reply.cancel.set()

    def halt(replies: list[Reply] | None) -> None:
        for reply in replies or []:
            reply.cancel.set()

    def show(names: str) -> list[Any]:
        return [gr.update(visible=model in WHO.get(names, MODELS)) for model in MODELS]

    answers_go_to = [prompt, *chats.values(), sources, running]
    inputs = [prompt, who, system, temperature, top_p, limit, *chats.values()]
    for event in (send.click, prompt.submit):
        event(ask, inputs, answers_go_to, concurrency_limit=4, **QUIET)
    stop.click(halt, running, None, **QUIET)
    clear.click(lambda: [*([] for _ in MODELS), ""], None, [*chats.values(), sources], **QUIET)
    who.change(show, who, list(chats.values()), **QUIET)


def where_to_look(text: str) -> str:
    """Which records of the embedded corpus a question and its answers name, and their sources, as HTML; what a model
    said may still be wrong."""
    found = references_in(text)
    if not found:
        return ""
    entries = "".join(f"<li><b>{escape(name)}</b>: {escape(source)}</li>" for name, source in found)
    return f"<p>Where to look up what was named here, as the training's own records say:</p><ul>{entries}</ul>"


def _plain(history: list[Any]) -> list[Message]:
    """The chat component's messages as an engine takes them."""
    messages = []
    for message in history:
        content = message["content"]
        if isinstance(content, list):  # Gradio keeps a message as parts
            content = "".join(part.get("text", "") for part in content if isinstance(part, dict))
        messages.append(Message(message["role"], unescape(str(content))))
    return messages
