"Committees of given scores: what is refused, tabled and told, without training"
import re
import numpy as np, pytest
from semiconductor_cls.all import *

SKILLS = dict(a=.6, b=1.2, c=.9)

def three(stub): return [stub(n, skill=s, seed=i) for i,(n,s) in enumerate(SKILLS.items())]

def test_a_committee_never_replaces_its_member(stub, tmp_path):
    p = np.linspace(0, 1, 40)
    a,b = stub('a', p),stub('b', p[::-1])
    before = sorted(o.name for o in a.iterdir())
    for place in (a, tmp_path):
        with pytest.raises(UserError, match='is or holds the member'): ensemble_run([a, b], place, overwrite=True)
    assert sorted(o.name for o in a.iterdir())==before
    many = [stub(f'm{i}', p) for i in range(17)]
    with pytest.raises(UserError, match='at most 16'): ensemble_run(many, tmp_path/'all')
    assert not (tmp_path/'all').exists()

GAINS = [('prob','equal'), ('logit','equal'), ('rank','greedy'), ('prob','greedy'), ('logit','stack')]

@pytest.mark.parametrize('how,weights', GAINS)
def test_the_gain_told_is_that_of_the_runs_own_scores(stub, tmp_path, how, weights):
    members,out = three(stub),tmp_path/'e'
    m = ensemble_run(members, out, how, weights)
    gain,d = read_json(out/'gain.json'),compare_runs([members[1], out]).iloc[1]
    assert gain['best']=='b'
    assert gain['auc_a']==pytest.approx(m['auc'])
    assert [gain[k] for k in ('diff','lo','hi')]==pytest.approx([d['diff'],d.diff_lo,d.diff_hi])
    html = (out/'report.html').read_text()
    interval = f"95 % interval {gain['lo']:+.4f} to {gain['hi']:+.4f}"
    assert f"validation, b: difference in test AUC {gain['diff']:+.4f} ({interval}" in html
    assert f"is off by {gain['claimed']-gain['kept']:+.4f}:" in html
    assert 'best of 7 combinations' in html and gain['halvings']==50

def test_each_members_worth_is_all_less_all_without_it(stub, tmp_path):
    out = tmp_path/'e'
    ensemble_run(three(stub), out, 'logit')
    aucs = read_csv(out/'combinations.csv').set_index('members').auc_test
    worth = read_csv(out/'members.csv').set_index('member')
    without = dict(a='b+c', b='a+c', c='a+b')
    assert worth['diff'].to_dict()==pytest.approx({n:aucs['all*']-aucs[o] for n,o in without.items()})
    assert (worth.lo<worth['diff']).all() and (worth['diff']<worth.hi).all()
    assert 'Does a member lower the result?' in (out/'report.html').read_text()

def test_pages_of_older_committees_are_still_made(stub, tmp_path):
    out = tmp_path/'e'
    ensemble_run([stub('a'), stub('b', seed=1)], out)
    for f in ('gain.json','members.csv'): (out/f).unlink()
    assert 'all*' in renew_report(open_run(out)).read_text()

def test_logits_over_sets_of_folds_are_refused_before_anything_is_written(stub, tmp_path):
    folds,out = [f'fold{i}' for i in range(2)],tmp_path/'e'
    inner = dict(kind='ensemble', folds=2, how='prob', members={f:f for f in folds}, weights={f:.5 for f in folds})
    sets = [stub(n, seed=i, **inner) for i,n in enumerate('ab')]
    for s in sets:
        for f in folds: stub(f'{s.name}/{f}')
    with pytest.raises(UserError, match='--how prob'): ensemble_run(sets, out, 'logit')
    assert not out.exists()
    ensemble_run(sets, out)
    assert len(open_run(out).networks)==4

def test_a_name_that_two_combinations_would_have_is_refused(stub, tmp_path):
    a,b,ab = (stub(n, seed=i) for i,n in enumerate(('a','b','a+b')))
    out,told = tmp_path/'e',r'a\+b: two combinations would have this name'
    with pytest.raises(UserError, match=told): ensemble_run([a, b, ab], out)
    assert not out.exists()
    ensemble_run([a, ab], out)
    assert len(read_csv(out/'combinations.csv'))==3 # no doubt here

def test_seven_members_in_the_studys_two_tables(stub, semicls, tmp_path):
    names = 'resnet50 resnet34 densenet121 densenet169 alexnet effb5 effb7'.split()
    for i,n in enumerate(names): stub(n, seed=i)
    p = semicls('ensemble', *names, '--out', 'seven')
    assert p.returncode==0, p.err
    t = read_csv(tmp_path/'seven/combinations.csv')
    assert len(t)==127 and t.members[:7].isin(names).all()
    assert t.members.iloc[-1]=='all*' and 'resnet50+resnet34' in set(t.members)
    tables = re.findall(r'<table.*?</table>', (tmp_path/'seven/report.html').read_text(), re.S)
    singles,combos = (o for o in tables if '<th>AUC on test</th>' in o)
    assert singles.count('<tr>')==1+7
    assert combos.count('<tr>')==1+120
    assert '<td>all*</td>' in combos[combos.rindex('<tr>'):]

def with_weights(path, data):
    (path/'model.safetensors').write_bytes(data)
    return path

@pytest.mark.parametrize('how', ['prob','logit'])
def test_a_committee_scores_only_with_the_networks_it_was_measured_with(stub, semicls, tmp_path, how):
    "Neither after a member was trained again, nor beside other runs of the same names"
    a,b = (with_weights(stub(n, seed=i), n.encode()) for i,n in enumerate('ab'))
    ensemble_run([a, b], tmp_path/'c', how)
    kept = open_run(tmp_path/'c').weights_id
    with_weights(b, b'trained again')
    asked = 'predict c parts --out p.csv','evaluate c','evaluate c --dry-run','export c','ensemble c a --out d'
    for name in asked:
        p = semicls(*name.split())
        assert p.returncode==1 and 'c: b is not the run that was averaged' in p.err, p.err
        assert 'average again with: semicls ensemble' in p.err
    assert len(open_run(tmp_path/'c').decisions)==1 and not (tmp_path/'d').exists()
    with_weights(b, b'b')
    assert open_run(tmp_path/'c').weights_id==kept

def test_a_committee_of_before_is_compared_with_what_its_first_decision_was_made_for(stub, tmp_path):
    a,b = (with_weights(stub(n, seed=i), n.encode()) for i,n in enumerate('ab'))
    ensemble_run([a, b], tmp_path/'c')
    run = open_run(tmp_path/'c')
    write_json(run/'run.json', {k:v for k,v in run.info.items() if k!='member_ids'})
    assert len(run.networks)==2
    with_weights(a, b'trained again')
    with pytest.raises(UserError, match='a member is not the run that was averaged'): open_run(tmp_path/'c').networks

def test_what_a_member_averages_is_not_replaced_by_the_committee(stub, tmp_path):
    "Two committees would each be a member of the other, and neither could score"
    a,b = (with_weights(stub(n, seed=i), n.encode()) for i,n in enumerate('ab'))
    ensemble_run([a, b], tmp_path/'c')
    ensemble_run([tmp_path/'c', b], tmp_path/'e')
    for place in ('a','c'):
        with pytest.raises(UserError, match=f'{place}, which the member .*e averages'):
            ensemble_run([tmp_path/'e', b], tmp_path/place, overwrite=True)
    assert len(open_run(tmp_path/'e').networks)==3
