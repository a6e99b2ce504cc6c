from miseducation.defences.fine_tune import FineTune
from tests.defences.poisoned import digits
from tests.defences.repaired import repaired, scores


def test_most_of_the_backdoor_is_forgotten_and_little_else() -> None:
    case = digits()
    before, after = scores(case.evidence.the_model().network, case), scores(repaired(FineTune(), case), case)
    assert before.success > 0.9
    assert after.success < 0.3
    assert after.clean > before.clean - 0.05


def test_a_model_with_no_backdoor_stays_good() -> None:
    case = digits(rate=0)
    before, after = scores(case.evidence.the_model().network, case), scores(FineTune().repair(case.evidence), case)
    assert after.clean > before.clean - 0.05
