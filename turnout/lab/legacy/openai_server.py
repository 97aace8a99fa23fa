"""A model server of the KServe SDK for one language model: OpenAI's protocol over Hugging Face transformers.

    python openai_server.py --model_name NAME --model_dir DIR --http_port PORT --enable_grpc false

A script of the environment `hf`: it imports nothing of the project. It answers /openai/v1/chat/completions
and /openai/v1/completions, in one piece or streamed, for one request at a time: it knows no batching.
"""

import argparse
import asyncio
import threading
import time
import uuid
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from kserve import ModelServer, model_server
from kserve.errors import InvalidInput
from kserve.protocol.rest.openai import ChatPrompt, OpenAIChatAdapterModel
from kserve.protocol.rest.openai.types import (
    ChatCompletionRequest,
    Completion,
    CompletionChoice,
    CompletionChunk,
    CompletionChunkChoice,
    CompletionLogProbs,
    CompletionRequest,
    UsageInfo,
)
from transformers import AutoModelForCausalLM, AutoTokenizer, LogitsProcessor, StoppingCriteria
from transformers.generation.streamers import BaseStreamer

_DONE = "data: [DONE]\n\n"
_UNFINISHED = "\N{REPLACEMENT CHARACTER}"
"""What a tokenizer shows of a character whose bytes have not all come."""


@dataclass(frozen=True)
class Step:
    """One generated token: its id, its log probability, and the likeliest ones in its place."""

    token: int
    log_probability: float
    top: tuple[tuple[int, float], ...]


class Tap(BaseStreamer):  # type: ignore[misc]  # no types
    """Tells each token of a generation as soon as it is chosen, with the scores that it was chosen by."""

    def __init__(self, candidates: int, say: Callable[[Step | None], None]) -> None:
        """Begin before the prompt."""
        self.scores: Any = None
        self._candidates = candidates
        self._say = say
        self._prompt_is_over = False

    def put(self, value: Any) -> None:
        """The prompt first, then each token."""
        if not self._prompt_is_over:
            self._prompt_is_over = True
            return
        token = int(value.reshape(-1)[0])
        best = torch.topk(self.scores, self._candidates) if self._candidates else None
        top = zip(best.indices.tolist(), best.values.tolist(), strict=True) if best else ()
        self._say(Step(token, float(self.scores[token]), tuple(top)))

    def end(self) -> None:
        """The last token has come."""
        self._say(None)


class Scores(LogitsProcessor):  # type: ignore[misc]  # no types
    """Shows a tap the log probabilities as they are before sampling."""

    def __init__(self, tap: Tap) -> None:
        """Remember whom to show them to."""
        self._tap = tap

    def __call__(self, input_ids: Any, scores: Any) -> Any:  # noqa: ARG002 -- the signature of a processor
        """Change nothing."""
        self._tap.scores = torch.log_softmax(scores[0].float(), dim=-1)
        return scores


class Cancelled(StoppingCriteria):  # type: ignore[misc]  # no types
    """Ends a generation that nobody listens to any more."""

    def __init__(self, event: threading.Event) -> None:
        """Remember what says so."""
        self._event = event

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:  # noqa: ARG002 -- a criterion's signature
        """Stop once the event is set."""
        return torch.full((input_ids.shape[0],), self._event.is_set())


@dataclass
class Text:
    """What has been generated, as text: a character is shown once all of its bytes have come."""

    decode: Callable[[list[int]], str]
    tokens: list[int] = field(default_factory=list)
    shown: str = ""

    def add(self, token: int) -> str:
        """Take a token; returns what can be shown because of it."""
        self.tokens.append(token)
        whole = self.decode(self.tokens)
        if whole.endswith(_UNFINISHED):
            return ""
        new, self.shown = whole[len(self.shown) :], whole
        return new


