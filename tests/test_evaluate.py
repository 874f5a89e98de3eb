"Evaluation and operating point: what a notebook cannot say well, above all bad input and repeated simulation"
import matplotlib
matplotlib.use('Agg')
import numpy as np, pandas as pd, pytest
from hypothesis import given, settings, strategies as st
from scipy import stats
from scipy.special import expit
from sklearn import metrics as skm
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.files import read_json
from semiconductor_cls.base.table import write_csv
from semiconductor_cls.base.run import create_run
from semiconductor_cls.auc import *
from semiconductor_cls.evaluate import *
from semiconductor_cls.operate import *
from semiconductor_cls.review import *

def draw(m, n, d=2., seed=0):
    r = np.random.default_rng(seed)
    y = np.r_[np.ones(m, bool), np.zeros(n, bool)]
    return y, expit(r.normal(size=m+n) + d*y)

def table(y, p, pre=''):
    ids = [f'{pre}{i}' for i in range(len(y))]
    return pd.DataFrame(dict(id=ids, path=[f'{i}.png' for i in ids], label=np.where(y, 'defect', 'good'), p_defect=p))

def make_run(path, valid, test=None):
    run = create_run(path)
    write_csv(valid, run/'preds_valid.csv')
    if test is not None: write_csv(test, run/'preds_test.csv')
    return run

few = st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=40).filter(lambda o: 0<sum(a for a,_ in o)<len(o))

@settings(max_examples=100, deadline=None)
@given(few)
def test_metrics_are_scikit_learns_with_any_ties(o):
    y,p = np.array([a for a,_ in o]), np.array([b/5 for _,b in o])
    m = metrics(y, p)
    ref = dict(auc=skm.roc_auc_score(y, p), pauc=skm.roc_auc_score(y, p, max_fpr=.02), ap=skm.average_precision_score(y, p),
               log_loss=skm.log_loss(y, p, labels=[False,True]), brier=skm.brier_score_loss(y, p))
    for k,v in ref.items(): assert m[k]==pytest.approx(v, abs=1e-12), k

@settings(max_examples=100, deadline=None)
@given(few)
def test_intervals_hold_the_estimate_and_stay_inside(o):
    y,p = np.array([a for a,_ in o]), np.array([b/5 for _,b in o])
    auc,lo,hi = auc_ci(y, p)
    assert 0<=lo<=auc<=hi<=1 and hi>lo
    r = rates(y, p, choose_threshold(y, p))
    assert r['escape_lo']<=r['escape_rate']<=r['escape_hi'] and r['escape_hi']>0
    tr = trade(y, p)
    assert (tr.n_escapes.diff().dropna()>=0).all() and (tr.n_overkills.diff().dropna()<=0).all()
    for t,e,k in zip(tr.threshold, tr.n_escapes, tr.n_overkills): assert (rates(y, p, t)['n_escapes'], rates(y, p, t)['n_overkills'])==(e, k)

def test_delong_equals_a_direct_computation():
    y,p = draw(40, 90)
    pair = (p[y][:,None]>p[~y])+.5*(p[y][:,None]==p[~y])
    var = pair.mean(1).var(ddof=1)/40 + pair.mean(0).var(ddof=1)/90
    aucs,cov = auc_cov(y, [p, p**2])
    assert cov[0,0]==pytest.approx(var, abs=1e-15) and cov[0,1]==pytest.approx(var, abs=1e-15) and aucs[0]==pytest.approx(pair.mean(), abs=1e-12)

@pytest.mark.parametrize('change,says', [
    (dict(p_defect=np.nan), 'p_defect is not a number'), (dict(p_defect=np.inf), 'p_defect is not a number'), (dict(p_defect='a'), 'p_defect is not a number'),
    (dict(p_defect=1.01), 'between 0 and 1'), (dict(label='good'), 'no defect images'), (dict(label='defect'), 'no good images'),
    (dict(label=None), 'has a label'), (dict(label='bad'), 'bad is no label'), (dict(id='same'), 'appear twice, the first is same')])
def test_bad_predictions_are_told_in_one_line(change, says):
    with pytest.raises(UserError, match=says) as e: check_preds(table(*draw(5, 20)).assign(**change), 'preds_test.csv')
    assert '\n' not in str(e.value) and 'preds_test.csv' in str(e.value)

