from typing import Any, List

from kdiag.tools.ending import Ending


class _Target:
    started = True
    gone = False

    def ended(self) -> bool:
        return self.gone


def test_it_ends_with_the_command_with_the_time_or_with_the_users_wish() -> None:
    target: Any = _Target()
    wish: List[int] = []
    ending = Ending(target, 1000, lambda: bool(wish))
    assert not ending() and ending.why == ""
    wish.append(1)
    assert ending() and ending.why == "it was interrupted"
    target.gone = True
    assert ending() and ending.why == "the command ended"
    target.started = False
    assert ending() and ending.why == "it ended"
    assert Ending(None, 0, lambda: False)()


def test_waiting_ends_when_something_else_is_gone() -> None:
    ending = Ending(None, None, lambda: False)
    answers = iter((False, False, True))
    ending.wait(lambda: next(answers))
    assert ending.why == "" and ending.duration_s > 0
