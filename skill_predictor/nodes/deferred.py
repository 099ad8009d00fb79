"""Services that answer later, from whatever thread has the answer.

rclpy sends what a service's callback returns, so a callback that waits for work elsewhere blocks its
executor, and a coroutine that waits makes the executor of Humble and Jazzy spin until it is done. Here
the callback returns a future instead, and the response goes out when the future is done.
"""

from __future__ import annotations

from concurrent.futures import Future

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
        Told when a response could not be made or sent. Then the caller gets no answer, as with any
        service whose node goes away.
    """
    send, callback, kind = service.send_response, service.callback, service.srv_type

    def guarded(request, response):
        try:
            return callback(request, response)
        except Exception as error:
            # A caller that gets no answer waits for ever.
            logger.error(f'{service.srv_name}: {type(error).__name__}: {error}')
            failed = kind.Response()
            if hasattr(failed, 'message'):
                failed.message = f'{type(error).__name__}: {error}'
            return failed

    def finish(future: Future, header) -> None:
        try:
            send(future.result(), header)
        except Exception as error:
            # The caller is gone, the node is going, or the work failed without a response of its own.
            logger.error(f'no response on {service.srv_name}: {type(error).__name__}: {error}')

    def send_response(response, header) -> None:
        if isinstance(response, Future):
            response.add_done_callback(lambda future: finish(future, header))
        else:
            send(response, header)

    service.send_response = send_response
    service.callback = guarded
    return service
