"Two runs on the same test images: what has to be the same, and what a comparison counts"
import numpy as np, pytest
from semiconductor_cls.all import *

def change(one, **cols):
    "A table with other values for the image `one`"
    return lambda t: t.assign(**{c:t[c].where(t.id!=one, v) for c,v in cols.items()})

def less_two(preds): return preds[2:]
def other_label(preds): return preds.assign(label=preds.label.where(preds.id!='t000', 'defect'))

def test_comparison_asks_for_the_same_test_images_only(stub):
    a = stub('a')
    dropped = dict(fingerprint='g', split_fingerprint='t', table=lambda t: t[t.id!='r000']) # wrong labels
    fewer = stub('fewer', seed=1, **dropped)
    folds = stub('folds', seed=2, kind='ensemble', folds=2, how='prob',
        members={'f0':'f0'}, weights={'f0':1.}, split_fingerprint='u')
    c = compare_runs([a, fewer, folds])
    assert len(c)==3 and c['diff'][0]==0 and c.run[1]==str(fewer)
    assert (c.diff_lo<=c['diff']).all()
    with pytest.raises(UserError, match='another split|other data'): ensemble_run([a, fewer], a.parent/'e')
    refused = dict(learnt=(change('t003', split='train'), 'was trained on 1 of the test images, the first is t003'),
                   copy=(change('r000', hash='ht005'), 'was trained on 1 of the test images, the first is r000'))
    for name,(table,told) in refused.items():
        with pytest.raises(UserError, match=f'{name} {told}'): compare_runs([a, stub(name, table=table)])
    told = '1 test image of the same name, of other pictures, the first is t007'
    with pytest.raises(UserError, match=told): compare_runs([a, stub('other', table=change('t007', hash='x'))])
    cuts = dict(b=(less_two, 'did not judge 2 of 120 images'), c=(other_label, 'disagree on the label of 1'))
    for name,(cut,told) in cuts.items():
        b = stub(name)
        write_csv(cut(read_csv(b/'preds_test.csv')), b/'preds_test.csv')
        with pytest.raises(UserError, match=told): compare_runs([a, b])

def test_a_missing_group_is_a_group_by_itself(stub):
    a = stub('a', table=change('t004', group=None))
    b = stub('b', seed=1, table=lambda t: t.assign(group=None))
    for pair in ([a, b], [b, a]): assert compare_runs(pair).notna().all(axis=None)
    assert groups_of(open_run(a), ['t003','t004']).tolist()==[1,'id t004']

def test_comparison_counts_groups_and_one_test_set(stub):
    rng = np.random.default_rng(0)
    p = (np.repeat(rng.random(20), 12)+rng.normal(0, .01, 240)).clip(0, 1)
    q,y = rng.random(240),np.arange(240)%2==1
    groups = np.repeat(range(20), 12)
    def compared(name, group):
        def table(t): return t.assign(group=[*group, *range(1000, 1000+len(t)-240)])
        return compare_runs([stub(f'{name}{i}', o, table=table) for i,o in enumerate((p, q))])
    alone,together = compared('i', range(240)),compared('g', groups)
    ci = together.loc[0, ['lo','hi']].astype(float)
    assert np.allclose(ci, auc_ci(y, p, groups=groups)[1:])
    assert together.hi[0]-together.lo[0]!=alone.hi[0]-alone.lo[0]
    x,z = stub('x', p),stub('y', q, split_fingerprint='t')
    assert len(compare_runs([x, z]))==2, 'trained on other data, judged on the same'
    with pytest.raises(UserError, match='did not judge'): compare_runs([x, stub('z', q[:-2])])
