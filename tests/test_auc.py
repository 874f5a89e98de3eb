"AUC, the other metrics and their intervals, against scikit-learn, direct computation and repeated simulation"
import numpy as np, pytest
from hypothesis import given, settings, strategies as st
from scipy.special import expit
from sklearn import metrics as skm
from conftest import draw, score_table
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.auc import MODEL_METRICS, Metric
from semiconductor_cls.auc import auc_ci, auc_cov, bootstrap, check_preds, compare, compare_auc, metrics, metrics_ci
from semiconductor_cls.evaluate import choose_threshold, rates
from semiconductor_cls.operate import trade
from semiconductor_cls.jobs.report import numbers_table

def both_classes(pairs): return len({y for y,_ in pairs})==2
few = st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=40).filter(both_classes)

def labels_and_scores(pairs): return np.array([y for y,_ in pairs]),np.array([k/5 for _,k in pairs])

@settings(max_examples=100)
@given(few)
def test_metrics_are_scikit_learns_with_any_ties(pairs):
    y,p = labels_and_scores(pairs)
    want = dict(auc=skm.roc_auc_score(y, p), pauc=skm.roc_auc_score(y, p, max_fpr=.02),
                ap=skm.average_precision_score(y, p), brier=skm.brier_score_loss(y, p),
                log_loss=skm.log_loss(y, p, labels=[False,True]))
    ours = metrics(y, p)
    for k,v in want.items(): assert ours[k]==pytest.approx(v, abs=1e-12), k

@settings(max_examples=100)
@given(few)
def test_intervals_hold_the_estimate_and_stay_inside(pairs):
    y,p = labels_and_scores(pairs)
    auc,lo,hi = auc_ci(y, p)
    assert 0<=lo<=auc<=hi<=1
    assert hi>lo
    r = rates(y, p, choose_threshold(y, p))
    assert r['escape_lo']<=r['escape_rate']<=r['escape_hi']
    assert r['escape_hi']>0
    tr = trade(y, p)
    assert (tr.n_escapes.diff().dropna()>=0).all()
    assert (tr.n_overkills.diff().dropna()<=0).all()
    for t,escapes,overkills in zip(tr.threshold, tr.n_escapes, tr.n_overkills):
        r = rates(y, p, t)
        assert (r['n_escapes'], r['n_overkills'])==(escapes, overkills)

def test_delong_equals_a_direct_computation():
    y,p = draw(40, 90)
    above,equal = p[y][:,None]>p[~y],p[y][:,None]==p[~y]
    pair = above+.5*equal
    var = pair.mean(1).var(ddof=1)/40 + pair.mean(0).var(ddof=1)/90
    aucs,cov = auc_cov(y, [p, p**2])
    assert cov[0,0]==pytest.approx(var, abs=1e-15)
    assert cov[0,1]==pytest.approx(var, abs=1e-15)
    assert aucs[0]==pytest.approx(pair.mean(), abs=1e-12)

NO_NUMBER = 'p_defect is not a number'
BAD = [(dict(p_defect=np.nan), NO_NUMBER), (dict(p_defect=np.inf), NO_NUMBER), (dict(p_defect='a'), NO_NUMBER),
       (dict(p_defect=1.01), 'between 0 and 1'), (dict(label='good'), 'no defect images'),
       (dict(label='defect'), 'no good images'), (dict(label=None), 'no label on any'),
       (dict(label='bad'), 'bad is no label'), (dict(id='same'), '1 id more than once, the first is same')]

@pytest.mark.parametrize('change,says', BAD)
def test_bad_predictions_are_told_in_one_line(change, says):
    df = score_table(*draw(5, 20)).assign(**change)
    with pytest.raises(UserError, match=says) as e: check_preds(df, 'preds_test.csv')
    assert '\n' not in str(e.value)
    assert 'preds_test.csv' in str(e.value)

@pytest.mark.slow
def test_bootstrap_covers_the_truth():
    "95 % intervals of 1,000 simulated data sets hold the true value in 93 to 97 %"
    true = metrics(*draw(200_000, 800_000, seed=999))
    hit = {k:0 for k in ('auc','ap','brier','log_loss')}
    for i in range(1000):
        y,p = draw(60, 240, seed=i)
        t = bootstrap(lambda w: metrics(y, p, w), y, n=300, seed=i)
        for k in hit: hit[k] += t.lo[k]<=float(true[k])<=t.hi[k]
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

@pytest.mark.parametrize('name,words', [('youden','Youden index'), ('ks','largest distance of the curve from chance')])
def test_a_metric_brings_what_a_report_calls_it(name, words, monkeypatch):
    monkeypatch.setitem(MODEL_METRICS, name, Metric(lambda sweep: (sweep.tpr-sweep.fpr).max(-1), words))
    found = {k:float(v) for k,v in metrics([True,False], [.9,.1]).items()}
    assert numbers_table(found).figure.tolist()==[o.words for o in MODEL_METRICS.values()]

@pytest.mark.parametrize('lowest', [-1.,0.])
def test_a_metric_below_zero_says_where_it_begins_or_is_refused(lowest, monkeypatch):
    y,p = draw(20, 60, seed=1)
    gini = Metric(lambda sweep: 2*MODEL_METRICS['auc'].of(sweep)-1, 'Gini', ends_at_1=True, lowest=lowest)
    monkeypatch.setitem(MODEL_METRICS, 'gini', gini)
    found = metrics_ci(y, p, n=200)
    assert np.allclose(found.loc['gini'], 2*found.loc['auc']-1)==(lowest==-1)
    if lowest: assert metrics_ci(y, 1-p, n=200).hi['gini']<0
    else:
        with pytest.raises(ValueError, match='gini: -0.* is not in 0 to 1'): metrics_ci(y, 1-p, n=200)
