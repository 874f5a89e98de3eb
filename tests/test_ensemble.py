"Committees: all combinations against the naive loop, what is refused, the tables of the study"
from itertools import combinations
import numpy as np, pandas as pd, pytest
from hypothesis import given, settings, strategies as st
from sklearn.metrics import roc_auc_score
from conftest import draw_members
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.table import write_csv
from semiconductor_cls.base.run import create_run
from semiconductor_cls.ensemble import all_aucs, combo_table, committee_table, join_preds, join_runs, SCALES
from semiconductor_cls.ensemble import study_tables

@settings(max_examples=30)
@given(st.integers(1, 5), st.integers(0, 10**6), st.sampled_from([None, 1, 2, 4]))
def test_all_combinations_equal_the_naive_loop(k, seed, ties):
    y,P = draw_members(8, 15, k, seed)
    if ties: P = (P*ties).round()/ties
    aucs = all_aucs(y, P)
    assert list(aucs)==[c for size in range(1, k+1) for c in combinations(range(k), size)]
    for members,auc in aucs.items():
        mean = P.iloc[:,list(members)].to_numpy().mean(1)
        assert auc==pytest.approx(roc_auc_score(y, mean), abs=1e-12)

def test_tables_in_the_form_of_the_study():
    y,P = draw_members()
    df = combo_table(y, P, baseline='m0')
    singles,combos = study_tables(df)
    assert (len(singles), len(combos))==(4, 11)
    assert combos.model.iloc[-1]=='all*'
    assert 'm0+m1' in set(combos.model)
    base = singles.set_index('model').auc['m0']
    assert ((df.auc>base+1e-12)==(df.beats=='+')).all()
    alone = combo_table(y, P[['m0']])
    assert study_tables(alone)[0].model.tolist()==['m0']

def tables(y, P):
    "Predictions of each member"
    df = pd.DataFrame(dict(id=[f'i{i}' for i in range(len(y))], label=np.where(y, 'defect', 'good')))
    return {c:df.assign(p_defect=P[c]) for c in P}

def test_members_with_other_images_labels_or_splits_are_refused(tmp_path):
    t = tables(*draw_members())
    m0,m1,m2,m3 = (t[f'm{i}'] for i in range(4))
    other_label = m2.assign(label=m2.label.where(m2.id!='i3', 'good'))
    twice = pd.concat([m3, m3[:1]])
    refused = [(dict(m1=m1[2:]), 'm1 did not judge 2 of 160 images of m0, the first is i0'),
               (dict(m0=m0[1:]), 'm0 did not judge 1 of 160 images of m1, the first is i0'),
               (dict(m2=other_label), 'disagree on the label of 1 image'),
               (dict(m3=twice), 'm3: 1 id more than once'),
               (dict(m3=m3.assign(p_defect=np.inf)), 'm3: p_defect is not a number')]
    for changed,told in refused:
        with pytest.raises(UserError, match=told): join_preds(t | changed)
    with pytest.raises(UserError, match='no members'): join_preds({})
    runs = [create_run(tmp_path/n, fingerprint='a', split_fingerprint=n) for n in ('r1','r2')]
    for r in runs: write_csv(m0, r/'preds_valid.csv')
    with pytest.raises(UserError, match='r2 was trained on another split than r1'): join_runs(runs)

def test_committees_of_unlabelled_images():
    y,P = draw_members()
    t = {k:d.assign(label=None) for k,d in tables(y, P).items()}
    mean = committee_table(t, how='prob').p_defect
    assert np.allclose(mean, P.mean(axis=1), atol=1e-12)
    for how in SCALES: assert committee_table(t, how=how).p_defect.between(0, 1).all()
