"Committees of given scores: what is compared, refused, tabled and told, without training"
import dataclasses, re
import numpy as np, pandas as pd, pytest
from semiconductor_cls.all import *

TINY = dataclasses.replace(QUICK, arch='resnet18', sizes=(32,), epochs=1, bs=8, tta='')
N = 120

@pytest.fixture
def stub(tmp_path):
    "Make a finished run of given test scores, half of them defects; its other images are for training"
    def f(name, p=None, skill=1., seed=0, tta='', table=None, **info):
        rng = np.random.default_rng(seed)
        y = np.arange(N)%2==1
        p = 1/(1+np.exp(-(skill*(y-.5)*2+rng.normal(size=N)))) if p is None else p
        t = pd.DataFrame(dict(id=[f't{i:03d}' for i in range(N)], path='x', label=np.where(y, 'defect', 'good')))
        rest = pd.DataFrame(dict(id=[f'r{i:03d}' for i in range(40)], path='x', label=['good','defect']*20, split=['train','valid']*20))
        info = dict(fingerprint='f', split_fingerprint='s', recipe=dataclasses.asdict(dataclasses.replace(TINY, tta=tta)), seed=0, source=str(tmp_path/'parts')) | info
        run = create_run(tmp_path/name, **info)
        for s in ('valid','test'): write_csv(t.assign(p_defect=p), run/f'preds_{s}.csv')
        full = pd.concat([t.assign(split='test'), rest], ignore_index=True).assign(hash=lambda d: 'h'+d.id, group=lambda d: d.index//2)
        write_csv(full if table is None else table(full), run/'table.csv')
        run.update(status='finished')
        return run.path
    return f

def change(where, **cols): return lambda t: t.assign(**{c:t[c].where(t.id!=where, v) for c,v in cols.items()})

def test_comparison_asks_for_the_same_test_images_only(stub):
    a = stub('a')
    fewer = stub('fewer', seed=1, fingerprint='g', split_fingerprint='t', table=lambda t: t[t.id!='r000']) # wrong labels dropped
    folds = stub('folds', seed=2, kind='ensemble', folds=2, how='prob', members={}, weights={}, split_fingerprint='u')
    c = compare_runs([a, fewer, folds])
    assert len(c)==3 and c['diff'][0]==0 and (c.diff_lo<=c['diff']).all() and c.run[1]==str(fewer)
    with pytest.raises(UserError, match='another split|other data'): ensemble_run([a, fewer], a.parent/'e')
    with pytest.raises(UserError, match='learnt was trained on 1 of the test images, the first is t003'): compare_runs([a, stub('learnt', table=change('t003', split='train'))])
    with pytest.raises(UserError, match='copy was trained on 1 of the test images, the first is r000'): compare_runs([a, stub('copy', table=change('r000', hash='ht005'))])
    with pytest.raises(UserError, match='1 test images of the same name are other pictures, the first is t007'): compare_runs([a, stub('other', table=change('t007', hash='x'))])
    for cut,want in ((lambda d: d[2:], 'did not judge 2 of the 120'), (lambda d: d.assign(label=d.label.where(d.id!='t000', 'defect')), 'disagree on the label of 1')):
        b = stub('b' if 'judge' in want else 'c'); write_csv(cut(read_csv(b/'preds_test.csv')), b/'preds_test.csv')
        with pytest.raises(UserError, match=want): compare_runs([a, b])

def test_a_missing_group_is_a_group_by_itself(stub):
    a = stub('a', table=change('t004', group=None)); b = stub('b', seed=1, table=lambda t: t.assign(group=None))
    assert compare_runs([a, b]).notna().all(axis=None) and compare_runs([b, a]).notna().all(axis=None)
    assert groups_of(open_run(a), ['t003','t004']).tolist()==[1,'id t004']

def test_members_of_another_number_of_folds_are_not_taken(stub, tmp_path):
    stub('c-resnet18-0')
    with pytest.raises(UserError, match='has 0 folds, not 5'): committee_job(tmp_path/'parts', ['resnet18'], r=TINY, out=tmp_path/'c', folds=5)
    same_job(tmp_path/'c-resnet18-0', tmp_path/'parts', TINY, 0) # not asked, not compared
    stub('d-resnet18-0', kind='ensemble', folds=5, how='prob')
    with pytest.raises(UserError, match='has 5 folds, not 0'): committee_job(tmp_path/'parts', ['resnet18'], r=TINY, out=tmp_path/'d')

def test_a_taken_place_is_refused_before_training(stub, tmp_path):
    stub('c')
    with pytest.raises(UserError, match='--overwrite'): committee_job(tmp_path/'nowhere', ['resnet18','resnet34'], r=TINY, out=tmp_path/'c')
    assert [o.name for o in tmp_path.iterdir()]==['c']

def test_views_that_a_member_has_are_not_offered_again(stub, tmp_path):
    runs,said = [stub('a', tta='flips'), stub('b', seed=1, tta='flips')],[]
    assert add_tta(runs, tmp_path/'e', 'flips', tell=said.append)==runs
    assert said==['a: looks at flips already','b: looks at flips already'] and sorted(o.name for o in tmp_path.iterdir())==['a','b']

@pytest.mark.parametrize('how,weights', [('prob','equal'), ('logit','equal'), ('rank','greedy'), ('prob','greedy'), ('logit','stack')])
def test_the_gain_told_is_that_of_the_runs_own_scores(stub, tmp_path, how, weights):
    runs = [stub(n, skill=s, seed=i) for i,(n,s) in enumerate(dict(a=.6, b=1.2, c=.9).items())]
    m = ensemble_run(runs, tmp_path/'e', how, weights)
    g,d = read_json(tmp_path/'e/gain.json'),compare_runs([runs[1], tmp_path/'e']).iloc[1]
    assert g['best']=='b' and g['auc_a']==pytest.approx(m['auc']) and [g[k] for k in ('diff','lo','hi')]==pytest.approx([d['diff'],d.diff_lo,d.diff_hi])
    html = (tmp_path/'e/report.html').read_text()
    assert f"validation, b: test AUC {g['diff']:+.4f} (95 % interval {g['lo']:+.4f} to {g['hi']:+.4f}" in html
    assert f"{g['claimed']-g['kept']:+.4f} off the truth" in html and 'best of 7 combinations' in html and g['halvings']==50

def test_each_members_worth_is_all_less_all_without_it(stub, tmp_path):
    runs = [stub(n, skill=s, seed=i) for i,(n,s) in enumerate(dict(a=.6, b=1.2, c=.9).items())]
    ensemble_run(runs, tmp_path/'e', 'logit')
    aucs,worth = read_csv(tmp_path/'e/combinations.csv').set_index('members').auc_test,read_csv(tmp_path/'e/members.csv').set_index('member')
    assert worth['diff'].to_dict()==pytest.approx({n:aucs['all*']-aucs[o] for n,o in dict(a='b+c', b='a+c', c='a+b').items()})
    assert (worth.lo<worth['diff']).all() and (worth['diff']<worth.hi).all() and 'Does a member lower the result?' in (tmp_path/'e/report.html').read_text()

def test_pages_of_older_committees_are_still_made(stub, tmp_path):
    ensemble_run([stub('a'), stub('b', seed=1)], tmp_path/'e')
    for f in ('gain.json','members.csv'): (tmp_path/'e'/f).unlink()
    assert 'all*' in renew_report(open_run(tmp_path/'e')).read_text()

def test_logits_over_sets_of_folds_are_refused_before_anything_is_written(stub, tmp_path):
    inner = dict(kind='ensemble', folds=2, how='prob', members={f'fold{i}':f'fold{i}' for i in range(2)}, weights={f'fold{i}':.5 for i in range(2)})
    sets = [stub(n, seed=i, **inner) for i,n in enumerate('ab')]
    for s in sets:
        for i in range(2): stub(f'{s.name}/fold{i}')
    with pytest.raises(UserError, match='--how prob'): ensemble_run(sets, tmp_path/'e', 'logit')
    assert not (tmp_path/'e').exists()
    ensemble_run(sets, tmp_path/'e'); assert len(leaves(open_run(tmp_path/'e')))==4

def test_a_name_that_two_combinations_would_have_is_refused(stub, tmp_path):
    a,b,ab = stub('a'),stub('b', seed=1),stub('a+b', seed=2)
    with pytest.raises(UserError, match=r'a\+b: two combinations would have this name'): ensemble_run([a, b, ab], tmp_path/'e')
    assert not (tmp_path/'e').exists()
    ensemble_run([a, ab], tmp_path/'e'); assert len(read_csv(tmp_path/'e/combinations.csv'))==3 # no doubt here

def test_seven_members_in_the_studys_two_tables(stub, semicls, tmp_path):
    names = 'resnet50 resnet34 densenet121 densenet169 alexnet effb5 effb7'.split()
    for i,n in enumerate(names): stub(n, seed=i)
    p = semicls('ensemble', *names, '--out', 'seven')
    assert p.returncode==0, p.err
    t = read_csv(tmp_path/'seven/combinations.csv')
    assert len(t)==127 and t.members[:7].isin(names).all() and t.members.iloc[-1]=='all*' and 'resnet50+resnet34' in set(t.members)
    tables = re.findall(r'<table>.*?</table>', (tmp_path/'seven/report.html').read_text(), re.S)
    singles,combos = (o for o in tables if '<th>auc_test</th>' in o)
    assert singles.count('<tr>')==1+7 and combos.count('<tr>')==1+120 and '<td>all*</td>' in combos[combos.rindex('<tr>'):]