class LanguageModel(OpenAIChatAdapterModel):  # type: ignore[misc]  # the SDK publishes no types
    """One causal language model."""

    def __init__(self, name: str, directory: Path) -> None:
        """Load the model in the number format that the CPU is quick with."""
        super().__init__(name)
        self._tokenizer = AutoTokenizer.from_pretrained(directory)
        self._model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
        self._context = int(self._model.config.max_position_embeddings)
        self._one_at_a_time = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1)  # each new one would bring threads of its own

    def apply_chat_template(self, request: ChatCompletionRequest) -> ChatPrompt:
        """Write the messages out as the model was trained on them."""
        prompt = self._tokenizer.apply_chat_template(
            request.messages, tokenize=False, add_generation_prompt=True
        )
        return ChatPrompt(prompt=prompt)

    @classmethod
    def chat_completion_params_to_completion_params(
        cls, request: ChatCompletionRequest, prompt: str
    ) -> CompletionRequest:
        """What the SDK's own mapping leaves out is carried over too."""
        asked = super().chat_completion_params_to_completion_params(request, prompt)
        asked.max_tokens = request.max_completion_tokens or request.max_tokens
        asked.add_special_tokens = False  # the template has written them
        asked.logprobs = (request.top_logprobs or 0) if request.logprobs else None
        asked.stream_options = request.stream_options
        asked.return_token_ids = request.return_token_ids
        return asked

    @classmethod
    def completion_to_chat_completion(cls, completion: Completion, role: str) -> Any:
        """The SDK's own mapping, with the ids of the tokens where they were asked for."""
        answer = super().completion_to_chat_completion(completion, role)
        answer.prompt_token_ids = completion.choices[0].prompt_token_ids
        answer.choices[0].token_ids = completion.choices[0].token_ids
        return answer

    @classmethod
    def completion_to_chat_completion_chunk(cls, completion: CompletionChunk, role: str) -> Any:
        """The SDK's own mapping, with the usage and the ids of the tokens where they were asked for."""
        chunk = super().completion_to_chat_completion_chunk(completion, role)
        chunk.usage = completion.usage
        if completion.choices:
            chunk.prompt_token_ids = completion.choices[0].prompt_token_ids
            chunk.choices[0].token_ids = completion.choices[0].token_ids
        return chunk

    async def create_completion(
        self, request: CompletionRequest, raw_request: Any = None, context: Any = None  # noqa: ARG002
    ) -> Completion | AsyncGenerator[str, None]:  # fmt: skip
        """Answer a request in one piece, or as a stream."""
        prompt = self._prompt(request)
        if request.stream:
            return self._streamed(request, prompt)
        return await self._whole(request, prompt)

    def _prompt(self, request: CompletionRequest) -> list[int]:
        if not isinstance(request.prompt, str) or request.echo or (request.n or 1) != 1:
            raise InvalidInput("one prompt as text, n = 1 and no echo are supported")
        tokens: list[int] = self._tokenizer(
            request.prompt, add_special_tokens=request.add_special_tokens
        ).input_ids
        if len(tokens) >= self._context:
            raise InvalidInput(f"{len(tokens)} tokens of prompt, and the context is {self._context}")
        return tokens

    async def _whole(self, request: CompletionRequest, prompt: list[int]) -> Completion:
        text, reason, steps = "", "length", []
        async for step, new, ended in self._generated(request, prompt):
            text, reason = text + new, ended or reason
            steps.append(step)
        choice = CompletionChoice(
            index=0, text=text, finish_reason=reason, logprobs=self._log_probabilities(request, steps)
        )
        if request.return_token_ids:
            choice.prompt_token_ids, choice.token_ids = prompt, [step.token for step in steps]
        return Completion(
            model=self.name, choices=[choice], usage=_usage(prompt, len(steps)), **_identity()
        )  # fmt: skip

    async def _streamed(self, request: CompletionRequest, prompt: list[int]) -> AsyncGenerator[str, None]:
        identity, count = _identity(), 0
        async for step, new, ended in self._generated(request, prompt):
            count += 1
            choice = CompletionChunkChoice(
                index=0, text=new, finish_reason=ended, logprobs=self._log_probabilities(request, [step])
            )
            if request.return_token_ids:
                choice.token_ids, choice.prompt_token_ids = [step.token], prompt if count == 1 else None
            yield _event(CompletionChunk(model=self.name, choices=[choice], **identity))
        if request.stream_options and request.stream_options.include_usage:
            usage = _usage(prompt, count)
            yield _event(CompletionChunk(model=self.name, choices=[], usage=usage, **identity))
        yield _DONE

    async def _generated(
        self, request: CompletionRequest, prompt: list[int]
    ) -> AsyncGenerator[tuple[Step, str, str | None], None]:
        """Each token with the text that it adds, and at the last one why it is the last."""
        stops = [request.stop] if isinstance(request.stop, str) else request.stop or []
        most = min(request.max_tokens or self._context, self._context - len(prompt))
        async with self._one_at_a_time:
            text, count = Text(lambda ids: self._tokenizer.decode(ids, skip_special_tokens=True)), 0
            async for step in self._steps(request, prompt, most):
                count += 1
                before = text.shown
                new = text.add(step.token)
                cut = min((at for stop in stops if (at := text.shown.find(stop)) >= 0), default=None)
                if cut is not None:
                    yield step, text.shown[len(before) : cut], "stop"
                    return
                ended = "stop" if step.token == self._tokenizer.eos_token_id else None
                yield step, new, ended or ("length" if count == most else None)

    async def _steps(
        self, request: CompletionRequest, prompt: list[int], most: int
    ) -> AsyncGenerator[Step, None]:
        """Generate in a thread; whoever stops listening ends it at the next token."""
        queue: asyncio.Queue[Step | Exception | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        tap = Tap(request.logprobs or 0, partial(_tell, loop, queue))
        cancelled = threading.Event()
        watched = {
            "streamer": tap,
            "logits_processor": [Scores(tap)],
            "stopping_criteria": [Cancelled(cancelled)],
        }
        say = partial(_tell, loop, queue)
        generation = loop.run_in_executor(self._thread, self._generate, request, prompt, most, watched, say)
        try:
            while (step := await queue.get()) is not None:
                if isinstance(step, Exception):
                    raise step
                yield step
        finally:
            cancelled.set()
            await asyncio.shield(generation)

    def _generate(
        self, request: CompletionRequest, prompt: list[int], most: int, watched: dict[str, Any], say: Any
    ) -> None:
        """One generation from beginning to end; OpenAI's defaults where a parameter is not given."""
        temperature = 1.0 if request.temperature is None else request.temperature
        sampling: dict[str, Any] = {"do_sample": False}
        if temperature > 0:
            top_p = 1.0 if request.top_p is None else request.top_p
            sampling = {"do_sample": True, "temperature": temperature, "top_p": top_p, "top_k": 0}
        if request.seed is not None:
            torch.manual_seed(request.seed)
        ids = torch.tensor([prompt])
        try:
            with torch.inference_mode():
                self._model.generate(
                    ids, attention_mask=torch.ones_like(ids), max_new_tokens=most, **watched, **sampling
                )
        except Exception as error:  # noqa: BLE001 -- told to the request that it belongs to
            say(error)

    def _log_probabilities(self, request: CompletionRequest, steps: list[Step]) -> CompletionLogProbs | None:
        if request.logprobs is None:
            return None
        word = self._tokenizer.decode
        return CompletionLogProbs(
            text_offset=[0] * len(steps),
            tokens=[word([step.token]) for step in steps],
            token_logprobs=[step.log_probability for step in steps],
            top_logprobs=[{word([token]): value for token, value in step.top} for step in steps],
        )


def _tell(loop: asyncio.AbstractEventLoop, queue: Any, what: Any) -> None:
    loop.call_soon_threadsafe(queue.put_nowait, what)


def _usage(prompt: list[int], generated: int) -> UsageInfo:
    return UsageInfo(
        prompt_tokens=len(prompt), completion_tokens=generated, total_tokens=len(prompt) + generated
    )


def _identity() -> dict[str, Any]:
    return {"id": f"cmpl-{uuid.uuid4().hex}", "created": int(time.time())}


def _event(chunk: CompletionChunk) -> str:
    return f"data: {chunk.model_dump_json(exclude_none=True)}\n\n"


def main() -> None:
    """Load the model and serve it."""
    parser = argparse.ArgumentParser(parents=[model_server.parser])
    parser.add_argument("--model_dir", type=Path, required=True)
    arguments, _ = parser.parse_known_args()
    ModelServer().start([LanguageModel(arguments.model_name, arguments.model_dir)])


if __name__ == "__main__":
    main()
