"""The page of a reproduction: every verdict on it, in both forms, and nothing that only one machine has."""

import re

import numpy as np
import pytest
from scipy import stats

from tools.report.figures import axes
from tools.reproduce.page import Made, Picture, markdown, write_page
from tools.reproduce.paper import Paper
from tools.reproduce.verdict import CHANGED, Mean, Outcome, Verdict, shown

VERDICTS = [
    Verdict("A1", "loss | does not rise [A]", Outcome.SHOWN, "1.2 [1.1, 1.3]"),
    Verdict("A2", "the gap shrinks [A]", Outcome.NOT_SHOWN, "0.1 [-0.2, 0.4]", "too <few> seeds"),
    Verdict("A3", "more [T]", Outcome.NOT_TESTABLE, "–", "needs the files"),
]
MADE = Made("airmeta reproduce p1 --quick", "3 runs.", "airmeta 1, commit abc.")


@pytest.fixture
def paper():
    return Paper("p1", "a title", "a question?", "a setting", (), lambda material: VERDICTS, ())


def test_both_forms_hold_every_verdict_its_numbers_its_analysis_and_the_command(tmp_path, paper):
    page = write_page(tmp_path, paper, VERDICTS, [Picture("gap", "the gap", axes("round", "gap")[0])], MADE)
    for text in (page.read_text(), (tmp_path / "docs" / "p1.md").read_text()):
        for verdict in VERDICTS:
            assert verdict.item in text
            assert verdict.outcome.value in text
            assert verdict.numbers in text
        assert MADE.command in text
    assert "too &lt;few&gt; seeds" in page.read_text()
    assert "<svg" in page.read_text()
    assert (tmp_path / "docs" / "figures" / "p1-gap.svg").read_text().startswith("<svg")


def test_a_bar_in_a_claim_does_not_end_its_cell(paper):
    row = next(line for line in markdown(paper, VERDICTS, [], MADE).splitlines() if line.startswith("| A1"))
    assert len(re.findall(r"(?<!\\)\|", row)) == 5


def test_a_rule_that_was_changed_after_figures_says_so_in_both_forms(tmp_path, paper):
    changed = Verdict("A4", "better", Outcome.SHOWN, "1", changed="the margin was set then.")
    assert changed.reading == f"{CHANGED} the margin was set then."
    page = write_page(tmp_path, paper, [changed, VERDICTS[1]], [], MADE)
    for text in (page.read_text(), (tmp_path / "docs" / "p1.md").read_text()):
        assert text.count(CHANGED) == 1


def test_a_higher_level_widens_the_interval_as_student_says():
    values = np.array([0.1, 0.2, 0.3, 0.5])
    usual, wide = Mean.of(values), Mean.of(values, 0.975)
    ratio = (wide.high - wide.value) / (usual.high - usual.value)
    assert ratio == pytest.approx(stats.t.ppf(0.9875, 3) / stats.t.ppf(0.975, 3))


def test_a_mean_holds_its_interval_and_an_outcome_follows_from_a_test():
    mean = Mean.of(np.array([0.1, 0.2, 0.3]))
    assert mean.low < mean.value < mean.high
    assert mean.value == pytest.approx(0.2)
    assert mean.points() == f"20.0 [{100 * mean.low:.1f}, {100 * mean.high:.1f}]"
    assert shown(True) is Outcome.SHOWN
    assert shown(False) is Outcome.NOT_SHOWN
