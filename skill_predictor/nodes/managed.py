"""A managed (lifecycle) node whose transitions neither block it nor hide their errors.

Two things of rclpy's lifecycle layer are mended here, in the same way on Humble, Jazzy and Kilted:

* it drops the exceptions of transition callbacks without a word; here they are logged, and the node
  is left in a state from which it can be configured again;
* a transition runs in the executor, so that no service answers while a model loads; here transitions
  run one after the other in a thread of their own, and ``get_state`` answers "configuring" meanwhile.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

from . import diagnostics
from .deferred import answer_later
from .parameters import Settings, explain_missing_values

EXECUTOR_TIMEOUT_S = 5.0

LOADING_TIMEOUT_S = 3.0
"""How long the end of the process waits for a model that loads: nobody waits for it any more."""

CLOSE_TIMEOUT_S = 8.0
"""How long it waits for another transition, which may still owe answers. Launch kills after ten."""

STEADY = Clock(clock_type=ClockType.STEADY_TIME)
"""For timers that go on while simulated time stands still."""


class ManagedNode(LifecycleNode):
    """Base of the package's nodes.

    A subclass implements :meth:`configure`, :meth:`activate`, :meth:`deactivate` and :meth:`release`
    and raises an exception where one of them fails.

    Parameters (ROS)
    ----------------
    autostart : bool, read-only, default true
        Configure and activate without being asked.
    """

    expected_errors: tuple[type[Exception], ...] = ()
    """Exceptions whose message says all; others are logged with their traceback."""
    fixed_parameters: frozenset[str] = frozenset()
    """Parameters that are read in :meth:`configure`, so can be set only while unconfigured."""
    parameter_groups: tuple[str, ...] = ()
    """Beginnings, such as ``fleet.``, of free names of parameters that are fixed, too."""

    foreign_parameters: tuple[str, ...] = ()
    """Beginnings of parameters that are meant for other nodes."""

    def __init__(self, name: str, **kwargs) -> None:
        try:
            super().__init__(name, automatically_declare_parameters_from_overrides=True, **kwargs)
        except ValueError as error:
            explain_missing_values(self._parameter_overrides, error)
            raise
        self.settings = Settings(self)
        self.last_error: str = ''
        """Why the latest transition failed; empty when it did not."""
        self._transitions = ThreadPoolExecutor(1, thread_name_prefix='transition')
        self._pending: set[Future] = set()
        self.spinning_thread: threading.Thread | None = None
        """The thread that runs the executor, so that it is never waited for by itself or in vain."""
        self._entities: list[tuple[Callable, object]] = []
        self.settings.declare(
            'autostart', True, 'Configure and activate the node when it starts.', read_only=True)
        change_state = self._service_change_state
        self._rclpy_change_state = change_state.callback
        change_state.callback = self._change_state_aside
        answer_later(change_state, self.get_logger())

    def parameters_declared(self) -> None:
        """Call it when all parameters are declared: names the misspelt, and guards the fixed ones."""
        for sentence in self.settings.unknown(*self.parameter_groups, *self.foreign_parameters):
            self.get_logger().warning(sentence)
        self.add_on_set_parameters_callback(self._refuse_fixed)

    def keep(self, destroy: Callable, entity):
        """Remember a publisher, subscription, service, client or timer until the node is released.

        Parameters
        ----------
        destroy
            The node's method that destroys it.
        entity
            What was created; returned.
        """
        self._entities.append((destroy, entity))
        return entity

    # What a node does in its transitions -------------------------------------------------------

    def configure(self) -> None:
        """Read parameters, load what takes long, create topics and services."""

    def activate(self) -> None:
        """Begin to serve."""

    def deactivate(self) -> None:
        """Stop to serve; finish what has been taken on."""

    def release(self) -> None:
        """Free everything that :meth:`configure` made, also after half of it failed.

        An override calls this one, which destroys what was kept.
        """
        kept, self._entities = self._entities, []

        def destroy_all() -> None:
            errors = []
            for destroy, entity in reversed(kept):
                try:
                    destroy(entity)
                except Exception as error:  # the others go all the same
                    errors.append(error)
            if errors:
                raise errors[0]
        if kept:
            self.in_executor(destroy_all)

    def in_executor(self, work: Callable[[], object]) -> None:
        """Do something between two callbacks, in the executor's thread, and wait for it.

        Topics and services must be destroyed there: Humble's executor does not expect one to go
        between its wait and its take, and would never call back anything of this node again.
        """
        done = threading.Event()
        failures: list[BaseException] = []

        def run() -> None:
            try:
                work()
            except BaseException as error:
                failures.append(error)
            finally:
                done.set()

        spinning = self.spinning_thread
        if (self.executor is None or threading.current_thread() is spinning
                or spinning is not None and not spinning.is_alive()):
            work()
            return
        self.executor.create_task(run)
        if not done.wait(EXECUTOR_TIMEOUT_S):
            raise TimeoutError(f'the executor did not respond in {EXECUTOR_TIMEOUT_S:.0f} s')
        if failures:
            raise failures[0]

    # Transitions --------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """Label of the lifecycle state, for example ``inactive``."""
        return self._state_machine.current_state[1]

    def start(self) -> Future | None:
        """Bring the node up if ``autostart`` says so; the future is true when it is active."""
        if not self.settings['autostart']:
            self.get_logger().info('waiting to be configured (autostart is false)')
            return None
        return self._aside(self._bring_up)

    def close(self) -> bool:
        """Free everything before the process ends; the node is not used afterwards.

        Returns
        -------
        bool
            False when a transition was still running after :data:`CLOSE_TIMEOUT_S`, or ``configure``
            after :data:`LOADING_TIMEOUT_S`; nothing was freed then.
        """
        self._transitions.shutdown(wait=False, cancel_futures=True)
        running = wait(set(self._pending), LOADING_TIMEOUT_S).not_done
        if running and self.state != 'configuring':
            running = wait(running, CLOSE_TIMEOUT_S - LOADING_TIMEOUT_S).not_done
        if running:
            return False
        self._transitions.shutdown()  # its thread may still send the transition's response
        self._attempt('release', self.release)
        return True

    def destroy_node(self) -> None:
        """Leave the graph, also when a thread still holds this object."""
        super().destroy_node()
        # rclpy leaves the lifecycle services to the garbage collector.
        self._state_machine.destroy_when_not_in_use()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        if self._attempt('configure', self.configure):
            return super().on_configure(state)
        error = self.last_error
        self._attempt('clean up after a failed configure', self.release)
        self.last_error = error
        return TransitionCallbackReturn.FAILURE

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        # Publishers first: what activate() starts may publish at once.
        done = super().on_activate(state)
        if done is TransitionCallbackReturn.SUCCESS and not self._attempt(
                'activate', self.activate):
            super().on_deactivate(state)
            return TransitionCallbackReturn.FAILURE
        return done

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        if not self._attempt('deactivate', self.deactivate):
            return TransitionCallbackReturn.ERROR
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._ending('clean up')

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._ending('shut down')

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        error = self.last_error
        self._attempt('clean up after an error', self.release)
        self.last_error = error
        # SUCCESS leads to unconfigured, from where the node can start again.
        return TransitionCallbackReturn.SUCCESS

    def _ending(self, what: str) -> TransitionCallbackReturn:
        if not self._attempt(what, self.release):
            return TransitionCallbackReturn.ERROR
        return TransitionCallbackReturn.SUCCESS

    def health(self) -> tuple[bytes, str]:
        """Level and message for diagnostics, by the lifecycle alone."""
        if self.last_error:
            return diagnostics.ERROR, self.last_error
        return diagnostics.OK if self.state == 'active' else diagnostics.WARN, self.state

    def _refuse_fixed(self, parameters: list[Parameter]) -> SetParametersResult:
        fixed = [parameter.name for parameter in parameters
                 if parameter.name in self.fixed_parameters
                 or parameter.name.startswith(self.parameter_groups)]
        if fixed and self.state != 'unconfigured':
            return SetParametersResult(successful=False, reason=(
                f'{", ".join(fixed)} can change only while the node is unconfigured, and it is '
                f'{self.state}: deactivate and clean it up, set, configure and activate'))
        return SetParametersResult(successful=True)

    def _attempt(self, what: str, action: Callable[[], None]) -> bool:
        try:
            action()
        except Exception as error:
            self.last_error = f'{what}: {error}'
            self.get_logger().error(f'cannot {what}: {error}' if isinstance(
                error, self.expected_errors) else
                f'cannot {what}: {type(error).__name__}: {error}\n{traceback.format_exc()}')
            return False
        self.last_error = ''
        return True

    def _bring_up(self) -> bool:
        if self._state_machine.current_state[0] == State.PRIMARY_STATE_UNCONFIGURED:
            self._trigger('configure', self.trigger_configure)
        if self._state_machine.current_state[0] == State.PRIMARY_STATE_INACTIVE:
            self._trigger('activate', self.trigger_activate)
        return self._state_machine.current_state[0] == State.PRIMARY_STATE_ACTIVE

    def _trigger(self, what: str, trigger: Callable[[], TransitionCallbackReturn]) -> None:
        try:
            trigger()
        except Exception as error:  # Humble raises where Jazzy logs
            self.get_logger().error(f'cannot {what}: {error}')

    def _aside(self, work: Callable, *arguments) -> Future:
        future = self._transitions.submit(work, *arguments)
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)
        return future

    def _change_state_aside(self, request: ChangeState.Request, response: ChangeState.Response
                            ) -> Future:
        return self._aside(self._change_state, request, response)

    def _change_state(self, request: ChangeState.Request, response: ChangeState.Response
                      ) -> ChangeState.Response:
        try:
            return self._rclpy_change_state(request, response)
        except Exception as error:
            wanted = request.transition.label or request.transition.id
            self.get_logger().error(f'no transition {wanted!r} from {self.state}: {error}')
            response.success = False
            return response
