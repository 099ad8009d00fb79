"""Runs one node until it is told to stop."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.signals import SignalHandlerOptions

from .managed import ManagedNode


def stopped_by_signals() -> threading.Event:
    """An event that SIGINT or SIGTERM sets; to be called once, in the main thread.

    A handler that set the event itself would wait for ever where the signal meets the main thread inside
    ``Event.wait``, which holds the same lock for a moment.
    """
    stop = threading.Event()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def wait() -> None:
        os.read(reader, 1)
        stop.set()
    threading.Thread(target=wait, name='signals', daemon=True).start()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: None)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    return stop


def run(make_node: Callable[[], ManagedNode], argv: list[str] | None = None) -> int:
    """Make a node, bring it up, and serve until SIGINT or SIGTERM; returns the exit code.

    A node that cannot even be made (wrong type of a parameter, say) costs one clear line and exit
    code 1. One executor thread is enough: transitions and inference have threads of their own. It is
    not the main thread, so that a signal is seen at once and the node can finish its work and send
    its last answers before the context goes.
    """
    stop = stopped_by_signals()
    try:
        rclpy.init(args=argv, signal_handler_options=SignalHandlerOptions.NO)
        node = make_node()
    except Exception as error:
        get_logger('skill_predictor').fatal(f'cannot start: {error}')
        rclpy.try_shutdown()
        return 1
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    ended = threading.Event()
    spinning = threading.Thread(
        target=spin, args=(executor, stop, ended), name='executor', daemon=True)
    node.spinning_thread = spinning
    spinning.start()
    node.start()
    stop.wait()
    for number in (signal.SIGINT, signal.SIGTERM):  # launch and a terminal may both send one
        signal.signal(number, signal.SIG_IGN)
    closed = node.close()
    if not closed:
        node.get_logger().warning(f'stopped while {node.state}')
    ended.set()
    executor.shutdown()
    spinning.join()
    node.destroy_node()
    rclpy.try_shutdown()
    if not closed:
        # A thread that builds a model cannot be joined; what it writes is atomic, so leave it. Without
        # the context's end, others would count this node among the living for a while.
        rclpy.get_default_context().destroy()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return 0


def spin(executor: SingleThreadedExecutor, stop: threading.Event, ended: threading.Event) -> None:
    """Run callbacks until ``ended``; one that fails is logged, and the others go on.

    The context's end sets ``stop``. A node that closes still needs its executor, so ``ended`` comes
    after it.
    """
    logger = get_logger('skill_predictor')  # one: it remembers when it last said something
    while not ended.is_set():
        try:
            executor.spin()
            return
        except ExternalShutdownException:
            stop.set()
            return
        except Exception as error:  # no message may end the node
            logger.error(
                f'a callback failed: {type(error).__name__}: {error}', throttle_duration_sec=1.0)
            unlock(executor)
            time.sleep(0.01)  # one that fails at once, again and again, must not take the processor


def unlock(executor: SingleThreadedExecutor) -> None:
    """Let every entity be called back again.

    An error in rclpy's own taking of a message (an rmw that cannot decode it, say) leaves the entity
    and its callback group marked as at work, and nothing of the group would ever be called again.
    """
    for node in executor.get_nodes():
        for entity in (*node.subscriptions, *node.services, *node.clients, *node.timers):
            if getattr(entity, '_executor_event', False):
                entity._executor_event = False
                group = entity.callback_group
                if getattr(group, '_active_entity', None) is entity:
                    group._active_entity = None


def exit_with(make_node: Callable[[], ManagedNode]) -> None:
    """Entry point of an executable."""
    sys.exit(run(make_node))
