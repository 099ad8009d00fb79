"""A language model behind any server that speaks the OpenAI chat API."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..extras import install

FORMATS = ('json_schema', 'json_object', 'none')
"""How a server can be held to JSON: by a schema, to any object, or by the prompt alone."""


Parsed = TypeVar('Parsed')


class AnswerError(ValueError):
    """An answer that cannot be used at all; the message says why and goes back to the model."""


class ChatError(RuntimeError):
    """A server that cannot be used: wrong address, key or model, or it stays out of reach."""


@dataclass(frozen=True)
class ChatOptions:
    """Where the model is and how to ask it.

    Attributes
    ----------
    model : str
        Name of the model on the server.
    base_url : str, or None
        Address of the API, up to ``/v1``; ``None``: ``$OPENAI_BASE_URL``, else OpenAI's.
    api_key : str, or None
        ``None``: ``$OPENAI_API_KEY``; a local server needs none.
    temperature : float, or None
        0..2; ``None``: the server's own.
    max_tokens : int, or None
        Most tokens of one answer.
    answer_format : str
        One of :data:`FORMATS`.
    retries : int
        How often a request is repeated after a time-out, a dropped connection, a refusal for the
        rate (429) or a failure of the server (5xx), with growing pauses.
    timeout_s : float
        Longest wait for one answer.
    per_minute : int
        Most requests started in a minute; 0: no limit.
    """

    model: str
    base_url: str | None = None
    api_key: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    answer_format: str = 'json_schema'
    retries: int = 4
    timeout_s: float = 180.0
    per_minute: int = 0


@dataclass
class Usage:
    """Tokens used so far, and what they cost.

    Attributes
    ----------
    price_in, price_out : float
        Per million tokens, in any currency.
    max_cost : float
        No more requests once this much is spent; 0: no limit.
    tokens_in, tokens_out : int
        Tokens of all prompts and of all answers.
    """

    price_in: float = 0.0
    price_out: float = 0.0
    max_cost: float = 0.0
    tokens_in: int = field(default=0, init=False)
    tokens_out: int = field(default=0, init=False)

    @property
    def cost(self) -> float:
        """In the currency of the prices."""
        return (self.tokens_in * self.price_in + self.tokens_out * self.price_out) / 1e6

    @property
    def spent(self) -> bool:
        """Whether the limit of the cost is reached."""
        return bool(self.max_cost) and self.cost >= self.max_cost


class ChatModel:
    """Asks one model; close it at the end (``async with``).

    Raises
    ------
    ImportError
        When the package openai is not installed.
    ChatError
        When no key is given for a server that is not local.
    """

    def __init__(self, options: ChatOptions, usage: Usage | None = None) -> None:
        try:
            import openai
            from aiolimiter import AsyncLimiter
        except ImportError as error:
            raise ImportError('asking a language model needs openai and aiolimiter: '
                              f'{install("dataset")}') from error
        self.options = options
        self.usage = usage or Usage()
        # Bursts of one: a limit of 60 a minute is one a second.
        self._limit = AsyncLimiter(1, 60 / options.per_minute) if options.per_minute else None
        try:
            # A local server asks for no key, but the library wants one.
            key = (options.api_key or os.environ.get('OPENAI_API_KEY')
                   or ('none' if options.base_url or os.environ.get('OPENAI_BASE_URL') else None))
            self._client = openai.AsyncOpenAI(
                base_url=options.base_url, api_key=key, timeout=options.timeout_s,
                max_retries=options.retries)
        except openai.OpenAIError as error:
            raise ChatError('no key for the model\'s server; set $OPENAI_API_KEY, or name a server '
                            'of your own with --base-url') from error

    async def __aenter__(self) -> ChatModel:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._client.close()

    async def ask(self, messages: Sequence[Mapping[str, str]],
                  schema: Mapping[str, Any] | None = None) -> str:
        """The model's answer to a conversation.

        Parameters
        ----------
        messages
            Objects with ``role`` and ``content``.
        schema
            JSON schema of the answer.

        Raises
        ------
        ChatError
            When the server gives no answer, after all retries; the message says what it said. Also
            when there is a limit of the cost, and the answer does not state its tokens.
        """
        import openai
        extra: dict[str, Any] = {}
        if self.options.temperature is not None:
            extra['temperature'] = self.options.temperature
        if self.options.max_tokens is not None:
            extra['max_tokens'] = self.options.max_tokens
        if schema is not None and self.options.answer_format == 'json_schema':
            extra['response_format'] = {'type': 'json_schema', 'json_schema': {
                'name': 'answer', 'strict': True, 'schema': dict(schema)}}
        elif schema is not None and self.options.answer_format == 'json_object':
            extra['response_format'] = {'type': 'json_object'}
        if self._limit is not None:
            await self._limit.acquire()
        try:
            answer = await self._client.chat.completions.create(
                model=self.options.model, messages=list(messages), **extra)
        except openai.BadRequestError as error:
            raise ChatError(f'{self._where()} refuses the request: {_reason(error)} (if it does '
                            'not know response_format, try --answer-format none)') from error
        except openai.OpenAIError as error:
            raise ChatError(f'{self._where()}: {_reason(error)}') from error
        if not isinstance(answer, openai.types.chat.ChatCompletion):
            raise ChatError(f'{self._where()} gave something else than an answer; is that the '
                            'address up to /v1?')
        self._count(answer.usage)
        if not answer.choices or answer.choices[0].message is None:
            raise ChatError(f'{self._where()} gave an answer without content')
        return answer.choices[0].message.content or ''

    def _count(self, used: Any) -> None:
        tokens = getattr(used, 'prompt_tokens', None), getattr(used, 'completion_tokens', None)
        if all(isinstance(count, int) for count in tokens):
            self.usage.tokens_in += tokens[0]
            self.usage.tokens_out += tokens[1]
        elif self.usage.max_cost:
            raise ChatError(f'{self._where()} does not state the tokens of its answers, so '
                            '--max-cost cannot be kept; leave it out')

    async def ask_until_valid(self, messages: Sequence[Mapping[str, str]],
                              schema: Mapping[str, Any], parse: Callable[[str], Parsed],
                              attempts: int = 3) -> Parsed:
        """What ``parse`` makes of an answer; a bad one is sent back with what is wrong with it.

        Parameters
        ----------
        messages, schema
            See :meth:`ask`.
        parse
            Raises :class:`AnswerError` for an answer that cannot be used.
        attempts
            How often to ask in all, at least 1.

        Raises
        ------
        AnswerError
            When the last answer cannot be used either.
        ChatError
            See :meth:`ask`.
        """
        conversation = list(messages)
        while True:
            content = await self.ask(conversation, schema)
            attempts -= 1
            try:
                return parse(content)
            except AnswerError as error:
                if attempts < 1:
                    raise
                said = content.encode('utf-8', 'replace').decode()  # half a surrogate pair cannot be sent
                conversation = [*messages, {'role': 'assistant', 'content': said},
                                {'role': 'user', 'content': f'That cannot be used: {error}. Answer '
                                                            'again, with the JSON object only.'}]

    def _where(self) -> str:
        return f'model {self.options.model} at {self._client.base_url}'


def _reason(error: Exception) -> str:
    # "Connection error." says nothing; what caused it does.
    cause = f' ({error.__cause__})' if error.__cause__ and 'onnection' in str(error) else ''
    return ' '.join(f'{error}{cause}'.split())[:300]


def json_list(content: str, key: str) -> list[Any]:
    """The list under a key of an answer's JSON object, perhaps inside of a Markdown fence.

    Raises
    ------
    AnswerError
        When the answer is no such object.
    """
    text = content.strip()
    if text.startswith('```'):
        text = text.partition('\n')[2].rpartition('```')[0]
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AnswerError(f'the answer is not JSON: {error}') from error
    entries = answer.get(key) if isinstance(answer, dict) else None
    if not isinstance(entries, list):
        raise AnswerError(f'the answer is no object with a list "{key}"')
    return entries
