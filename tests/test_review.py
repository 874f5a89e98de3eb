"The band that people look at, and the operating point of a run: promises kept, no bare zero, groups counted once"
import contextlib, json, re
import numpy as np, pandas as pd, pytest
from scipy import stats
from scipy.special import logit
from conftest import draw, score_table, scored_run
from semiconductor_cls.base.errors import UserError
from semiconductor_cls.base.files import read_json
from semiconductor_cls.base.run import open_run
from semiconductor_cls.evaluate import evaluate_run, rates
from semiconductor_cls.jobs.report import audit_part, opening, operating
from semiconductor_cls.operate import Line
from semiconductor_cls.review import asked_for, band_rates, band_saves, calibrate, escape_bound, operate_run
from semiconductor_cls.review import report_band, review_band, train_share

LINE = Line(.01, 500, 2, .2)

def bells(m, n, seed=0): return draw(m, n, 3., seed, centre=.5)

def apart(m, n):
    "Scores that a threshold parts without a mistake"
    return np.r_[np.ones(m, bool), np.zeros(n, bool)], np.r_[np.full(m, .9), np.full(n, .1)]

def run_of(path, valid, test, groups=None):
    sets = dict(valid=valid, test=test)
    return scored_run(path, *(score_table(*v, k, groups) for k,v in sets.items()))

@pytest.mark.parametrize('miss,limit', [(.1,.02), (.1,.05), (.3,.05), (.9,.05)])
def test_a_band_keeps_its_promise_in_95_percent(miss, limit):
    "True rates are known; 300 sets, so 5 % ± 3.8 % (three standard errors)"
    def below(t): return stats.norm.cdf(logit(t)-1.5)
    broken = 0
    for i in range(300):
        b = review_band(*bells(400, 400, seed=i), LINE, escape=limit, human_miss=miss, max_cuts=200)
        broken += (1-miss)*below(b['lo']) + miss*below(b['hi']) > limit
    assert broken/300<=.088

def test_a_band_that_cannot_be_promised_is_refused():
    told = '40 defects cannot show it, 149 are needed'
    with pytest.raises(UserError, match=told): review_band(*bells(40, 400), LINE, escape=.02)
    b = review_band(*bells(149, 400), LINE, escape=.02) # just enough for one threshold
    assert b['escape_hi']<=.02+1e-9

@pytest.mark.parametrize('overkill,looks', [(.01,.02), (.05,.2)])
def test_a_band_keeps_the_limit_of_overkill(overkill, looks):
    "True rates are known; 200 sets, so 5 % ± 4.6 % (three standard errors)"
    cheap = Line(.05, 1000, 1)
    broken = 0
    for i in range(200):
        b = review_band(*bells(150, 1500, seed=i), cheap, looks, overkill=overkill, max_cuts=200)
        broken += 1-stats.norm.cdf(logit(b['hi'])+1.5) > overkill
    assert broken/200<=.096
    assert review_band(*bells(150, 1500), cheap, looks)['overkill_rate']>overkill # what it would do without

def test_copies_prove_no_more_than_one():
    y,p = bells(60, 200)
    i = np.repeat(np.arange(260), 10)
    for lo,hi in ((.2,.2), (.2,.6), (.01,.99)):
        want = escape_bound(y, p, lo, hi)
        assert escape_bound(y[i], p[i], lo, hi, groups=i)==pytest.approx(want, abs=1e-12)
    one,ten = rates(y, p, .5),rates(y[i], p[i], .5, i)
    for k in ('escape_lo','escape_hi','overkill_lo','overkill_hi'): assert ten[k]==pytest.approx(one[k], abs=1e-12)
    assert rates(y[i], p[i], .5)['escape_hi']<one['escape_hi']

def test_operate_run(tmp_path):
    valid,test = (draw(100, 400, 3., seed) for seed in (1, 2))
    run = run_of(tmp_path/'r', valid, test)
    res = operate_run(run, Line(.01, 500, 2), escape=.05, looks=.2)
    assert res['reported_on']=='test'
    assert res['escape_hi']>0
    assert read_json(run/'operating.json')['review']['look_share']>0

BARE_ZERO = re.compile(r'-?0(\.0+)?\b(?!\.)')

