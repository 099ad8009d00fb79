"""Services that answer later, from whatever thread has the answer.

rclpy sends what a service's callback returns, so a callback that waits for work elsewhere blocks its
executor, and a coroutine that waits makes the executor of Humble and Jazzy spin until it is done. Here
the callback returns a future instead, and the response goes out when the future is done.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.service import Service


def answer_later(service: Service, logger: RcutilsLogger) -> Service:
    """Allow a service's callback to return a :class:`concurrent.futures.Future` of its response.

    Parameters
    ----------
    service
        Made by ``Node.create_service``; changed in place and returned. Its callback may still return
        a plain response.
    logger
        Told when a response could not be made; the caller then gets one with the reason in its
        ``message``, where it has that field. Told as well when it could not be sent.
    """
    send, callback, kind = service.send_response, service.callback, service.srv_type

    def guarded(make: Callable[[], Any]) -> Any:
        try:
            return make()
        except Exception as error:
            # A caller that gets no answer waits for ever.
            logger.error(f'{service.srv_name}: {type(error).__name__}: {error}')
            failed = kind.Response()
            if hasattr(failed, 'message'):
                failed.message = f'{type(error).__name__}: {error}'
            return failed

    def finish(future: Future, header) -> None:
        response = guarded(future.result)
        try:
            send(response, header)
        except Exception as error:  # the caller is gone, or the node is going
            logger.error(f'no response on {service.srv_name}: {type(error).__name__}: {error}')

    def send_response(response, header) -> None:
        if isinstance(response, Future):
            response.add_done_callback(lambda future: finish(future, header))
        else:
            send(response, header)

    service.send_response = send_response
    service.callback = lambda request, response: guarded(lambda: callback(request, response))
    return service