def test_three_defects_and_all_ties(tmp_path):
    y,_ = draw(3, 30)
    for i,p in enumerate((np.full(33, .5), np.where(y, .9, .1), np.where(y, .1, .9))):
        m = evaluate_run(make_run(tmp_path/f'r{i}', table(y, p)), n_boot=50)
        assert m['reported_on']=='valid' and m['auc_lo']<m['auc_hi'] and np.isfinite(m['threshold'])
    assert rate_text(0, 3)=='< 63 % (0 of 3)'

def test_evaluate_run_freezes_the_threshold(tmp_path):
    v,t = table(*draw(60, 240, seed=1), 'v'), table(*draw(60, 240, seed=2), 't')
    m = evaluate_run(make_run(tmp_path/'a', v, t), 50)
    flipped = t.assign(label=t.label.iloc[::-1].to_numpy())
    assert m['threshold']==evaluate_run(make_run(tmp_path/'b', v, flipped), 50)['threshold']
    assert read_json(tmp_path/'a/metrics.json')['auc']==m['auc']
    assert {o.name for o in (tmp_path/'a/figures').iterdir()} >= {'roc.png','confusion.png','mistakes.png','calibration.png'}
    assert evaluate_run(make_run(tmp_path/'c', v, t.assign(label=None)), 50)['reported_on']=='valid'

def test_hostile_names_reach_the_figures(tmp_path):
    y,p = draw(20, 40, 0.)
    t = table(y, p)
    for i,n in enumerate(['$\\frac{$', '<script>', '\udcff\udcfe', 'a\nb', '\u202egnp', '字'*300]): t.loc[[i, 25+i],['id','path']] = [[n+'d', n], [n+'g', n]]
    evaluate_run(make_run(tmp_path/'r', t), 20)
    assert (tmp_path/'r/figures/mistakes.png').stat().st_size>1000

def test_operating_limits_are_refused_with_the_number_needed():
    y,p = draw(3, 30)
    with pytest.raises(UserError, match='3 defects cannot show it, 2,995 are needed'): threshold_by_rate(y, p, escape=.001)
    with pytest.raises(UserError, match='30 good parts cannot show it, 299 are needed'): threshold_by_rate(y, p, overkill=.01)
    with pytest.raises(UserError, match='one limit'): threshold_by_rate(y, p)

@pytest.mark.parametrize('kw', [dict(escape=.05), dict(overkill=.05)])
def test_a_promise_is_kept_in_95_percent(kw):
    "True rates are known, so the promise can be counted; 400 sets, so 5 % ± 3.3 % (three standard errors)"
    broken = 0
    for i in range(400):
        t = threshold_by_rate(*draw(150, 150, seed=i), **kw)
        z = np.log(t/(1-t))
        broken += (stats.norm.cdf(z-2) if 'escape' in kw else stats.norm.sf(z)) > .05
    assert broken/400<=.083

def test_operate_run(tmp_path):
    v,t = table(*draw(100, 400, 3., 1), 'v'), table(*draw(100, 400, 3., 2), 't')
    res = operate_run(make_run(tmp_path/'r', v, t), Line(.01, 500, 2), escape=.05, looks=.2)
    assert res['reported_on']=='test' and res['escape_hi']>0 and read_json(tmp_path/'r/operating.json')['review']['look_share']>0

@pytest.mark.slow
def test_bootstrap_covers_the_truth():
    "95 % intervals of 1,000 simulated data sets hold the true value in 93 to 97 %"
    big = metrics(*draw(200_000, 800_000, seed=999))
    hit = {k:0 for k in ('auc','ap','brier','log_loss')}
    for i in range(1000):
        y,p = draw(60, 240, seed=i)
        t = bootstrap(lambda w: metrics(y, p, w), y, n=300, seed=i)
        for k in hit: hit[k] += t.lo[k]<=float(big[k])<=t.hi[k]
    assert all(.93<=v/1000<=.97 for v in hit.values()), hit

@pytest.mark.slow
def test_paired_bootstrap_and_delong_reject_equal_models_in_5_percent():
    boot = delong = 0
    for i in range(500):
        y,_ = draw(60, 240, seed=i)
        r = np.random.default_rng(i)
        common = r.normal(size=300)
        pa,pb = (expit(2*y + .8*common + .6*r.normal(size=300)) for _ in 'ab')
        c = compare(y, pa, pb, n=300, seed=i)
        boot += not c.lo['auc']<=0<=c.hi['auc']
        delong += compare_auc(y, pa, pb)['p_value']<.05
    assert .02<=boot/500<=.085 and .02<=delong/500<=.085, (boot, delong)
