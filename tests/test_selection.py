"Choosing members: never below the start, no noise, and the price of choosing on the set that is reported"
import numpy as np, pandas as pd, pytest
from sklearn.metrics import roc_auc_score
from conftest import draw_members
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.ensemble import all_aucs, committee
from semiconductor_cls.selection import diversity, greedy, selection_bias, stack

def test_selection_never_claims_less_than_its_start_and_leaves_noise_out():
    y,P = draw_members(200, 600, 5)
    P['noise'] = np.random.default_rng(9).random(len(y))
    for w in (greedy(y, P), stack(y, P)):
        assert w.sum()==pytest.approx(1)
        assert (w>=0).all()
        assert w['noise']<.05
    best = max(auc for members,auc in all_aucs(y, P).items() if len(members)==1)
    assert roc_auc_score(y, committee(P, greedy(y, P))) >= best

def test_extremes():
    y = np.r_[np.ones(3, bool), np.zeros(9, bool)]
    P = pd.DataFrame(dict(a=np.zeros(12), b=np.ones(12))) # probabilities of exactly 0 and 1, and all tied
    assert set(all_aucs(y, P).values())=={.5}
    assert np.isfinite(committee(P, how='logit')).all()
    for choose in (stack, greedy): assert choose(y, P).sum()==pytest.approx(1)
    diversity(y, P)
    one = np.r_[True, np.zeros(11, bool)]
    with pytest.raises(UserError, match='too few'): selection_bias(one, P, 2)
    with pytest.raises(UserError, match='at most 16'): all_aucs(y, pd.DataFrame(np.zeros((12,17))))

def test_bias_of_choosing_on_the_reported_set_is_shown():
    y,P = draw_members(60, 240, 8)
    bias = selection_bias(y, P, 10)
    assert bias.columns.tolist()==['claimed','kept','all','winner']
    assert (bias.claimed-bias.kept).mean()>0
