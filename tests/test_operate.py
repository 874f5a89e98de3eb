"The operating point: promises kept, no bare zero, groups counted once"
import matplotlib
matplotlib.use('Agg')
import math, re
import numpy as np, pandas as pd, pytest
from scipy import stats
from scipy.special import expit, logit
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.files import read_json
from semiconductor_cls.base.table import write_csv
from semiconductor_cls.base.run import create_run
from semiconductor_cls.auc import *
from semiconductor_cls.evaluate import *
from semiconductor_cls.jobs.report import operating
from semiconductor_cls.operate import *
from semiconductor_cls.review import *

LINE = Line(.01, 500, 2, .2)

def draw(m, n, d=3., seed=0):
    r = np.random.default_rng(seed)
    y = np.r_[np.ones(m, bool), np.zeros(n, bool)]
    return y, expit(r.normal(size=m+n) + d*(y-.5))

def apart(m, n): return np.r_[np.ones(m, bool), np.zeros(n, bool)], np.r_[np.full(m, .9), np.full(n, .1)]

def make_run(path, valid, test, groups=None):
    run = create_run(path)
    for name,(y,p) in dict(valid=valid, test=test).items():
        ids = [f'{name}{i}' for i in range(len(y))]
        df = pd.DataFrame(dict(id=ids, path=ids, label=np.where(y, 'defect', 'good'), p_defect=p))
        write_csv(df if groups is None else df.assign(group=[f'{name}{k}' for k in groups]), run/f'preds_{name}.csv')
    return run

@pytest.mark.parametrize('k', ['escape_price','overkill_price','look_price'])
@pytest.mark.parametrize('v', [math.nan, math.inf, -math.inf, -1.])
def test_prices_are_finite(k, v):
    with pytest.raises(UserError, match='give a number, 0 or more'): Line(.01, **{k:v})

@pytest.mark.parametrize('v', [math.nan, math.inf, 0, 1, -1])
def test_a_defect_rate_is_a_share(v):
    with pytest.raises(UserError, match='give a share'): Line(v)

@pytest.mark.parametrize('miss,limit', [(.1,.02), (.1,.05), (.3,.05), (.9,.05)])
def test_a_band_keeps_its_promise_in_95_percent(miss, limit):
    "True rates are known; 300 sets, so 5 % ± 3.8 % (three standard errors)"
    def F(t): return stats.norm.cdf(logit(t)-1.5)
    broken = 0
    for i in range(300):
        b = review_band(*draw(400, 400, seed=i), LINE, escape=limit, human_miss=miss, max_cuts=200)
        broken += (1-miss)*F(b['lo']) + miss*F(b['hi']) > limit
    assert broken/300<=.088

def test_a_band_that_cannot_be_promised_is_refused():
    with pytest.raises(UserError, match='40 defects cannot show it, 149 are needed'): review_band(*draw(40, 400), LINE, escape=.02)
    b = review_band(*draw(149, 400), LINE, escape=.02)                     # just enough for one threshold
    assert b['escape_hi']<=.02+1e-9

def test_copies_prove_no_more_than_one():
    y,p = draw(60, 200); i = np.repeat(np.arange(260), 10)
    for lo,hi in ((.2,.2), (.2,.6), (.01,.99)): assert escape_bound(y[i], p[i], lo, hi, groups=i)==pytest.approx(escape_bound(y, p, lo, hi), abs=1e-12)
    one,ten = rates(y, p, .5),rates(y[i], p[i], .5, i)
    for k in ('escape_lo','escape_hi','overkill_lo','overkill_hi'): assert ten[k]==pytest.approx(one[k], abs=1e-12)
    assert rates(y[i], p[i], .5)['escape_hi']<one['escape_hi']

@pytest.mark.parametrize('rate', [.02, .1, .5])
def test_rates_of_unequal_groups_cover_the_truth(rate):
    "Parts of a group go wrong together, groups have one to six parts"
    r,hit = np.random.default_rng(0),0
    for _ in range(1000):
        sizes = r.integers(1, 7, 80)
        lo,hi = rate_ci(int(sizes[r.random(80)<rate].sum()), int(sizes.sum()), sizes=sizes)
        hit += lo<=rate<=hi
    assert hit/1000>=.93

def test_no_bare_zero_is_told(tmp_path):
    res = operate_run(make_run(tmp_path/'r', apart(100, 400), apart(100, 400)), LINE, looks=.1)
    d = read_json(tmp_path/'r/operating.json')
    assert d['report']['escape_rate']=='< 3 % (0 of 100)' and d['report']['scrapped per million'].startswith('below ') and d['report']['€ per million'].startswith('below ')
    for words in (d['report'], d['review_report']):
        for k,v in words.items(): assert not re.match(r'-?0(\.0+)?\b(?!\.)', str(v)), (k, v)
    for k in ('escapes','scrapped','cost'): assert d['per_million'][f'{k}_hi']>d['per_million'][k]==0
    for k in ('escape_hi','overkill_hi','escapes_ppm_hi','scrapped_ppm_hi','cost_hi'): assert d['review'][k]>0
    for o in d['points']: assert 'cannot show it' in o['note'] or '< ' in o['note']

def test_groups_reach_the_operating_point(tmp_path):
    g = np.arange(1000)//10
    d = operate_run(make_run(tmp_path/'g', apart(200, 800), apart(200, 800), g), LINE, looks=.1)
    one = operate_run(make_run(tmp_path/'o', apart(20, 80), apart(20, 80)), LINE, looks=.1)
    for k in ('escape_hi','overkill_hi'): assert d[k]==pytest.approx(one[k]) and d['review'][k]==pytest.approx(one['review'][k])
    assert d['report']['escape_rate']=='< 14 % (0 of 200 in 20 groups)'
    m = evaluate_run(make_run(tmp_path/'m', apart(200, 800), apart(200, 800), g), 20)
    assert m['escape_hi']==one['escape_hi'] and m['escapes']==d['report']['escape_rate'] and m['auc_boot_lo']==m['auc_lo']

def test_the_page_tells_what_a_band_saves(tmp_path):
    run = make_run(tmp_path/'r', draw(400, 1600, seed=1), draw(400, 1600, seed=2))
    d = operate_run(run, LINE, escape=.03)
    assert 'review' not in d
    d = operate_run(run, LINE, escape=.03, looks=.3)
    r = d['review']
    assert r['saves_cost_lo']<r['saves_cost']<r['saves_cost_hi'] and r['saves_cost']==pytest.approx(d['per_million']['cost']-r['cost'])
    assert (r['human_miss'], r['look_price'])==(.1, .2) and 'misses 10 %' in d['review_report']['assumed']
    assert d['threshold_on_line']==pytest.approx(float(calibrate(d['threshold'], d['temperature'], .5, .01))) and 'probability at the threshold' in d['report']
    page = ' '.join(o.to_csv() if isinstance(o, pd.DataFrame) else str(o) for o in operating(run))
    for words in ('saves per million', 'a person misses 10 %', 'probability at the threshold'): assert words in page

def test_auc_has_both_intervals(tmp_path):
    y,p = draw(60, 240, seed=5)
    m = evaluate_run(make_run(tmp_path/'r', (y, p), (y, p)), 200)
    lo,hi = bootstrap(lambda w: metrics(y, p, w), y, n=200).loc['auc', ['lo','hi']]
    assert (m['auc_boot_lo'], m['auc_boot_hi'])==(lo, hi) and (m['auc_lo'], m['auc_hi'])==auc_ci(y, p)[1:] and 'bootstrap' in m['auc_intervals']
