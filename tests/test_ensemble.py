"Committees: all combinations against the naive loop, refusals, selection"
import matplotlib
matplotlib.use('Agg')
from itertools import combinations
import numpy as np, pandas as pd, pytest
from hypothesis import given, settings, strategies as st
from sklearn.metrics import roc_auc_score
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.table import write_csv
from semiconductor_cls.base.run import create_run
from semiconductor_cls.ensemble import *
from semiconductor_cls.selection import *

def draw(m=40, n=120, k=4, seed=0):
    r = np.random.default_rng(seed)
    y = np.r_[np.ones(m, bool), np.zeros(n, bool)]
    P = 1/(1+np.exp(-(2*y + r.normal(size=m+n) + r.normal(size=(k,m+n))).T))
    return y, pd.DataFrame(P, columns=[f'm{i}' for i in range(k)])

def tables(y, P): return {c: pd.DataFrame(dict(id=[f'i{i}' for i in range(len(y))], label=np.where(y, 'defect', 'good'), p_defect=P[c])) for c in P}

@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(0, 10**6), st.sampled_from([None, 1, 2, 4]))
def test_all_combinations_equal_the_naive_loop(k, seed, ties):
    y,P = draw(8, 15, k, seed)
    if ties: P = (P*ties).round()/ties
    aucs = all_aucs(y, P)
    assert list(aucs)==[c for r in range(1, k+1) for c in combinations(range(k), r)]
    for c,v in aucs.items(): assert v==pytest.approx(roc_auc_score(y, P.iloc[:,list(c)].to_numpy().mean(1)), abs=1e-12)

def test_tables_in_the_form_of_the_study():
    y,P = draw()
    df = combo_table(y, P, baseline='m0')
    t1,t2 = study_tables(df)
    assert (len(t1), len(t2))==(4, 11) and t2.model.iloc[-1]=='all*' and 'm0+m1' in set(t2.model)
    base = t1.set_index('model').auc['m0']
    assert ((df.auc>base+1e-12)==(df.beats=='+')).all()
    assert study_tables(combo_table(y, P[['m0']]))[0].model.tolist()==['m0']

def test_members_with_other_images_labels_or_splits_are_refused(tmp_path):
    y,P = draw()
    t = tables(y, P)
    with pytest.raises(UserError, match='m1 did not judge 2 of the 160 images of m0, the first is i0'): join_preds(t | dict(m1=t['m1'][2:]))
    with pytest.raises(UserError, match='m0 did not judge 1 of the 160 images of m1, the first is i0'): join_preds(t | dict(m0=t['m0'][1:]))
    with pytest.raises(UserError, match='disagree on the label of 1 images'): join_preds(t | dict(m2=t['m2'].assign(label=t['m2'].label.where(t['m2'].id!='i3', 'good'))))
    with pytest.raises(UserError, match='m3: 1 ids appear twice'): join_preds(t | dict(m3=pd.concat([t['m3'], t['m3'][:1]])))
    with pytest.raises(UserError, match='m3: p_defect is not a number'): join_preds(t | dict(m3=t['m3'].assign(p_defect=np.inf)))
    with pytest.raises(UserError, match='no members'): join_preds({})
    runs = [create_run(tmp_path/n, fingerprint='a', split_fingerprint=n) for n in ('r1','r2')]
    for r in runs: write_csv(t['m0'], r/'preds_valid.csv')
    with pytest.raises(UserError, match='r2 was trained on another split than r1'): join_runs(runs)

def test_committees_of_unlabelled_images():
    y,P = draw()
    t = {k:d.assign(label=None) for k,d in tables(y, P).items()}
    assert np.allclose(committee_table(t, how='prob').p_defect, P.mean(axis=1), atol=1e-12)
    for how in SCALES:
        p = committee_table(t, how=how).p_defect
        assert p.between(0, 1).all()

def test_selection_never_claims_less_than_its_start_and_leaves_noise_out():
    y,P = draw(200, 600, 5)
    P['noise'] = np.random.default_rng(9).random(len(y))
    for w in (greedy(y, P), stack(y, P)):
        assert w.sum()==pytest.approx(1) and (w>=0).all() and w['noise']<.05
    aucs = all_aucs(y, P)
    assert roc_auc_score(y, committee(P, greedy(y, P))) >= max(v for k,v in aucs.items() if len(k)==1)

def test_extremes():
    y = np.r_[np.ones(3, bool), np.zeros(9, bool)]
    P = pd.DataFrame(dict(a=np.zeros(12), b=np.ones(12)))           # probabilities of exactly 0 and 1, and all tied
    assert set(all_aucs(y, P).values())=={.5}
    assert np.isfinite(committee(P, how='logit')).all() and stack(y, P).sum()==pytest.approx(1) and greedy(y, P).sum()==pytest.approx(1)
    diversity(y, P)
    with pytest.raises(UserError, match='too few'): selection_bias(np.r_[True, np.zeros(11, bool)], P, 2)
    with pytest.raises(UserError, match='at most 16'): all_aucs(y, pd.DataFrame(np.zeros((12,17))))

def test_bias_of_choosing_on_the_reported_set_is_shown():
    y,P = draw(60, 240, 8)
    sb = selection_bias(y, P, 10)
    assert (sb.claimed-sb.kept).mean()>0 and sb.columns.tolist()==['claimed','kept','all','winner']
