"How many defects: a killed curve goes on, parts stay together, and what cannot be drawn is one line"
import json
import numpy as np, pandas as pd, pytest
from hypothesis import given, strategies as st
from conftest import heard
from semiconductor_cls.jobs.curve import *

TINY = [o for v in 'sizes=32 frozen_epochs=0 epochs=1 bs=8 tta=off'.split() for o in ('--set',v)]
PARTS = 'parts --good ok --defect ng --weights none'.split()
POINTS = ['--points','4']
BAD = {('--draws','1'): '--draws 1', ('--good-parts','most'): 'share, all, or', ('--points','9'): 'label more',
       ('--points','3'): '--points 3: a whole number from 4', ('--set','pol=avg'): 'Did you mean pool'}

@given(st.data())
def test_sets_lie_within_each_other_hold_whole_parts_and_never_touch_the_test_set(data):
    n_parts = data.draw(st.integers(8, 30))
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=n_parts, max_size=n_parts))
    group = np.repeat(np.arange(n_parts), sizes)
    label,split = np.where(group%2, 'good', 'defect'),np.where(group%5, 'train', 'test')
    df = pd.DataFrame(dict(group=group, label=label, split=split))
    n = data.draw(st.integers(1, int(((split=='train') & (label=='defect')).sum())))
    draw = data.draw(st.integers(0, 5))
    small,all_of_it = subset(df, n, draw),subset(df, len(part_order(df, 'defect', draw)), draw)
    assert len(all_of_it)==len(df) and set(small.group)<=set(df.group)
    for group,kept in small.groupby('group'): assert len(kept)==(df.group==group).sum(), 'whole parts'
    assert (small.split=='test').sum()==(df.split=='test').sum()
    found = ((small.split=='train') & (small.label=='defect')).sum()
    assert n<=found<n+4
    if n>1: assert set(subset(df, n-1, draw).group)<=set(small.group)

@pytest.mark.slow
def test_a_killed_curve_goes_on_and_says_what_it_found(semicls, parts, tmp_path):
    from semiconductor_cls.synth import synth_folder
    synth_folder(tmp_path/'many', 80, 48)
    args = ['curve', 'many', *PARTS[5:], *TINY, *POINTS, '--draws', '2', '--out', 'c']
    p = semicls(*args, wait=False)
    heard(p, '00007-0: training')
    p.kill()
    p.communicate()
    p = semicls(*args)
    assert p.returncode==0, p.err
    table,said = pd.read_csv(tmp_path/'c/curve.csv'),json.loads((tmp_path/'c/curve.json').read_text())
    assert table.groupby('draw').defects.agg(list).tolist()==[[4,7,14,29]]*2
    assert (table.lo<=table.auc).all() and (table.auc<=table.hi).all()
    assert p.out.splitlines()[-1]==said['sentence'] and '29 training defects' in said['sentence']
    page = (tmp_path/'c/report.html').read_text()
    assert said['sentence'].split(':')[0] in page and (tmp_path/'c/figures/curve.png').exists()
    kept = (tmp_path/'c/curve.csv').read_bytes()
    p = semicls(*args)
    assert p.returncode==0 and p.err.count('finished already')==8 and (tmp_path/'c/curve.csv').read_bytes()==kept
    p = semicls(*args, '--good-parts', 'all')
    assert p.returncode==1 and 'the data have changed' in p.err
    p = semicls(*args, '--overwrite', wait=False)
    heard(p, '00004-0: training')
    p.kill()
    p.communicate()

def test_what_cannot_be_drawn_is_one_line(semicls, parts, tmp_path):
    for bad,want in BAD.items():
        points = [] if '--points' in bad else POINTS
        p = semicls('curve', *PARTS, *TINY, *points, *bad, '--out', 'b')
        assert p.returncode==1 and want in p.err.splitlines()[-1], (bad, p.err)
        assert not p.out and not (tmp_path/'b').exists()