def test_no_bare_zero_is_told(tmp_path):
    run = run_of(tmp_path/'r', apart(100, 400), apart(100, 400))
    operate_run(run, LINE, looks=.1)
    d = read_json(run/'operating.json')
    assert d['report']['escape_rate']=='< 3 % (0 of 100; one-sided 95 %)'
    for k in ('scrapped per million', '€ per million'): assert d['report'][k].startswith('below ')
    assert 'review' not in d, 'one threshold does it'
    band = band_rates(*apart(100, 400), .4, .6, LINE) | band_saves(*apart(100, 400), .5, .4, .6, LINE)
    for words in (d['report'], report_band(band)):
        for k,v in words.items(): assert not BARE_ZERO.match(str(v)), (k, v)
    for k in ('escapes','scrapped','cost'): assert d['per_million'][f'{k}_hi']>d['per_million'][k]==0
    for k in 'escape overkill escapes_ppm scrapped_ppm cost'.split(): assert band[f'{k}_hi']>0
    for o in d['points']: assert 'cannot show it' in o['note'] or '< ' in o['note']

def test_groups_reach_the_operating_point(tmp_path):
    groups,many,few = np.arange(1000)//10,apart(200, 800),apart(20, 80)
    d = operate_run(run_of(tmp_path/'g', many, many, groups), LINE, looks=.1)
    one = operate_run(run_of(tmp_path/'o', few, few), LINE, looks=.1)
    for k in ('escape_hi','overkill_hi'):
        assert d[k]==pytest.approx(one[k])
        grouped,alone = band_rates(*many, .4, .6, LINE, groups=groups),band_rates(*few, .4, .6, LINE)
        assert grouped[k]==pytest.approx(alone[k])
    assert d['report']['escape_rate']=='< 14 % (0 of 200 in 20 groups; one-sided 95 %)'
    m = evaluate_run(run_of(tmp_path/'m', many, many, groups), 20)
    assert m['escape_hi']==one['escape_hi']
    assert m['escapes']==d['report']['escape_rate']
    assert m['auc_boot_lo']==m['auc_lo']

def test_the_page_tells_what_a_band_saves(tmp_path):
    run = run_of(tmp_path/'r', bells(400, 1600, seed=1), bells(400, 1600, seed=2))
    assert 'review' not in operate_run(run, LINE, escape=.03)
    d = operate_run(run, LINE, escape=.03, looks=.3)
    r = d['review']
    assert r['saves_cost_lo']<r['saves_cost']<r['saves_cost_hi']
    assert r['saves_cost']==pytest.approx(d['per_million']['cost']-r['cost'])
    assert (r['human_miss'], r['look_price'])==(.1, .2)
    assert 'misses 10 %' in d['review_report']['assumed']
    on_line = float(calibrate(d['threshold'], d['temperature'], .5, .01))
    assert d['threshold_on_line']==pytest.approx(on_line)
    assert 'probability at the threshold' in d['report']
    page = ' '.join(o.to_csv() if isinstance(o, pd.DataFrame) else str(o) for o in operating(run))
    for words in ('saves per million', 'a person misses 10 %', 'probability at the threshold'): assert words in page

def test_calibration_knows_how_training_drew(stub):
    def learnt(t): return t.assign(split='train', label=['defect']*(len(t)//10)+['good']*(len(t)*9//10))
    run = open_run(stub('r', np.linspace(0, 1, 40), table=learnt))
    assert train_share(run)==.5
    run.update(recipe={**run.info['recipe'], 'balanced':False})
    assert train_share(run)==.1

def places(said, at=()):
    "Where a value stands in a JSON file; of a list the first"
    if at: yield at
    for name in said if isinstance(said, dict) else [0][:len(said)] if isinstance(said, list) else ():
        yield from places(said[name], (*at,name))

def damaged(said, at, value):
    "The same with another value at one place"
    if not at: return value
    rest = dict(said) if isinstance(said, dict) else list(said)
    rest[at[0]] = damaged(rest[at[0]], at[1:], value)
    return rest

@pytest.mark.parametrize('value', ['text', None, {}], ids=str)
def test_a_damaged_operating_point_is_read_or_refused_never_stumbled_over(tmp_path, value):
    run = run_of(tmp_path/'r', bells(60, 200), bells(60, 200, 1))
    operate_run(run, LINE, looks=.3)
    whole,m = read_json(run/'operating.json'),run.read('metrics.json')
    run.update(files={}) # as a run that keeps no hashes
    readers = operating,audit_part,asked_for,lambda run: opening(run, m)
    for at in places(whole):
        (run/'operating.json').write_text(json.dumps(damaged(whole, at, value)))
        for reader in readers:
            with contextlib.suppress(UserError): reader(run)
